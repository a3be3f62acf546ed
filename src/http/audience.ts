/** For which audience a request speaks (contract §2.0): every look-up by address is among the users of one. */
import type { Request } from 'express';
import type { Settings } from '../config.ts';

/** The header `X-JWT-AUD`, else that of the configuration. */
export function requestAudience(req: Request, { jwt_aud }: Pick<Settings, 'jwt_aud'>): string {
  const named = req.headers['x-jwt-aud'];
  return typeof named === 'string' && named !== '' ? named : jwt_aud;
}
