/** POST /signup (contract §2.3): the User itself where a mail has to be confirmed, else a session (contract §2.1). */
import type { RequestHandler } from 'express';
import type { Gatehouse } from '../gatehouse.ts';
import { requestAudience } from '../http/audience.ts';
import { bodyOf, metadata, parseBody, secretText, text } from '../http/body.ts';
import { occasionOf } from '../http/caller.ts';
import { redirectTo } from '../http/redirect.ts';
import { sendJson } from '../http/send-json.ts';
import { abortSignalOf } from '../http/timeout.ts';
import { sendSession } from '../sessions/send-session.http.ts';
import { signUpUser } from './sign-up.ts';

const signUpBody = bodyOf({
  email: text,
  phone: text,
  password: secretText,
  data: metadata,
  channel: text,
  code_challenge: text,
  code_challenge_method: text,
});

export function signUp(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const occasion = occasionOf(req);
    const signedUp = await signUpUser(gatehouse, await parseBody(signUpBody, req), {
      aud: requestAudience(req, gatehouse.settings),
      redirect_to: redirectTo(req, gatehouse.settings),
      occasion,
      signal: abortSignalOf(req),
    });
    if ('user' in signedUp) sendJson(res, signedUp.user);
    else await sendSession(res, gatehouse, signedUp, occasion.now);
  };
}
