/**
 * GET /user/sessions, DELETE /user/sessions/{session_id}: where one is signed in, and an end to it. GoTrue has neither. The
 * user is the one that `requireSession`, on the route's line, has found.
 */
import type { RequestHandler } from 'express';
import type { Gatehouse } from '../gatehouse.ts';
import { occasionOf } from '../http/caller.ts';
import { sendJson } from '../http/send-json.ts';
import { signedInOf } from './bearer.http.ts';
import { sessionJson } from './session-json.ts';
import { endOwnSession, listSessions } from './sessions.ts';

/** `{ sessions }`, at most 1,000; the one that asks is `current`, and the first. */
export function listOwnSessions({ db }: Gatehouse): RequestHandler {
  return async (req, res) => {
    const { user, session_id } = signedInOf(req);
    const sessions = await listSessions(db, { user_id: user.id, session_id });
    sendJson(res, { sessions: sessions.map((session) => ({ ...sessionJson(session), current: session.current })) });
  };
}

/** 204. */
export function endSessionOfOwn(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const { user, session_id } = signedInOf(req);
    const id = String(req.params.session_id);
    await endOwnSession(gatehouse, { user_id: user.id, session_id, id }, occasionOf(req));
    res.statusCode = 204;
    res.end();
  };
}
