/** GET /reauthenticate (contract §2.3). */
import type { RequestHandler } from 'express';
import type { Gatehouse } from '../gatehouse.ts';
import { occasionOf } from '../http/caller.ts';
import { sendJson } from '../http/send-json.ts';
import { signedInOf } from '../sessions/bearer.http.ts';
import { reauthenticateUser } from './reauthenticate.ts';

export function reauthenticate(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const { user, session_id } = signedInOf(req);
    await reauthenticateUser(gatehouse, { user_id: user.id, session_id, occasion: occasionOf(req) });
    sendJson(res, {});
  };
}
