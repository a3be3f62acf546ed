/** Bearer authentication: the token that a request presents (RFC 6750 §2.1). No other place is read. */
import type { Request } from 'express';
import { AuthError } from '../errors.ts';

const BEARER = /^bearer (\S+)$/i;

/**
 * The access token of the `Authorization` header, unverified.
 *
 * @throws AuthError `no_authorization` where there is no header, another scheme, or more than one word after it
 */
export function bearerToken(req: Request): string {
  const token = BEARER.exec(req.headers.authorization ?? '')?.[1];
  if (token === undefined) throw new AuthError('no_authorization');
  return token;
}
