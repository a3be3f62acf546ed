/** How the text of an environment variable becomes a value: Go's syntax where GoTrue reads the variable too. */
import { isIP, isIPv4, isIPv6 } from 'node:net';

export type Parser<T> = (text: string) => T;

/** What a value must be, as the end of a sentence: "a number from 1 to 65535". Never holds the value itself. */
export class Unfit extends Error {
  override readonly name = 'Unfit';
}

/** The text as it is, blanks around it included: they may belong to a password. */
export const text: Parser<string> = (value) => value;

/** A boolean in the spellings of Go's strconv.ParseBool. */
export const flag: Parser<boolean> = (value) => {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(value.trim())) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(value.trim())) return false;
  throw new Unfit('true or false');
};

/** A whole number within bounds, both inclusive. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Parser<number> {
  return (value) => {
    const number = /^[+-]?\d+$/.test(value.trim()) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) throw new Unfit(`a whole number ${range(min, max)}`);
    return number;
  };
}

/** A decimal number within bounds, both inclusive. */
export function decimal(min: number, max: number = Number.MAX_SAFE_INTEGER): Parser<number> {
  return (value) => {
    const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value.trim()) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) throw new Unfit(`a number ${range(min, max)}`);
    return number;
  };
}

function range(min: number, max: number): string {
  return max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
}

/** In seconds, as every duration here. */
export const MINUTE = 60;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const SECONDS_PER: Record<string, number> = { ns: 1e-9, us: 1e-6, µs: 1e-6, μs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };
const DURATION = /^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
const DURATION_PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/**
 * A Go duration (`1h30m`, `10s`, `0`) as seconds, within bounds, both inclusive. A bare number is refused: it would be
 * anybody's guess whether it means seconds or hours, and GoTrue refuses it too.
 */
export function duration(min = 0, max: number = Number.MAX_SAFE_INTEGER): Parser<number> {
  return (value) => {
    const seconds = goDuration(value.trim());
    if (!(seconds >= min && seconds <= max))
      throw new Unfit(`a duration with its unit, as 90s or 1h30m${limits(min, max)}`);
    return seconds;
  };
}

/** What GoTrue takes as plain seconds; a Go duration is understood as well. */
export function seconds(min = 0, max: number = Number.MAX_SAFE_INTEGER): Parser<number> {
  return (value) => {
    const trimmed = value.trim();
    const seconds = /^\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : goDuration(trimmed);
    if (!(seconds >= min && seconds <= max))
      throw new Unfit(`a number of seconds or a duration, as 90 or 90s${limits(min, max)}`);
    return seconds;
  };
}

function goDuration(value: string): number {
  if (value === '0') return 0;
  if (!DURATION.test(value)) return Number.NaN;
  let seconds = 0;
  for (const [, amount, unit = ''] of value.matchAll(DURATION_PART))
    seconds += Number(amount) * (SECONDS_PER[unit] ?? 0);
  return seconds;
}

function limits(min: number, max: number): string {
  if (max !== Number.MAX_SAFE_INTEGER) return `, from ${min} to ${max} seconds`;
  return min > 0 ? `, of at least ${min} seconds` : '';
}

/** Zero means that there is no limit. */
export function noneWhenZero(parse: Parser<number>): Parser<number | null> {
  return (value) => parse(value) || null;
}

/** What GoTrue's own start puts in the place of a value that it does not want. */
export function replaced(parse: Parser<number>, unwanted: (value: number) => boolean, by: number): Parser<number> {
  return (value) => {
    const number = parse(value);
    return unwanted(number) ? by : number;
  };
}

/** Values separated by commas; blanks around them and empty ones are dropped. */
export const list: Parser<string[]> = (value) => parts(value, ',');

export function parts(value: string, separator: string): string[] {
  return value
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Pairs `name:value` separated by commas. */
export const pairs: Parser<ReadonlyMap<string, string>> = (value) =>
  new Map(
    list(value).map((pair) => {
      const colon = pair.indexOf(':');
      if (colon < 1) throw new Unfit('pairs name:value separated by commas');
      return [pair.slice(0, colon), pair.slice(colon + 1)];
    }),
  );

export function oneOf<const Names extends readonly string[]>(...names: Names): Parser<Names[number]> {
  return (value) => {
    const name = names.find((candidate) => candidate.toLowerCase() === value.trim().toLowerCase());
    if (name === undefined) throw new Unfit(`one of ${names.join(', ')}`);
    return name;
  };
}

/** An absolute http(s) URL without user, query and fragment, as written but for blanks and a trailing slash. */
export const webUrl: Parser<string> = (value) => {
  const trimmed = value.trim();
  const url = URL.parse(trimmed);
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search || url.hash) {
    throw new Unfit('an absolute URL, as https://auth.example.com');
  }
  return trimmed.replace(/\/+$/, '');
};

