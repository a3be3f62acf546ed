/**
 * Files in the age format, version 1, by `node:crypto`: anybody who holds the key opens them with `age --decrypt`. A file
 * key of its own per file, wrapped for one X25519 recipient; the contents in chunks of 64 KiB, each authenticated with its
 * place and with whether it is the last (STREAM), so that a file which is changed, reordered or cut short is refused.
 *
 * @see https://github.com/C2SP/C2SP/blob/main/age.md
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { type AgeKey, publicKeyOf, shareOf } from './age-key.ts';

/** Why a file cannot be opened: it is none of this format, for another key, or not what was written. */
export class AgeError extends Error {
  override readonly name = 'AgeError';
  readonly kind: 'not_age' | 'wrong_key' | 'damaged';

  constructor(kind: AgeError['kind'], options?: ErrorOptions) {
    super(kind, options);
    this.kind = kind;
  }
}

type Bytes = AsyncIterable<Buffer>;

const INTRO = 'age-encryption.org/v1';
const LABEL = 'age-encryption.org/v1/X25519';
const KEY_BYTES = 32;
const FILE_KEY_BYTES = 16;
const NONCE_BYTES = 16;
const TAG_BYTES = 16;
const CHUNK_BYTES = 64 * 1024;
const HEADER_LIMIT = 64 * 1024;
const CIPHER = 'chacha20-poly1305';

/** What `source` yields, encrypted for the key. */
export async function* encrypt(source: Bytes, key: AgeKey): AsyncGenerator<Buffer> {
  const fileKey = randomBytes(FILE_KEY_BYTES);
  const ephemeral = generateKeyPairSync('x25519').privateKey;
  const share = shareOf(ephemeral);
  const shared = diffieHellman({ privateKey: ephemeral, publicKey: publicKeyOf(key.share) });
  const wrapped = seal(derive(shared, Buffer.concat([share, key.share]), LABEL), nonceOf(0, false), fileKey);
  const lines = `${INTRO}\n-> X25519 ${unpadded(share)}\n${unpadded(wrapped)}\n---`;
  const nonce = randomBytes(NONCE_BYTES);
  yield Buffer.concat([Buffer.from(`${lines} ${unpadded(macOf(lines, fileKey))}\n`), nonce]);

  const payloadKey = derive(fileKey, nonce, 'payload');
  let number = 0;
  for await (const { bytes, last } of chunksOf(source, CHUNK_BYTES))
    yield seal(payloadKey, nonceOf(number++, last), bytes);
}

/**
 * What was encrypted, each chunk once it is proven to be what was written. That the end was reached is known only when
 * this ends without an error.
 *
 * @throws AgeError
 */
export async function* decrypt(source: Bytes, keys: readonly AgeKey[]): AsyncGenerator<Buffer> {
  const reading = source[Symbol.asyncIterator]();
  const { header, rest } = await readHeader(reading);
  const fileKey = unwrap(header, keys);
  const end = header.lastIndexOf('\n--- ') + '\n---'.length;
  const mac = Buffer.from(header.slice(end + 1, -1), 'base64');
  const expected = macOf(header.slice(0, end), fileKey);
  if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) throw new AgeError('damaged');

  let held = rest;
  while (held.length < NONCE_BYTES) held = Buffer.concat([held, await nextOf(reading)]);
  const payloadKey = derive(fileKey, held.subarray(0, NONCE_BYTES), 'payload');
  let number = 0;
  for await (const { bytes, last } of chunksOf(
    remaining(held.subarray(NONCE_BYTES), reading),
    CHUNK_BYTES + TAG_BYTES,
  )) {
    const opened = open(payloadKey, nonceOf(number++, last), bytes);
    if (opened.length === 0 && number > 1) throw new AgeError('damaged');
    yield opened;
  }
}

async function readHeader(reading: AsyncIterator<Buffer>): Promise<{ header: string; rest: Buffer }> {
  let held = Buffer.alloc(0);
  for (;;) {
    const start = held.subarray(0, INTRO.length + 1).toString('latin1');
    if (!`${INTRO}\n`.startsWith(start)) throw new AgeError('not_age');
    const mac = held.indexOf('\n--- ');
    const end = mac < 0 ? -1 : held.indexOf('\n', mac + 1);
    if (end >= 0) return { header: held.subarray(0, end + 1).toString('latin1'), rest: held.subarray(end + 1) };
    const { value, done } = await reading.next();
    if (done || held.length > HEADER_LIMIT) throw new AgeError(held.length > INTRO.length ? 'damaged' : 'not_age');
    held = Buffer.concat([held, value]);
  }
}

/** The file key, from the stanza that is for one of the keys. Stanzas of other kinds are others' to read. */
function unwrap(header: string, keys: readonly AgeKey[]): Buffer {
  for (const [, encodedShare = '', body = ''] of header.matchAll(/^-> X25519 ([\w+/]{43})\n([\w+/]{43})$/gm)) {
    const share = Buffer.from(encodedShare, 'base64');
    for (const key of keys) {
      try {
        const shared = diffieHellman({ privateKey: key.secret, publicKey: publicKeyOf(share) });
        const wrapKey = derive(shared, Buffer.concat([share, key.share]), LABEL);
        return open(wrapKey, nonceOf(0, false), Buffer.from(body, 'base64'));
      } catch {
        // Not for this key.
      }
    }
  }
  throw new AgeError('wrong_key');
}

async function nextOf(reading: AsyncIterator<Buffer>): Promise<Buffer> {
  const { value, done } = await reading.next();
  if (done) throw new AgeError('damaged');
  return value;
}

async function* remaining(first: Buffer, reading: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await reading.next(); !next.done; next = await reading.next()) yield next.value;
}

/** Pieces of one size, the last of which may be shorter; of an empty source one that is empty. */
async function* chunksOf(source: Bytes, size: number): AsyncGenerator<{ bytes: Buffer; last: boolean }> {
  let held: Buffer = Buffer.alloc(0);
  for await (const part of source) {
    held = held.length === 0 ? part : Buffer.concat([held, part]);
    let at = 0;
    // A byte after the chunk has to be here before it is known not to be the last.
    for (; held.length - at > size; at += size) yield { bytes: held.subarray(at, at + size), last: false };
    held = held.subarray(at);
  }
  yield { bytes: held, last: true };
}

function seal(key: Buffer, nonce: Buffer, plain: Buffer): Buffer {
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function open(key: Buffer, nonce: Buffer, sealed: Buffer): Buffer {
  if (sealed.length < TAG_BYTES) throw new AgeError('damaged');
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
  } catch (cause) {
    throw new AgeError('damaged', { cause });
  }
}

/** 11 bytes of number and one that marks the last. */
function nonceOf(number: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(number, 5, 6);
  nonce[11] = last ? 1 : 0;
  return nonce;
}

function macOf(lines: string, fileKey: Buffer): Buffer {
  return createHmac('sha256', derive(fileKey, Buffer.alloc(0), 'header'))
    .update(lines, 'latin1')
    .digest();
}

function derive(secret: Buffer, salt: Buffer, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, KEY_BYTES));
}

/** RFC 4648 §4 without padding, as the format has it. */
function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}
