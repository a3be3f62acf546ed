/**
 * GoTrue's column encryption, "aes-gcm-hkdf" (contract §5, end): single values of `auth` stand in the database as a JSON
 * envelope that only the holder of the master key opens, and only in the row that it was made for. The AES-256-GCM key is
 * HKDF-SHA-256 of the master key with the row's id as `info`; the tag follows the ciphertext; binary is padded base64.
 *
 * Encrypted may be: `users.encrypted_password`, `mfa_factors.secret`, `mfa_challenges.otp_code`,
 * `sessions.refresh_token_hmac_key`. One table holds encrypted and plain values side by side.
 */
import { createDecipheriv, hkdfSync } from 'node:crypto';

const ALGORITHM = 'aes-gcm-hkdf';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Master keys of 32 bytes by their id: GoTrue's `GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS`, base64url decoded. */
export type ColumnKeys = ReadonlyMap<string, Uint8Array>;

interface Envelope {
  key_id: string;
  alg: typeof ALGORITHM;
  data: string;
  nonce: string;
}

/**
 * The plain text of a column's value: the value itself when it is not encrypted, undefined when it is and cannot be read
 * here (no key of that id, another row's value, altered, or another key under the same id).
 *
 * @param object_id the id of the row that the value belongs to, as lower-case UUID text
 */
export function decryptColumn(text: string, object_id: string, keys: ColumnKeys): string | undefined {
  const envelope = readEnvelope(text);
  if (!envelope) return text;
  const key = keys.get(envelope.key_id);
  const nonce = Buffer.from(envelope.nonce, 'base64');
  const data = Buffer.from(envelope.data, 'base64');
  if (!key || nonce.length !== NONCE_BYTES || data.length < TAG_BYTES) return undefined;

  const decipher = createDecipheriv('aes-256-gcm', rowKey(key, object_id), nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(data.subarray(-TAG_BYTES));
  const plain = decipher.update(data.subarray(0, -TAG_BYTES));
  try {
    return Buffer.concat([plain, decipher.final()]).toString();
  } catch {
    return undefined; // the tag does not fit: nothing that was deciphered is to be used
  }
}

function rowKey(key: Uint8Array, object_id: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, '', object_id, KEY_BYTES));
}

/** Undefined of a value that GoTrue takes for plain text. */
function readEnvelope(text: string): Envelope | undefined {
  if (!text.startsWith('{')) return undefined;
  let value: Partial<Record<keyof Envelope, unknown>>;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { key_id, alg, data, nonce } = value;
  const filled = (member: unknown): member is string => typeof member === 'string' && member !== '';
  if (alg !== ALGORITHM || !filled(key_id) || !filled(data) || !filled(nonce)) return undefined;
  return { key_id, alg, data, nonce };
}