/** Where a template is: a web address, a path below another one, or a file (`file:/etc/mail.html`). */
export const templateSource: Parser<string> = (value) => {
  const trimmed = value.trim();
  const fit =
    'a web address without user, as https://portal.example.com/mail.html, a path below SITE_URL, or a file, as file:/etc/mail.html';
  const scheme = /^([a-z][a-z\d+.-]*):/i.exec(trimmed)?.[1]?.toLowerCase();
  if (scheme === 'file') {
    if (/^file:\/\/(?!\/)|%/i.test(trimmed) || trimmed.length === 'file:'.length) throw new Unfit(fit);
  } else if (scheme !== undefined) {
    const url = URL.parse(trimmed);
    if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) throw new Unfit(fit);
  }
  return trimmed;
};

/** Any absolute URI: a site may also be an app of a phone (`com.example.app://callback`). */
export const uri: Parser<string> = (value) => {
  const trimmed = value.trim();
  if (!URL.canParse(trimmed)) throw new Unfit('an absolute URL, as https://portal.example.com');
  return trimmed;
};

/** Origins as browsers send them, or `*`. */
export const origins: Parser<string[]> = (value) =>
  list(value).map((origin) => {
    const spelled = origin.replace(/\/+$/, '');
    // Browsers send no patterns: one would match nobody.
    if (origin !== '*' && (URL.parse(origin)?.origin !== spelled || origin.includes('*'))) {
      throw new Unfit('origins separated by commas, as https://portal.example.com, without a path, or *');
    }
    return spelled;
  });

export const port: Parser<number> = integer(1, 65_535);

/** The name of an HTTP header (RFC 9110 §5.6.2). */
export const headerName: Parser<string> = (value) => {
  const name = value.trim();
  if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) throw new Unfit('the name of one HTTP header');
  return name;
};

/**
 * Which peers may say for whom they speak: addresses, ranges, `loopback`, `linklocal`, `uniquelocal`, or one number, the
 * count of proxies in front. An IPv4 range written inside IPv6 (`::ffff:10.0.0.0/8`) is refused: read as IPv6 it is every
 * IPv4 address there is (CVE-2026-90711).
 */
export const proxies: Parser<string[]> = (value) => {
  const entries = list(value);
  const countOnly = entries.length === 1 && /^\d{1,2}$/.test(entries[0] ?? '');
  if (!countOnly && !entries.every(isProxyRange)) {
    throw new Unfit('addresses and ranges (10.0.0.0/8), loopback, linklocal, uniquelocal, or one count of proxies');
  }
  return entries;
};

function isProxyRange(entry: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(entry)) return true;
  const [, address = '', prefix] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(entry) ?? [];
  if (!isIP(address)) return false;
  const bits = isIPv4(address) ? 32 : 128;
  const length = prefix === undefined ? bits : Number(prefix);
  const mapped = isIPv6(address) && /^\[::ffff:/.test(new URL(`http://[${address}]`).host);
  return length >= 1 && length <= bits && (!mapped || length === bits);
}

/** How many messages may leave, from all accounts together (contract §10.2). */
export interface Rate {
  limit: number;
  /** The limit is a burst of which one comes back in this time; null: the whole limit holds for each clock hour. */
  refill_seconds: number | null;
}

/** `30`, per hour, or `30/1m`, a burst of 30 of which one comes back each minute. */
export const rate: Parser<Rate> = (value) => {
  const [count = '', every] = value.trim().split('/', 2);
  const limit = /^\d+(\.\d+)?$/.test(count) ? Number(count) : Number.NaN;
  const refill_seconds = every === undefined ? null : goDuration(every);
  if (Number.isNaN(limit) || Number.isNaN(refill_seconds) || refill_seconds === 0) {
    throw new Unfit('a number per hour, or a number and a duration, as 30 or 30/1m');
  }
  return { limit, refill_seconds };
};

/** Sets of characters separated by `:`, of each of which a password needs one; `\:` is a colon (contract §5). */
export const characterSets: Parser<string[]> = (value) =>
  value
    .split(/(?<!\\):/)
    .map((set) => set.replaceAll('\\:', ':'))
    .filter((set) => set !== '');

