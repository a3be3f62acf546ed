/** POST /invite and /admin/generate_link (contract §9.4, §9.5). Who may: `requireAdmin`, on the route's line. */
import type { Request, RequestHandler } from 'express';
import type { Gatehouse } from '../gatehouse.ts';
import { requestAudience } from '../http/audience.ts';
import { bodyOf, metadata, parseBody, secretText, text } from '../http/body.ts';
import { occasionOf } from '../http/caller.ts';
import { allowedAddress, redirectTo } from '../http/redirect.ts';
import { sendJson } from '../http/send-json.ts';
import { abortSignalOf } from '../http/timeout.ts';
import { administratorOf } from '../sessions/bearer.http.ts';
import { userJson } from '../users/user.ts';
import { generateLink } from './generate-link.ts';
import { type AdministeredMail, inviteUser } from './invite.ts';

const inviteBody = bodyOf({ email: text, data: metadata });
const linkBody = bodyOf({
  type: text,
  email: text,
  new_email: text,
  password: secretText,
  data: metadata,
  redirect_to: text,
});

export function invite(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const body = await parseBody(inviteBody, req);
    sendJson(res, userJson(await inviteUser(gatehouse, body, administeredMailOf(gatehouse, req))));
  };
}

export function generateAnyLink(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const body = await parseBody(linkBody, req);
    const by = administeredMailOf(gatehouse, req, body.redirect_to);
    const { user, ...link } = await generateLink(gatehouse, body, by);
    sendJson(res, { ...userJson(user), ...link });
  };
}

/** @param asked the address that the body names, which goes before those of the request */
function administeredMailOf({ settings }: Gatehouse, req: Request, asked?: string): AdministeredMail {
  const ofBody = asked
    ? (allowedAddress(asked, settings) ?? allowedAddress(req.headers.referer, settings) ?? settings.site_url)
    : undefined;
  return {
    actor: administratorOf(req).actor,
    aud: requestAudience(req, settings),
    redirect_to: ofBody ?? redirectTo(req, settings),
    occasion: occasionOf(req),
    signal: abortSignalOf(req),
  };
}
