/**
 * GoTrue's second format of refresh tokens (contract §4.3): which session, which number, and a MAC over both. Nothing is
 * stored per token. base64url of: 0x00, the session's 16 bytes, the counter as unsigned LEB128, the first 16 bytes of an
 * HMAC-SHA-256 over all of that, and the first 4 bytes of a SHA-256 over everything before, which tells a mistyped token
 * from a forged one.
 */
import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from 'node:crypto';

const VERSION = 0;
const ID_BYTES = 16;
const MAC_BYTES = 16;
const CHECKSUM_BYTES = 4;
/** 2^53, seven bits a byte: more refreshes than a session can have. */
const COUNTER_MAX_BYTES = 8;
const SHORTEST = 1 + ID_BYTES + 1 + MAC_BYTES + CHECKSUM_BYTES;
const LONGEST = SHORTEST - 1 + COUNTER_MAX_BYTES;

export interface CounterToken {
  session_id: string;
  counter: number;
  /** What the MAC is over. */
  signed: Buffer;
  mac: Buffer;
}

/**
 * The key of a session's refresh tokens: 256 bits, derived from the server's secret, so that whoever reads the database
 * can mint none (DESIGN §1.4). Going back to Supabase writes it where GoTrue looks for it.
 *
 * HKDF-Expand with SHA-256, one block (RFC 5869 §2.3); the secret is uniformly random, so that nothing has to be extracted
 * from it (§3.3). As an HMAC it takes a third of the time of node:crypto's own HKDF.
 */
export function refreshTokenKey(serverSecret: KeyObject, session_id: string): KeyObject {
  // A key object: of bytes node:crypto takes 13 µs at each use to find out what kind of key they are.
  return createSecretKey(
    createHmac('sha256', serverSecret).update(`gatehouse refresh token ${session_id}\x01`).digest(),
  );
}

/** The refresh token of a session with this number. */
export function writeRefreshToken(session_id: string, counter: number, key: KeyObject): string {
  const signed = Buffer.concat([Buffer.from([VERSION]), uuidBytes(session_id), leb128(counter)]);
  const body = Buffer.concat([signed, macOf(signed, key)]);
  return Buffer.concat([body, checksumOf(body)]).toString('base64url');
}

/** A token taken apart; undefined for what is none. Only {@link isSignedBy} says whether it was ever issued. */
export function readRefreshToken(token: string): CounterToken | undefined {
  const bytes = Buffer.from(token, 'base64url');
  // Decoding passes over what is no base64url, and over spare bits: one token has one spelling.
  if (bytes.length < SHORTEST || bytes.length > LONGEST || bytes.toString('base64url') !== token) return undefined;
  const body = bytes.subarray(0, -CHECKSUM_BYTES);
  if (bytes[0] !== VERSION || !checksumOf(body).equals(bytes.subarray(-CHECKSUM_BYTES))) return undefined;
  const signed = body.subarray(0, -MAC_BYTES);
  const counter = readLeb128(signed.subarray(1 + ID_BYTES));
  if (counter === undefined) return undefined;
  return { session_id: uuidText(signed.subarray(1, 1 + ID_BYTES)), counter, signed, mac: body.subarray(-MAC_BYTES) };
}

export function isSignedBy({ signed, mac }: CounterToken, key: KeyObject): boolean {
  return timingSafeEqual(macOf(signed, key), mac);
}

function macOf(signed: Uint8Array, key: KeyObject): Buffer {
  return createHmac('sha256', key).update(signed).digest().subarray(0, MAC_BYTES);
}

function checksumOf(body: Uint8Array): Buffer {
  return hash('sha256', body, 'buffer').subarray(0, CHECKSUM_BYTES);
}

function leb128(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
  } while (rest > 0);
  return Buffer.from(bytes);
}

/** Undefined for what does not end, goes on after its end, or could be spelled shorter. */
function readLeb128(bytes: Uint8Array): number | undefined {
  const last = bytes.at(-1);
  if (last === undefined || last >= 128 || (bytes.length > 1 && last === 0)) return undefined;
  let value = 0;
  for (const [position, byte] of bytes.entries()) {
    if (byte >= 128 === (position === bytes.length - 1)) return undefined;
    value += (byte % 128) * 128 ** position;
  }
  return Number.isSafeInteger(value) ? value : undefined;
}

function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
