/** The form of refresh tokens (contract §4.3): what is one, what only looks like one. */
import { createHash, createHmac, createSecretKey } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { isSignedBy, readRefreshToken, refreshTokenKey, writeRefreshToken } from '../../src/sessions/refresh-token.ts';

const SECRET = createSecretKey(Buffer.alloc(32, 7));
const SESSION = '01234567-89ab-4cde-8f01-23456789abcd';
const key = refreshTokenKey(SECRET, SESSION);
const token = writeRefreshToken(SESSION, 300, key);

it('is laid out byte for byte as GoTrue reads it', () => {
  const bytes = Buffer.from(token, 'base64url');
  expect(bytes.subarray(0, 19).toString('hex')).toBe('000123456789ab4cde8f0123456789abcdac02');
  expect(bytes).toHaveLength(1 + 16 + 2 + 16 + 4);
  const checksum = createHash('sha256').update(bytes.subarray(0, -4)).digest().subarray(0, 4);
  expect(bytes.subarray(-4)).toEqual(checksum);
  expect(writeRefreshToken(SESSION, 0, key)).toMatch(/^[\w-]{51}$/);
});

it('has the key that HKDF-Expand makes of the server’s secret (RFC 5869 §2.3)', () => {
  const expected = createHmac('sha256', SECRET)
    .update(`gatehouse refresh token ${SESSION}`)
    .update(Buffer.from([1]))
    .digest();
  expect(key.export()).toEqual(expected);
});

it('reads back what was written, for any session and number', () => {
  fc.assert(
    fc.property(fc.uuid(), fc.maxSafeNat(), (session_id, counter) => {
      const ownKey = refreshTokenKey(SECRET, session_id);
      const read = readRefreshToken(writeRefreshToken(session_id, counter, ownKey));
      expect(read).toMatchObject({ session_id, counter });
      expect(read && isSignedBy(read, ownKey)).toBe(true);
    }),
  );
});

it('is signed by the key of its own session alone', () => {
  const read = readRefreshToken(token);
  if (!read) throw new Error('a token');
  expect(isSignedBy(read, refreshTokenKey(SECRET, '01234567-89ab-4cde-8f01-23456789abce'))).toBe(false);
  expect(isSignedBy(read, refreshTokenKey(createSecretKey(Buffer.alloc(32, 8)), SESSION))).toBe(false);
});

/** The bytes with a checksum that fits. */
function sealed(hex: string): string {
  const body = Buffer.from(hex, 'hex');
  return Buffer.concat([body, createHash('sha256').update(body).digest().subarray(0, 4)]).toString('base64url');
}
const id = '0123456789ab4cde8f0123456789abcd';
const mac = '00'.repeat(16);

// CVE class 17: a truncated or extended token that is still valid.
describe('what is no token', () => {
  test('every prefix, and every token with something before or after it', () => {
    for (let length = 0; length < token.length; length++)
      expect(readRefreshToken(token.slice(0, length))).toBeUndefined();
    for (const other of [`${token}A`, `A${token}`, `${token}=`, ` ${token}`, `${token}\n`, `${token}.`]) {
      expect(readRefreshToken(other)).toBeUndefined();
    }
  });

  test('every token of which one character is another', () => {
    for (let at = 0; at < token.length; at++) {
      const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
      expect(readRefreshToken(changed)).toBeUndefined();
    }
  });

  test.each([
    ['another version', `01${id}05${mac}`],
    ['no counter', `00${id}${mac}`],
    ['a counter that does not end', `00${id}85${mac}`],
    ['a counter that could be shorter', `00${id}8500${mac}`],
    ['a counter with something behind it', `00${id}0505${mac}`],
    ['a counter beyond 2^53', `00${id}ffffffffffffff7f${mac}`],
  ])('%s, although its checksum fits', (_what, hex) => {
    expect(readRefreshToken(sealed(hex))).toBeUndefined();
    expect(readRefreshToken(sealed(`00${id}05${mac}`))).toBeDefined();
  });
});
