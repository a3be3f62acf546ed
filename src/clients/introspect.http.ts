/**
 * POST /introspect (RFC 7662): a form with `token`, from a client. `token_type_hint` is only a hint, and nothing here needs
 * one.
 */
import type { RequestHandler } from 'express';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { parseForm } from '../http/body.ts';
import { occasionOf } from '../http/caller.ts';
import { sendJson } from '../http/send-json.ts';
import { clientOf, only } from './client-of.http.ts';
import { introspect as introspectFor } from './introspect.ts';

export function introspect(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const form = await parseForm(req);
    const client = clientOf(req, form);
    const token = only(form, 'token');
    if (!token) throw new AuthError('validation_failed', { message: 'token is required' });
    sendJson(res, await introspectFor(gatehouse, client, token, occasionOf(req)));
  };
}
