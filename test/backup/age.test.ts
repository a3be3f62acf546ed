/** Files in the age format: what age writes we read, and nothing that was changed, reordered or cut short is taken for whole. */
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AgeError, decrypt, encrypt } from '../../src/backup/age.ts';
import { type AgeKey, makeIdentity, readIdentity } from '../../src/backup/age-key.ts';
import vector from '../vectors/age.json' with { type: 'json' };

const CHUNK = 64 * 1024;
const HEADER_END = '\n--- ';

function newKey(): AgeKey {
  const key = readIdentity(makeIdentity());
  if (!key) throw new Error('an identity of ours is none');
  return key;
}

async function all(parts: AsyncIterable<Buffer>): Promise<Buffer> {
  return Buffer.concat(await Readable.from(parts).toArray());
}

const encrypted = (plain: Buffer, key: AgeKey) => all(encrypt(Readable.from(plain.length > 0 ? [plain] : []), key));
const decrypted = (file: Buffer, ...keys: AgeKey[]) => all(decrypt(Readable.from([file]), keys));
const failure = (file: Buffer, ...keys: AgeKey[]) =>
  decrypted(file, ...keys).then(
    () => 'opened',
    (error) => (error instanceof AgeError ? error.kind : error),
  );

const key = newKey();
const plain = Buffer.alloc(3 * CHUNK + 17, 'of a portal ');
const file = await encrypted(plain, key);
const headerLength = file.indexOf('\n', file.indexOf(HEADER_END) + 1) + 1;
const payloadStart = headerLength + 16;

describe('a file', () => {
  it('that age 1.1.1 wrote for two recipients is read by one of them', async () => {
    const identity = readIdentity(vector.identity);
    expect(identity?.recipient).toBe(vector.recipient);
    const opened = await decrypted(Buffer.from(vector.file, 'base64'), newKey(), identity ?? key);
    expect(opened.toString()).toBe('portal');
  });

  it('of any length comes back, in whatever pieces it is read', async () => {
    const lengths = fc.oneof(fc.constantFrom(0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK), fc.nat(3 * CHUNK));
    await fc.assert(
      fc.asyncProperty(lengths, fc.integer({ min: 1_000, max: 2 * CHUNK }), async (length, piece) => {
        const written = Buffer.alloc(length, 'abc');
        const whole = await encrypted(written, key);
        const pieces = Array.from({ length: Math.ceil(whole.length / piece) }, (_, number) =>
          whole.subarray(number * piece, (number + 1) * piece),
        );
        expect((await all(decrypt(Readable.from(pieces), [key]))).equals(written)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it('is another one each time, and holds nothing of what was encrypted', async () => {
    const again = await encrypted(plain, key);
    expect(again.equals(file)).toBe(false);
    expect(file.includes('of a portal')).toBe(false);
  });
});

describe('refused is', () => {
  it('a file for another key', async () => {
    expect(await failure(file, newKey())).toBe('wrong_key');
  });

  it('a file with any one bit changed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(file.length * 8 - 1), async (bit) => {
        const changed = Buffer.from(file);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(await failure(changed, key)).not.toBe('opened');
      }),
      { numRuns: 60 },
    );
  });

  it('a file cut short anywhere, at the end of a chunk too', async () => {
    const atChunk = payloadStart + CHUNK + 16;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.constantFrom(0, headerLength, payloadStart, atChunk), fc.nat(file.length - 1)),
        async (length) => {
          expect(await failure(file.subarray(0, length), key)).not.toBe('opened');
        },
      ),
      { numRuns: 40 },
    );
  });

  it('a file with two chunks exchanged, or one twice, or more at its end', async () => {
    const chunk = (number: number) =>
      file.subarray(payloadStart + number * (CHUNK + 16), payloadStart + (number + 1) * (CHUNK + 16));
    const head = file.subarray(0, payloadStart);
    for (const chunks of [
      [1, 0, 2, 3],
      [0, 1, 1, 2, 3],
      [0, 1, 3],
    ]) {
      expect(await failure(Buffer.concat([head, ...chunks.map(chunk)]), key)).toBe('damaged');
    }
    expect(await failure(Buffer.concat([file, Buffer.from([0])]), key)).toBe('damaged');
  });

  it('what is no such file', async () => {
    expect(await failure(Buffer.from('PGDMP, a dump in the clear'), key)).toBe('not_age');
    expect(await failure(Buffer.alloc(0), key)).toBe('not_age');
  });

  it('an identity that was mistyped', () => {
    const mistyped = vector.identity.replace(/.$/, (last) => (last === 'Q' ? 'P' : 'Q'));
    expect([mistyped, vector.identity.toLowerCase(), vector.recipient, ''].map(readIdentity)).toEqual(
      new Array(4).fill(undefined),
    );
  });
});
