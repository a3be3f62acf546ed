/**
 * Words that anybody would try first for one person at one service (ASVS 5.0, 6.1.2 and 6.2.11): the person's addresses and
 * names, the service's. They count for nothing in a password: without them, read forwards or backwards, it still needs eight
 * characters. So a name is no password, nor is a name with a year behind it, while a sentence with a name in it is one.
 */
import type { Settings } from '../config.ts';
import type { Metadata } from '../http/body.ts';

/** Whose password it is, as far as that is known. */
export interface PasswordHolder {
  email?: string | null | undefined;
  phone?: string | null | undefined;
  raw_user_meta_data?: Metadata | null | undefined;
}

/** What has to be left of a password. */
const LEAST_LEFT = 8;
/** Shorter ones are in half of all sentences. */
const WORD = /\p{L}{3,}|\p{N}{4,}/gu;
const UNBROKEN = /[\p{L}\p{N}]{4,}/gu;
const NAMES = [
  'name',
  'full_name',
  'display_name',
  'first_name',
  'last_name',
  'given_name',
  'family_name',
  'middle_name',
  'nickname',
  'user_name',
  'username',
  'preferred_username',
] as const;
/** Metadata is what people say of themselves, and may be long. */
const MOST_CHARACTERS = 256;
const MOST_WORDS = 100;

/** The words of the service: its name, the hosts that it and its portal have, and what the operator adds. */
export function wordsOfService({
  smtp_sender_name,
  site_url,
  api_external_url,
  password_context_words,
}: Pick<Settings, 'smtp_sender_name' | 'site_url' | 'api_external_url' | 'password_context_words'>): string[] {
  const hosts = [site_url, api_external_url].flatMap((url) => URL.parse(url ?? '')?.hostname ?? []);
  return [
    ...hosts.flatMap(wordsOfHost),
    ...[smtp_sender_name ?? '', ...password_context_words].flatMap((text) => wordsIn(text)),
  ];
}

/** True of a password of which too little is left without those words and the holder's. */
export function isMostlyContext(password: string, words: readonly string[], holder: PasswordHolder): boolean {
  const whole = plain(password);
  const all = [...wordsOfHolder(holder), ...words].sort((one, other) => other.length - one.length);
  let rest = whole;
  for (const word of all) {
    // A character that no word has, so that what stood on both sides does not become one.
    rest = rest.replaceAll(word, '\0').replaceAll([...word].reverse().join(''), '\0');
  }
  return rest !== whole && [...rest.replaceAll('\0', '')].length < LEAST_LEFT;
}

function wordsOfHolder({ email, phone, raw_user_meta_data }: PasswordHolder): string[] {
  const names = NAMES.map((name) => raw_user_meta_data?.[name]).filter((value) => typeof value === 'string');
  return [
    ...(email ? wordsOfAddress(email) : []),
    ...(phone ? wordsIn(phone) : []),
    ...names.flatMap((text) => wordsIn(text)),
  ].slice(0, MOST_WORDS);
}

function wordsOfAddress(email: string): string[] {
  const address = plain(email.slice(0, MOST_CHARACTERS));
  const [local = '', host = ''] = address.split('@');
  return [address, ...wordsIn(local), ...wordsOfHost(host)];
}

/** Without its last label, which is nobody's. */
function wordsOfHost(host: string): string[] {
  const labels = host.split('.');
  return [plain(host), ...wordsIn((labels.length > 1 ? labels.slice(0, -1) : labels).join(' '))].filter(Boolean);
}

/** `ann1985` is three: itself, `ann` and `1985`. */
function wordsIn(text: string): string[] {
  const readable = plain(text.slice(0, MOST_CHARACTERS));
  return [...(readable.match(UNBROKEN) ?? []), ...(readable.match(WORD) ?? [])];
}

/** In lower case and without accents: `Zoë` is `zoe`. */
function plain(text: string): string {
  return text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
}