const KEY_BYTES = 32;

/** A key of 256 bits in base64url, as GoTrue's column encryption has them. */
export const encryptionKey: Parser<Buffer> = (value) => {
  const key = Buffer.from(value.trim(), 'base64url');
  if (key.length !== KEY_BYTES) throw new Unfit(`${KEY_BYTES} bytes in base64url`);
  return key;
};

/** `id:key,id:key` */
export const encryptionKeys: Parser<ReadonlyMap<string, Buffer>> = (value) =>
  new Map([...pairs(value)].map(([id, key]) => [id, encryptionKey(key)]));

/** A secret that signs or derives: at least as long as what it makes (RFC 7518 §3.2), whatever its characters. */
export const signingSecret: Parser<string> = (value) => {
  if (Buffer.byteLength(value) < KEY_BYTES) {
    throw new Unfit(`at least ${KEY_BYTES} bytes long: make one with "openssl rand -base64 48"`);
  }
  return value;
};

/** A private JWK as it stands in `GOTRUE_JWT_KEYS` (contract §4.2, RFC 7517). */
export interface PrivateJwk {
  kid: string;
  kty: string;
  alg?: string;
  key_ops?: string[];
  [member: string]: unknown;
}

/** The algorithm of a key: what it says itself, else the usual one of its kind, as GoTrue chooses it (contract §4.2). */
export function signingAlgorithm({ alg, kty, crv }: PrivateJwk): string {
  if (alg) return alg;
  if (kty === 'RSA') return 'RS256';
  if (kty === 'EC') return crv === 'P-521' ? 'ES512' : 'ES256';
  return kty === 'OKP' ? 'EdDSA' : 'HS256';
}

/** A JSON array of private JWKs, each with its `kid`; exactly one signs. */
export const privateJwks: Parser<PrivateJwk[]> = (value) => {
  let keys: unknown;
  try {
    keys = JSON.parse(value);
  } catch {
    throw new Unfit('a JSON array of private JWKs');
  }
  if (!Array.isArray(keys) || !keys.every(isJwk))
    throw new Unfit('a JSON array of private JWKs, each with kty and kid');
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length) throw new Unfit('JWKs that each have a kid of their own');
  if (keys.filter(({ key_ops }) => key_ops?.includes('sign')).length !== 1) {
    throw new Unfit('JWKs of which exactly one has "sign" among its key_ops');
  }
  return keys;
};

function isJwk(key: Partial<PrivateJwk> | null): key is PrivateJwk {
  const filled = (member: unknown) => typeof member === 'string' && member !== '';
  return (
    typeof key === 'object' &&
    key !== null &&
    filled(key.kid) &&
    filled(key.kty) &&
    (key.alg === undefined || filled(key.alg)) &&
    (key.key_ops === undefined || (Array.isArray(key.key_ops) && key.key_ops.every(filled)))
  );
}

/** How many backups stay: the newest of each of so many days, weeks, months and years. */
export interface Retention {
  daily: number;
  weekly: number;
  monthly: number;
  yearly: number;
}

/** `7 daily, 5 weekly, 12 monthly, 7 yearly`; what is not named is none. */
export const retention: Parser<Retention> = (value) => {
  const kept: Retention = { daily: 0, weekly: 0, monthly: 0, yearly: 0 };
  const named = new Set<string>();
  for (const part of list(value)) {
    const [, count = '', period = ''] = /^(\d{1,4})\s+(daily|weekly|monthly|yearly)$/i.exec(part) ?? [];
    const name = period.toLowerCase() as keyof Retention;
    if (!period || named.has(name)) throw new Unfit('as "7 daily, 5 weekly, 12 monthly, 7 yearly", each at most once');
    named.add(name);
    kept[name] = Number(count);
  }
  return kept;
};

const AGE_IDENTITY = /^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/;

/** Identities in the form of `age-keygen`: a line each; empty ones and those that begin with `#` do not count. */
export const ageIdentities: Parser<string[]> = (value) => {
  const lines = parts(value, '\n').filter((line) => !line.startsWith('#'));
  if (lines.length === 0 || !lines.every((line) => AGE_IDENTITY.test(line))) {
    throw new Unfit('what "gatehouse backup keygen" or age-keygen prints, a line AGE-SECRET-KEY-1… per key');
  }
  return lines;
};
