/**
 * POST /revoke (RFC 7009): a form with `token`, an access token or a refresh token, from a client that authenticates as for
 * /introspect. `token_type_hint` is only a hint, and nothing here needs one.
 */
import type { RequestHandler } from 'express';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { parseForm } from '../http/body.ts';
import { occasionOf } from '../http/caller.ts';
import { sendJson } from '../http/send-json.ts';
import { clientOf, only } from './client-of.http.ts';
import { revokeToken } from './revoke.ts';

/** 200 whether or not there was something to revoke (RFC 7009 §2.2). */
export function revoke(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const form = await parseForm(req);
    const client = clientOf(req, form);
    const token = only(form, 'token');
    if (!token) throw new AuthError('validation_failed', { message: 'token is required' });
    await revokeToken(gatehouse, client, token, occasionOf(req));
    sendJson(res, {});
  };
}
