/**
 * External providers, none of which this version speaks with: GET /authorize, GET and POST /callback, and the linking of an
 * identity answer as a GoTrue in which no provider is switched on (contract §2.3 "GET /authorize, /callback").
 */
import type { Request, RequestHandler } from 'express';
import { recordRefusal } from '../audit/record.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { isForm, parseForm } from './body.ts';
import { occasionOf } from './caller.ts';
import { noteRefusal } from './log.ts';
import { query } from './query.ts';

/** Those that GoTrue knows. */
export const providers = new Set(
  `apple azure bitbucket discord facebook figma fly github gitlab google kakao keycloak linkedin linkedin_oidc notion
   slack slack_oidc snapchat spotify twitch twitter workos x zoom`.split(/\s+/),
);

/** What a name may look like that an answer repeats. */
const NAME = /^[\w:.-]{0,32}$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** @throws AuthError `validation_failed` for every provider */
export const authorizeByProvider: RequestHandler = (req) => {
  const named = query(req, 'provider') ?? '';
  throw new AuthError('validation_failed', { message: `Unsupported provider: ${complaint(named)}` });
};

function complaint(named: string): string {
  const name = NAME.test(named) ? named : '';
  if (name.startsWith('custom:')) return `custom provider ${name} not found`;
  return providers.has(name.toLowerCase()) ? 'provider is not enabled' : `Provider ${name} could not be found`;
}

/**
 * Nobody was sent to a provider, so nobody comes back from one: 303 to the portal, which is told. To a form the answer is
 * the refusal itself, as GoTrue has it.
 */
export function callback({ db, settings }: Gatehouse): RequestHandler {
  return async (req, res) => {
    const refusal = stateRefusal(await stateOf(req));
    const { error_code, message } = refusal;
    const told = new URLSearchParams({ error: 'invalid_request', error_code, error_description: message });
    res.setHeader('Location', `${settings.site_url}?${told}`);
    if (req.method !== 'GET') throw refusal;

    await recordRefusal(db, refusal, { action: 'request_failed' }, occasionOf(req));
    noteRefusal(res, refusal);
    res.statusCode = 303;
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    res.end('<!doctype html><title>See Other</title>\n');
  };
}

/** In the query, else in the form. */
async function stateOf(req: Request): Promise<string> {
  return query(req, 'state') || (isForm(req) && (await parseForm(req)).get('state')) || '';
}

function stateRefusal(state: string): AuthError {
  if (!state) return new AuthError('bad_oauth_callback', { status: 303, message: 'OAuth state parameter missing' });
  const message = UUID.test(state) ? 'OAuth state not found or expired' : 'OAuth state parameter is invalid';
  return new AuthError('bad_oauth_state', { status: 303, message });
}
