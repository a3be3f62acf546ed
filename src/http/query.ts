/** Parameters of the query string, one value each: of duplicates the first counts, as in Go; arrays and objects never. */
import type { Request } from 'express';
import { AuthError } from '../errors.ts';

/**
 * A query parameter's first value, decoded; undefined when absent. Empty stays empty.
 *
 * @throws AuthError `validation_failed` for a value with a NUL, which PostgreSQL cannot hold
 */
export function query(req: Request, name: string): string | undefined {
  const start = req.url.indexOf('?');
  if (start < 0) return undefined;
  const value = new URLSearchParams(req.url.slice(start + 1)).get(name) ?? undefined;
  if (value?.includes('\0')) throw new AuthError('validation_failed', { message: 'Null characters are not allowed' });
  return value;
}

/**
 * A query parameter that counts something: digits only. Absent and empty are both undefined (the client sends `page=`).
 *
 * @throws AuthError `validation_failed` with `message` for anything else, and beyond 2^53
 */
export function queryCount(req: Request, name: string, message: string): number | undefined {
  const text = query(req, name);
  if (!text) return undefined;
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count)) throw new AuthError('validation_failed', { message });
  return count;
}
