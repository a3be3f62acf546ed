/**
 * /factors, which are not in this version: second factors that came from Supabase are shown and kept, and none is added or
 * asked for. Answered as by a GoTrue in which they are switched off (contract §8).
 */
import type { RequestHandler } from 'express';
import { AuthError } from '../errors.ts';
import { bodyOf, parseBody, text } from '../http/body.ts';
import { signedInOf } from '../sessions/bearer.http.ts';
import type { Factor } from '../users/user.ts';
import { factorOf } from './factors.ts';

const enrollment = bodyOf({ factor_type: text });

type FactorType = Factor['factor_type'];

/** Anonymous users have no factors: 403, before anything else about them. */
export const refuseAnonymous: RequestHandler = (req, _res, next) => {
  if (signedInOf(req).user.is_anonymous) {
    throw new AuthError('no_authorization', {
      status: 403,
      message: 'Anonymous user not allowed to perform these actions',
    });
  }
  next();
};

/** POST /factors. */
export const refuseEnrollment: RequestHandler = async (req) => {
  const { factor_type = '' } = await parseBody(enrollment, req);
  if (!isFactorType(factor_type)) {
    throw new AuthError('validation_failed', { message: 'factor_type needs to be totp, phone, or webauthn' });
  }
  throw new AuthError(`mfa_${factor_type}_enroll_not_enabled`);
};

/** Below /factors/{factor_id}. */
export const refuseFactor: RequestHandler = (req) => {
  const { factor_type } = factorOf(signedInOf(req).user, String(req.params.factor_id));
  throw new AuthError(`mfa_${factor_type}_verify_not_enabled`);
};

function isFactorType(text: string): text is FactorType {
  return text === 'totp' || text === 'phone' || text === 'webauthn';
}
