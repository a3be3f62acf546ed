/** GET and PUT /user (contract §2.3). The user is the one that `requireSession`, on the route's line, has found. */
import type { RequestHandler } from 'express';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { requestAudience } from '../http/audience.ts';
import { bodyOf, metadata, parseBody, secretText, text } from '../http/body.ts';
import { occasionOf } from '../http/caller.ts';
import { redirectTo } from '../http/redirect.ts';
import { sendJson } from '../http/send-json.ts';
import { abortSignalOf } from '../http/timeout.ts';
import { signedInOf } from '../sessions/bearer.http.ts';
import { changeOwnUser } from './change-own-user.ts';
import { changedUserJson, userJson } from './user.ts';

const ownChange = bodyOf({
  email: text,
  phone: text,
  channel: text,
  password: secretText,
  current_password: secretText,
  nonce: text,
  data: metadata,
  app_metadata: metadata,
  code_challenge: text,
  code_challenge_method: text,
});

/** No statement of its own: the one that found the session has read the user. */
export const readOwnUser: RequestHandler = (req, res) => {
  const { user } = signedInOf(req);
  const aud = user.aud ?? '';
  if (requestAudience(req, { jwt_aud: aud }) !== aud) {
    throw new AuthError('validation_failed', { message: "Token audience doesn't match request audience" });
  }
  sendJson(res, userJson(user));
};

export function changeOwnAccount(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const { user, session_id } = signedInOf(req);
    const body = await parseBody(ownChange, req);
    const own = {
      user_id: user.id,
      holder: user,
      session_id,
      occasion: occasionOf(req),
      redirect_to: redirectTo(req, gatehouse.settings),
      signal: abortSignalOf(req),
    };
    sendJson(res, changedUserJson(await changeOwnUser(gatehouse, own, body)));
  };
}
