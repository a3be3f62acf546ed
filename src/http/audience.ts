/** For which audience a request speaks (contract §2.0): every look-up by address is among the users of one. */
import type { Request } from 'express';
import type { Settings } from '../config.ts';
import { AuthError } from '../errors.ts';

/** What the column of a user's audience holds. */
const LENGTH_MAX = 255;

/**
 * The header `X-JWT-AUD`, else that of the configuration.
 *
 * @throws AuthError `validation_failed` for one that no user can have: refused only where a user is made, it would tell
 *   whether the address has one already (measured falls, 11)
 */
export function requestAudience(req: Request, { jwt_aud }: Pick<Settings, 'jwt_aud'>): string {
  const named = req.headers['x-jwt-aud'];
  if (typeof named !== 'string' || named === '') return jwt_aud;
  if (named.length > LENGTH_MAX) {
    throw new AuthError('validation_failed', { message: `X-JWT-AUD is too long (max ${LENGTH_MAX} characters)` });
  }
  return named;
}
