/**
 * GET /user/identities/authorize, DELETE /user/identities/{identity_id} (contract §2.3): ways to sign in are linked and
 * unlinked. The user is the one that `requireSession`, on the route's line, has found.
 */
import type { RequestHandler } from 'express';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { requestAudience } from '../http/audience.ts';
import { occasionOf } from '../http/caller.ts';
import { sendJson } from '../http/send-json.ts';
import { signedInOf } from '../sessions/bearer.http.ts';
import { identityId, unlinkIdentity } from './unlink-identity.ts';

/** Nobody links or unlinks where `GATEHOUSE_SECURITY_MANUAL_LINKING_ENABLED` is off. */
export function requireManualLinking({ settings }: Pick<Gatehouse, 'settings'>): RequestHandler {
  return (_req, _res, next) => {
    if (!settings.security_manual_linking_enabled) throw new AuthError('manual_linking_disabled');
    next();
  };
}

/** `{}`. */
export function unlinkOwnIdentity(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const { user, session_id } = signedInOf(req);
    const identity_id = identityId(String(req.params.identity_id));
    const aud = user.aud ?? '';
    if (requestAudience(req, { jwt_aud: aud }) !== aud) throw new AuthError('unexpected_audience');
    await unlinkIdentity(gatehouse, identity_id, { user_id: user.id, session_id, occasion: occasionOf(req) });
    sendJson(res, {});
  };
}
