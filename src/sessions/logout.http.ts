/** POST /logout?scope=global|local|others (contract §2.3): ends sessions, and with them their tokens, at once. */
import type { RequestHandler } from 'express';
import { occasionArgs } from '../audit/record.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { occasionOf } from '../http/caller.ts';
import { query } from '../http/query.ts';
import { signedInOf } from './bearer.http.ts';
import { signOut } from './sessions.sql.ts';

const SCOPES = ['global', 'local', 'others'];

/** A token without a session signs out everywhere, whatever the scope; so does an empty one. */
export function logout({ db }: Gatehouse): RequestHandler {
  return async (req, res) => {
    const { user, session_id } = signedInOf(req);
    const scope = query(req, 'scope') || 'global';
    if (!SCOPES.includes(scope)) {
      // GoTrue repeats any scope; ours only what could be one, so that nothing of a caller's is reflected.
      const named = /^[\w-]{1,32}$/.test(scope) ? ` "${scope}"` : '';
      throw new AuthError('validation_failed', { message: `Unsupported logout scope${named}` });
    }
    const effective = session_id ? scope : 'global';
    await signOut(db, { ...occasionArgs(occasionOf(req)), user_id: user.id, session_id, scope: effective });
    res.statusCode = 204;
    res.end();
  };
}
