/**
 * The form in which two faithful answers are equal: values that a scenario has saved stand under their names, and what
 * differs between any two runs (ids, times, secrets) is a mark. It is the form of the recordings.
 */
import type { Json, JsonObject } from './scenario.ts';

/** What a scenario knows so far: `email`, `user_id`, `access_token` … */
export type Values = Record<string, unknown>;

/** The address that the profiles' settings name, whatever port the server under test listens on. */
const EXTERNAL_URL = 'http://127.0.0.1:9999';

const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;
const TIME = /\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)?/g;
const JWT = /^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]*$/;

/** Members that are Unix seconds where they are numbers. */
const epochs = new Set('updated_at exp iat nbf expires_at timestamp client_id_issued_at created auth_time'.split(' '));
/** Members whose value is random. */
const secrets = new Set(
  'refresh_token hashed_token email_otp nonce secret client_secret code token token_hash challenge session_id auth_code registration_token'.split(
    ' ',
  ),
);
/** Members of which no order is promised. */
const unordered = new Set(['identities', 'amr']);

/** The value as it is compared; `key` is the member's name, which says what kind of value it is. */
export function normal(value: unknown, values: Values, key = ''): Json {
  if (Array.isArray(value)) {
    const items = value.map((item) => normal(item, values));
    return unordered.has(key) ? items.sort(byProviderAndMethod) : items;
  }
  if (value && typeof value === 'object') {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(members.map(([name, member]) => [name, normal(member, values, name)]));
  }
  if (typeof value === 'number' && epochs.has(key)) return '<epoch>';
  // GoTrue counts from the answer, so 1799 is 1800 a tick later.
  if (key === 'expires_in') {
    const seconds = Math.ceil(Number(value) / 10) * 10;
    return typeof value === 'number' ? seconds : String(seconds);
  }
  if (typeof value !== 'string') return value as Json;
  return JWT.test(value) ? normalJwt(value, values) : normalText(value, values, key);
}

function byProviderAndMethod(one: Json, other: Json): number {
  const rank = (item: Json) => {
    const { provider, method } = item as JsonObject;
    return JSON.stringify([provider, method, item]);
  };
  return rank(one) < rank(other) ? -1 : 1;
}

function normalJwt(jwt: string, values: Values): Json {
  try {
    const parts = jwt.split('.').slice(0, 2);
    const [header, claims] = parts.map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));
    return { $jwt: { alg: header.alg, life: claims.exp - claims.iat, ...(normal(claims, values) as JsonObject) } };
  } catch {
    return '<jwt>';
  }
}

function normalText(value: string, values: Values, key: string): string {
  let text = named(value, values)
    .replaceAll(EXTERNAL_URL, '<base>')
    .replace(/eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+/g, '<jwt>')
    .replace(UUID, '<uuid>')
    .replace(TIME, '<time>')
    .replace(/^(\$2[abxy]\$|\$argon2|\$fbscrypt).*$/, '<password_hash>')
    .replace(/\b(pkce_)?[0-9a-f]{56}\b/g, '<$1token_hash>')
    .replace(/\bexpires_at=\d+/g, 'expires_at=<epoch>')
    .replace(/refresh_token=[\w-]+/g, 'refresh_token=<refresh_token>')
    .replace(/data:image\/svg\+xml[\s\S]*/, '<svg>')
    .replace(/\bafter \d+ seconds/g, 'after <n> seconds');
  const isErrorCode = key === 'code' && /^[a-z]+$/.test(text);
  if (secrets.has(key) && !isErrorCode && /^[a-zA-Z0-9-]{6,}$/.test(text)) text = `<${key}>`;
  if (key === 'refresh_token' && !text.includes('{{')) return '<refresh_token>';
  return key === 'uri' && text.startsWith('otpauth:') ? text.replace(/secret=[A-Z2-7]+/, 'secret=<secret>') : text;
}

/** Every value of the scenario that occurs in the text, the longest first, as `{{its name}}`; plain or in a URL. */
function named(text: string, values: Values): string {
  const known = Object.entries(values)
    .filter((entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1].length >= 5)
    .sort(([a, one], [b, other]) => other.length - one.length || (a < b ? -1 : 1));
  for (const [name, value] of known) {
    for (const form of new Set([value, encodeURIComponent(value), value.replaceAll('@', '%40')])) {
      text = text.split(form).join(`{{${name}}}`);
    }
  }
  return text;
}

/** A redirect or a link by its address, query and fragment. */
export function place(url: string, values: Values): JsonObject {
  const [before = '', fragment] = url.split('#');
  const [to, query] = before.split('?');
  const membersOf = (text: string) =>
    Object.fromEntries(
      [...new URLSearchParams(text)].map(([name, value]) => [
        name,
        name === 'expires_at' ? '<epoch>' : normal(value, values, name),
      ]),
    );
  return {
    to: normal(to, values),
    ...(query ? { query: membersOf(query) } : {}),
    ...(fragment ? { fragment: membersOf(fragment) } : {}),
  };
}

/** Every place where the two differ, by its path (`body.user.email: want …, got …`). */
export function differencesBetween(want: Json | undefined, got: Json | undefined, path = ''): string[] {
  if (isParent(want) && isParent(got) && Array.isArray(want) === Array.isArray(got)) {
    const [wanted, found] = [want as JsonObject, got as JsonObject];
    return [...new Set([...Object.keys(wanted), ...Object.keys(found)])].flatMap((name) =>
      differencesBetween(wanted[name], found[name], path ? `${path}.${name}` : name),
    );
  }
  if (JSON.stringify(want) === JSON.stringify(got)) return [];
  return [`${path}: want ${shortened(want)}, got ${shortened(got)}`];
}

function isParent(value: Json | undefined): value is Json[] | JsonObject {
  return typeof value === 'object' && value !== null;
}

const shortened = (value: Json | undefined) => JSON.stringify(value)?.slice(0, 300);
