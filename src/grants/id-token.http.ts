/**
 * POST /token?grant_type=id_token: a token of an OpenID provider for a session. This version trusts no provider, so it answers
 * as a GoTrue in which none is switched on (contract §2.3 "POST /token").
 */
import type { Request } from 'express';
import { AuthError } from '../errors.ts';
import { bodyOf, parseBody, secretText, text } from '../http/body.ts';

const idTokenBody = bodyOf({ id_token: secretText, provider: text, client_id: text, issuer: text });

/** Providers of which GoTrue takes ID tokens, by their issuers. */
const issuers = new Map([
  ['apple', 'https://appleid.apple.com'],
  ['azure', 'https://login.microsoftonline.com'],
  ['facebook', 'https://www.facebook.com'],
  ['google', 'https://accounts.google.com'],
  ['kakao', 'https://kauth.kakao.com'],
]);
/** What a name may look like that an answer repeats. */
const NAME = /^[\w:.-]{0,32}$/;

/** @throws AuthError always: `validation_failed` for what names no provider of GoTrue's, `provider_disabled` for the others */
export async function refuseIdToken(req: Request): Promise<never> {
  const { id_token, provider = '', client_id, issuer } = await parseBody(idTokenBody, req);
  if (!id_token) throw malformed('id_token required');
  if (!provider && !(client_id && issuer)) throw malformed('provider or client_id and issuer required');
  const known = issuers.get(provider);
  if (known) throw new AuthError('provider_disabled', { message: `Provider (issuer "${known}") is not enabled` });
  const name = NAME.test(provider) ? provider : '';
  throw new AuthError('validation_failed', {
    message: name.startsWith('custom:')
      ? `Custom provider "${name}" not found`
      : `Custom OIDC provider "${name}" not allowed`,
  });
}

/** GoTrue spells it with a blank. */
function malformed(message: string): AuthError {
  return new AuthError('validation_failed', { oauth_error: 'invalid request', message });
}
