/**
 * Passwords that many people have, which are the first that anybody tries (NIST SP 800-63B-4 §3.1.1.2; ASVS 5.0, 6.2.4).
 * Where they come from, and on what terms, stands at the head of common-passwords.txt.
 */
import { readFileSync } from 'node:fs';

let list: ReadonlySet<string> | undefined;

/** All of them, {@link folded}: some forty-nine thousand, read once per process, three megabytes. */
export function commonPasswords(): ReadonlySet<string> {
  list ??= readList();
  return list;
}

/** The form in which passwords are looked up there: whatever the case, and however a keyboard composes its letters. */
export function folded(password: string): string {
  return password.normalize('NFKC').toLowerCase();
}

function readList(): ReadonlySet<string> {
  const text = readFileSync(new URL('common-passwords.txt', import.meta.url), 'utf8');
  const afterLicences = text.indexOf('\n\n') + 2;
  return new Set(text.slice(afterLicences).trimEnd().split('\n'));
}
