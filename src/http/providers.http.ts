/**
 * External providers, none of which this version speaks with: GET /authorize, GET and POST /callback, the linking of an
 * identity, and the administration of SSO and custom providers answer as a GoTrue in which there is none (contract §2.3
 * "GET /authorize, /callback", §9.7).
 */
import type { Request, RequestHandler } from 'express';
import { recordRefusal } from '../audit/record.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { bodyOf, isForm, parseBody, parseForm, text } from './body.ts';
import { occasionOf } from './caller.ts';
import { noteRefusal } from './log.ts';
import { query } from './query.ts';
import { sendJson } from './send-json.ts';

/** Those that GoTrue knows. */
const providers = new Set(
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

/** Nobody was sent to a provider, so nobody comes back from one: 303 to the portal, which is told. */
export function callback({ db, settings }: Gatehouse): RequestHandler {
  return async (req, res) => {
    const refusal = stateRefusal(await stateOf(req));
    const { error_code, message } = refusal;
    const told = new URLSearchParams({ error: 'invalid_request', error_code, error_description: message });
    res.setHeader('Location', `${settings.site_url}?${told}`);
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
  if (!state) return new AuthError('bad_oauth_callback');
  return new AuthError('bad_oauth_state', UUID.test(state) ? { message: 'OAuth state not found or expired' } : {});
}

/** GET /admin/sso/providers. */
export const listSsoProviders: RequestHandler = (_req, res) => sendJson(res, { items: [] });

const ssoProvider = bodyOf({ type: text, metadata_url: text, metadata_xml: text, name_id_format: text });
const nameIdFormats = [
  'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
  'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
  'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified',
];

/** POST /admin/sso/providers: what is wrong with the provider, or that there can be none. */
export const createSsoProvider: RequestHandler = async (req) => {
  const { type, metadata_url, metadata_xml, name_id_format } = await parseBody(ssoProvider, req);
  if (type !== 'saml') throw refused("Only 'saml' supported for SSO provider type");
  if (metadata_url && metadata_xml) throw refused('Only one of metadata_xml or metadata_url needs to be set');
  if (!metadata_url && !metadata_xml) throw refused('Either metadata_xml or metadata_url must be set');
  if (metadata_url) {
    if (!/^[a-z][a-z\d+.-]*:/i.test(metadata_url)) throw refused('metadata_url is not a valid URL');
    if (!/^https:/i.test(metadata_url)) throw refused('metadata_url is not a HTTPS URL');
  }
  if (name_id_format && !nameIdFormats.includes(name_id_format)) {
    throw refused(`name_id_format must be unspecified or one of ${nameIdFormats.join(', ')}`);
  }
  throw new AuthError('saml_provider_disabled');
};

/** GET /admin/custom-providers?type=oauth2|oidc. */
export const listCustomProviders: RequestHandler = (req, res) => {
  const type = query(req, 'type');
  if (type && !isCustomType(type)) throw refused("type must be either 'oauth2' or 'oidc'");
  sendJson(res, { providers: [] });
};

const customProvider = bodyOf({
  provider_type: text,
  identifier: text,
  name: text,
  client_id: text,
  client_secret: text,
  authorization_url: text,
  token_url: text,
  userinfo_url: text,
  issuer: text,
});

/** POST /admin/custom-providers: what is wrong with the provider, or that there can be none. */
export const createCustomProvider: RequestHandler = async (req) => {
  const body = await parseBody(customProvider, req);
  if (!isCustomType(body.provider_type)) throw refused("provider_type must be either 'oauth2' or 'oidc'");
  requireCustomIdentifier(body.identifier ?? '');
  for (const member of ['name', 'client_id', 'client_secret'] as const) {
    if (!body[member]) throw refused(`${member} is required`);
  }
  const needed = body.provider_type === 'oidc' ? (['issuer'] as const) : OAUTH2_URLS;
  for (const member of needed) {
    if (!body[member]) {
      throw refused(`${member} is required for ${body.provider_type === 'oidc' ? 'OIDC' : 'OAuth2'} providers`);
    }
  }
  throw new AuthError('feature_disabled', { message: 'Custom OAuth providers are disabled' });
};

const OAUTH2_URLS = ['authorization_url', 'token_url', 'userinfo_url'] as const;

/** Below /admin/custom-providers: there is none of any name. */
export const unknownCustomProvider: RequestHandler = (req) => {
  requireCustomIdentifier(String(req.params.identifier));
  throw new AuthError('custom_provider_not_found');
};

function isCustomType(type: string | undefined): boolean {
  return type === 'oauth2' || type === 'oidc';
}

function requireCustomIdentifier(identifier: string): void {
  if (identifier.startsWith('custom:')) return;
  const example = /^[\w.-]{1,32}$/.test(identifier) ? identifier : 'name';
  throw refused(`identifier must start with 'custom:' prefix, e.g. 'custom:${example}'`);
}

function refused(message: string): AuthError {
  return new AuthError('validation_failed', { message });
}
