/**
 * What a new password must be: GoTrue's rules and its words for them (contract §5), a length that argon2id allows, and what
 * nobody else would try first (NIST SP 800-63B-4 §3.1.1.2).
 */
import type { Settings } from '../config.ts';
import { AuthError } from '../errors.ts';
import { commonPasswords, folded } from './common-passwords.ts';
import { isMostlyContext, type PasswordHolder, wordsOfService } from './context-words.ts';

/**
 * The longest password taken, in code points. GoTrue stops at bcrypt's 72 bytes; argon2id has no such limit, and a limit in
 * bytes would refuse the 64 characters that NIST SP 800-63B-4 §3.1.1.2 asks for wherever people do not write in ASCII.
 */
const MAX_PASSWORD_CODE_POINTS = 1024;
/** GoTrue's least, whatever is configured. */
const MIN_PASSWORD_LENGTH = 6;

export interface PasswordRules {
  /**
   * `PASSWORD_MIN_LENGTH`, in code points of the NFC form, as NIST counts. GoTrue counts bytes, so that three letters with
   * accents pass for its six characters.
   */
  min_length: number;
  /** `PASSWORD_REQUIRED_CHARACTERS`: at least one character of each set. */
  required_characters: readonly string[];
  /** What is refused however long it is; undefined where `PASSWORD_BLOCKLIST_ENABLED` is off. */
  blocklist: { common: ReadonlySet<string>; words: readonly string[] } | undefined;
}

/** What is asked of passwords here, made once per process. */
export function passwordRules(settings: Settings): PasswordRules {
  return {
    min_length: settings.password_min_length,
    required_characters: settings.password_required_characters,
    blocklist: settings.password_blocklist_enabled
      ? { common: commonPasswords(), words: wordsOfService(settings) }
      : undefined,
  };
}

/** The member `weak_password` of an answer. Clients know three reasons: what is easily guessed has GoTrue's for breached ones. */
export interface PasswordWeakness {
  message: string;
  reasons: ('length' | 'characters' | 'pwned')[];
}

const EASY_TO_GUESS = 'Password is known to be weak and easy to guess, please choose a different one.';
const CONTEXT_WORD =
  'Password is too close to your name, your address or the name of this service, please choose a different one.';

/**
 * What is wrong with somebody's password by these rules, undefined when nothing is; the blocklist has its say where the rules
 * that GoTrue has are kept. A sign-in with such a password succeeds and its answer says so; a new one is refused by
 * {@link refuseUnfit}.
 *
 * @param breached whether the password was found in a breached set, where one was asked
 */
export function passwordWeakness(
  password: string,
  { min_length, required_characters, blocklist }: PasswordRules,
  holder: PasswordHolder,
  breached = false,
): PasswordWeakness | undefined {
  const least = Math.max(min_length, MIN_PASSWORD_LENGTH);
  const found: [PasswordWeakness['reasons'][number], string][] = [];
  if (lengthOf(password) < least) {
    found.push(['length', `Password should be at least ${least} characters.`]);
  }
  const characters = new Set(password);
  if (!required_characters.every((set) => [...set].some((character) => characters.has(character)))) {
    const sets = required_characters.join(', ');
    found.push(['characters', `Password should contain at least one character of each: ${sets}.`]);
  }
  if (breached) {
    found.push(['pwned', EASY_TO_GUESS]);
  } else if (found.length === 0 && blocklist) {
    if (blocklist.common.has(folded(password))) found.push(['pwned', EASY_TO_GUESS]);
    else if (isMostlyContext(password, blocklist.words, holder)) found.push(['pwned', CONTEXT_WORD]);
  }
  if (found.length === 0) return undefined;
  return { message: found.map(([, text]) => text).join(' '), reasons: found.map(([reason]) => reason) };
}

/**
 * Refuses what may not become anybody's password.
 *
 * @throws AuthError `validation_failed` when it is too long, else `weak_password` with its reasons
 */
export function refuseUnfit(password: string, rules: PasswordRules, holder: PasswordHolder, breached = false): void {
  refuseTooLong(password);
  const weakness = passwordWeakness(password, rules, holder, breached);
  if (weakness) {
    throw new AuthError('weak_password', {
      message: weakness.message,
      weak_password: { reasons: weakness.reasons },
    });
  }
}

/** @throws AuthError `validation_failed` for more than 1,024 code points */
export function refuseTooLong(password: string): void {
  if (!isTooLong(password)) return;
  throw new AuthError('validation_failed', {
    message: `Password cannot be longer than ${MAX_PASSWORD_CODE_POINTS} characters`,
  });
}

export function isTooLong(password: string): boolean {
  // A code point is one or two UTF-16 units: a megabyte need not be taken apart to be counted.
  return password.length > 2 * MAX_PASSWORD_CODE_POINTS || [...password].length > MAX_PASSWORD_CODE_POINTS;
}

function lengthOf(password: string): number {
  return [...password.normalize('NFC')].length;
}
