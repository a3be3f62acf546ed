import type { Request } from 'express';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AuthError } from '../../src/errors.ts';
import { bearerToken } from '../../src/http/bearer.ts';

const withHeader = (authorization: unknown) => ({ headers: { authorization } }) as Request;

describe('a bearer token', () => {
  it.each(['Bearer abc', 'bearer abc', 'BEARER abc'])('is the word after the scheme: %s', (header) => {
    expect(bearerToken(withHeader(header))).toBe('abc');
  });

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer  abc',
    'Bearer abc def',
    'Basic abc',
    'Token abc',
    'abc',
    ' Bearer abc',
  ])('is not in "%s"', (header) => {
    expect(() => bearerToken(withHeader(header))).toThrow(new AuthError('no_authorization'));
  });

  // A header that makes the reader throw takes the service down with it (CVE class 47, GHSA-xmf8-cvqr-rfgj).
  it('is found or refused in any header whatever', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.array(fc.string())), (header) => {
        try {
          expect(bearerToken(withHeader(header))).toMatch(/^\S+$/);
        } catch (error) {
          expect(error).toEqual(new AuthError('no_authorization'));
        }
      }),
    );
    expect(() => bearerToken(withHeader(`Bearer ${'a'.repeat(1_000_000)} `))).toThrow(
      new AuthError('no_authorization'),
    );
  });
});
