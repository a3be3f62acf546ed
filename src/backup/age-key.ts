/**
 * Keys of the age format, as `age-keygen` writes them: what decrypts is an identity (`AGE-SECRET-KEY-1…`), what encrypts its
 * recipient (`age1…`). Both are an X25519 key in Bech32.
 *
 * @see https://github.com/C2SP/C2SP/blob/main/age.md#the-x25519-recipient-type and BIP 173
 */
import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';

export interface AgeKey {
  secret: KeyObject;
  /** The public half, 32 bytes. */
  share: Buffer;
  /** The public half as age writes it; names the key, and is no secret. */
  recipient: string;
  /** Authenticates what stands beside the encrypted file: 32 bytes that only who holds the identity can derive. */
  macKey: Buffer;
}

const IDENTITY = 'AGE-SECRET-KEY-';
const RECIPIENT = 'age';
const KEY_BYTES = 32;
/** RFC 8410: what stands before the 32 bytes in PKCS #8 and in SubjectPublicKeyInfo. */
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI_X25519 = Buffer.from('302a300506032b656e032100', 'hex');

/** A new identity: 256 random bits. */
export function makeIdentity(): string {
  return bech32(IDENTITY.toLowerCase(), randomBytes(KEY_BYTES)).toUpperCase();
}

/** The key of an identity; undefined for text that is none. */
export function readIdentity(text: string): AgeKey | undefined {
  const scalar = text === text.toUpperCase() ? fromBech32(IDENTITY.toLowerCase(), text.toLowerCase()) : undefined;
  if (scalar?.length !== KEY_BYTES) return undefined;
  const secret = createPrivateKey({ key: Buffer.concat([PKCS8_X25519, scalar]), format: 'der', type: 'pkcs8' });
  const share = shareOf(secret);
  const macKey = Buffer.from(hkdfSync('sha256', scalar, Buffer.alloc(0), 'gatehouse backup manifest 1', KEY_BYTES));
  return { secret, share, recipient: bech32(RECIPIENT, share), macKey };
}

/** The public half of a key, 32 bytes. */
export function shareOf(secret: KeyObject): Buffer {
  return createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(SPKI_X25519.length);
}

export function publicKeyOf(share: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_X25519, share]), format: 'der', type: 'spki' });
}

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const CHECKSUM_LENGTH = 6;

function bech32(prefix: string, bytes: Buffer): string {
  const values = regroup(bytes, 8, 5, true);
  const checksum = polymod([...expanded(prefix), ...values, ...new Array<number>(CHECKSUM_LENGTH).fill(0)]) ^ 1;
  const tail = Array.from({ length: CHECKSUM_LENGTH }, (_, place) => (checksum >>> (5 * (5 - place))) & 31);
  return `${prefix}1${[...values, ...tail].map((value) => ALPHABET[value]).join('')}`;
}

function fromBech32(prefix: string, text: string): Buffer | undefined {
  if (!text.startsWith(`${prefix}1`)) return undefined;
  const values = [...text.slice(prefix.length + 1)].map((character) => ALPHABET.indexOf(character));
  if (values.includes(-1) || polymod([...expanded(prefix), ...values]) !== 1) return undefined;
  return Buffer.from(regroup(values.slice(0, -CHECKSUM_LENGTH), 5, 8, false));
}

function expanded(prefix: string): number[] {
  const codes = [...prefix].map((character) => character.charCodeAt(0));
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
}

function polymod(values: number[]): number {
  const generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
  return values.reduce((sum, value) => {
    const top = sum >>> 25;
    const shifted = ((sum & 0x1ffffff) << 5) ^ value;
    return generator.reduce((mixed, part, bit) => ((top >>> bit) & 1 ? mixed ^ part : mixed), shifted);
  }, 1);
}

function regroup(values: Iterable<number>, from: number, to: number, pad: boolean): number[] {
  const out: number[] = [];
  let held = 0;
  let bits = 0;
  for (const value of values) {
    held = ((held << from) | value) & 0xfff;
    bits += from;
    while (bits >= to) {
      bits -= to;
      out.push((held >>> bits) & ((1 << to) - 1));
    }
  }
  if (pad && bits > 0) out.push((held << (to - bits)) & ((1 << to) - 1));
  return out;
}
