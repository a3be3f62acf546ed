import type { Request } from 'express';
import { expect, it } from 'vitest';
import { query } from '../../src/http/query.ts';

const at = (url: string) => ({ url }) as Request;

it.each([
  ['/token?grant_type=password', 'password'],
  ['/token?grant_type=password&grant_type=refresh_token', 'password'],
  ['/token?a=1&grant_type=pass%77ord', 'password'],
  ['/token?grant_type=', ''],
  ['/token?grant_type', ''],
  ['/token', undefined],
  ['/token?', undefined],
  ['/token?grant_type[]=password', undefined],
  ['/token?grant_type[a]=password', undefined],
  ['/token?grant_type=%zz', '%zz'],
  ['/token?__proto__=password', undefined],
])('%s has the grant_type %s', (url, value) => {
  expect(query(at(url), 'grant_type')).toBe(value);
});

it('a NUL in a value is refused before it reaches PostgreSQL', () => {
  expect(() => query(at('/verify?token=a%00b'), 'token')).toThrow(
    expect.objectContaining({ error_code: 'validation_failed' }),
  );
});
