/** GET /.well-known/jwks.json (RFC 7517 §5) and GET /.well-known/openid-configuration (contract §2.2). */
import type { RequestHandler } from 'express';
import type { Gatehouse } from '../gatehouse.ts';
import { sendJson } from '../http/send-json.ts';

const CACHEABLE = 'public, max-age=600';

/** The public keys that verify access tokens; none where they are signed with a shared secret. */
export function jwks({ signingKeys }: Gatehouse): RequestHandler {
  return (_req, res) => {
    res.setHeader('Cache-Control', CACHEABLE);
    sendJson(res, signingKeys.jwks);
  };
}

/** What GoTrue says about itself as an OpenID provider, whether or not its OAuth server is on. */
export function openidConfiguration({ settings }: Gatehouse): RequestHandler {
  const issuer = settings.jwt_issuer ?? settings.api_external_url ?? '';
  const document = {
    issuer,
    authorization_endpoint: `${issuer}/oauth/authorize`,
    token_endpoint: `${issuer}/oauth/token`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    userinfo_endpoint: `${issuer}/oauth/userinfo`,
    scopes_supported: ['openid', 'profile', 'email', 'phone', 'offline_access'],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256', 'HS256', 'ES256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
    claims_supported: [
      'sub',
      'aud',
      'iss',
      'exp',
      'iat',
      'auth_time',
      'nonce',
      'email',
      'email_verified',
      'phone_number',
      'phone_number_verified',
      'name',
      'picture',
      'preferred_username',
      'updated_at',
    ],
    code_challenge_methods_supported: ['S256', 'plain'],
  };
  return (_req, res) => {
    res.setHeader('Cache-Control', CACHEABLE);
    sendJson(res, document);
  };
}
