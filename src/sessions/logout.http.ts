/** POST /logout?scope=global|local|others (contract §2.3). */
import type { RequestHandler } from 'express';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { occasionOf } from '../http/caller.ts';
import { query } from '../http/query.ts';
import { signedInOf } from './bearer.http.ts';
import { logoutScopes, signOut } from './sessions.ts';

/** 204; an empty scope is `global`. */
export function logout(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const { user, session_id } = signedInOf(req);
    const named = query(req, 'scope') || 'global';
    const scope = logoutScopes.find((known) => known === named);
    if (!scope) throw new AuthError('validation_failed', { message: `Unsupported logout scope${quoted(named)}` });
    await signOut(gatehouse, { user_id: user.id, session_id, scope }, occasionOf(req));
    res.statusCode = 204;
    res.end();
  };
}

/** GoTrue repeats whatever was sent; here only what could be a scope is. */
function quoted(scope: string): string {
  return /^[\w-]{1,32}$/.test(scope) ? ` "${scope}"` : '';
}
