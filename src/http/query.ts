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
