/**
 * GET and DELETE /admin/users/{user_id}/sessions, DELETE /admin/users/{user_id}/sessions/{session_id}, DELETE /admin/sessions:
 * an administrator sees and ends the sessions of a user, or of everybody. GoTrue has none of it. Who may: `requireAdmin`, on
 * the route's line.
 */
import type { RequestHandler } from 'express';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { bodyOf, parseBody, text } from '../http/body.ts';
import { occasionOf } from '../http/caller.ts';
import { sendJson } from '../http/send-json.ts';
import { userOfPath } from '../users/admin-users.http.ts';
import { recordReading } from '../users/read-users.ts';
import { administratorOf } from './bearer.http.ts';
import { sessionJson } from './session-json.ts';
import { endSessionFor, endSessionsFor, listSessions, signEveryoneOut } from './sessions.ts';

/** What has to be said, so that no mistyped path signs everybody out. */
const CONFIRMATION = 'sign out everyone';

const signOutOfEveryone = bodyOf({ confirm: text });

/** `{ sessions }`, at most 1,000, the one that was used last first. */
export function listSessionsOfUser({ db }: Gatehouse): RequestHandler {
  return async (req, res) => {
    const { id } = userOfPath(req);
    const sessions = await listSessions(db, { user_id: id });
    await recordReading(db, { actor: administratorOf(req).actor, occasion: occasionOf(req) }, { subject_id: id });
    sendJson(res, { sessions: sessions.map(sessionJson) });
  };
}

/** `{ ended }`: how many there were, none included. */
export function endSessionsOfUser(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const by = { actor: administratorOf(req).actor, occasion: occasionOf(req) };
    sendJson(res, { ended: await endSessionsFor(gatehouse, { user_id: userOfPath(req).id, ...by }) });
  };
}

/** 204. */
export function endSessionOfUser(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const by = { actor: administratorOf(req).actor, occasion: occasionOf(req) };
    await endSessionFor(gatehouse, String(req.params.session_id), { user_id: userOfPath(req).id, ...by });
    res.statusCode = 204;
    res.end();
  };
}

/** `{ ended }`: how many sessions there were. */
export function endEverySession(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const { confirm } = await parseBody(signOutOfEveryone, req);
    if (confirm !== CONFIRMATION) {
      throw new AuthError('validation_failed', { message: `This needs {"confirm": "${CONFIRMATION}"}` });
    }
    const by = { actor: administratorOf(req).actor, occasion: occasionOf(req) };
    sendJson(res, { ended: await signEveryoneOut(gatehouse, by) });
  };
}
