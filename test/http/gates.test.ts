/** What this version does not have is refused in the contract's words, changes nothing, and is on record. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditRowsOf, startApp, type TestApp } from '../harness/app.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import { addSignedInPerson, bearer, type SignedInPerson, serviceKey } from '../harness/people.ts';

let app: TestApp;
let ann: SignedInPerson;
let factor_id: string;
beforeAll(async () => {
  app = await startApp({ env: { GATEHOUSE_EXTERNAL_ANONYMOUS_USERS_ENABLED: 'true' } });
  ann = await addSignedInPerson(app);
  const { rows } = await app.database.pool.query(
    `insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
     values (gen_random_uuid(), $1, 'totp', 'verified', now(), now()) returning id`,
    [ann.id],
  );
  factor_id = rows[0].id;
});
afterAll(() => app.close());

type Case = [request: string, status: number, error_code: string, msg: string, body?: object];

async function ask([request, status, error_code, msg, body]: Case, token: string | undefined, action: string) {
  const [method = '', path = ''] = request.split(' ');
  const before = await fingerprint(app.database);
  const asked = app.request[method.toLowerCase() as 'post'](path.replace('{factor_id}', factor_id));
  const response = await asked.set(token ? bearer(token) : {}).send(body);
  expect([response.status, response.body]).toEqual([status, { code: status, error_code, msg }]);
  expect(await fingerprint(app.database)).toEqual(before);
  expect(await auditRowsOf(app, response)).toMatchObject([{ action, outcome: 'failure', error_code }]);
}

const saml = [404, 'saml_provider_disabled', 'SAML 2.0 is disabled'] as const;
const passkeys = [404, 'passkey_disabled', 'Passkeys are disabled'] as const;
const oauth = [404, 'feature_disabled', 'OAuth server is disabled'] as const;
const unsupported = (complaint: string) => [400, 'validation_failed', `Unsupported provider: ${complaint}`] as const;

describe('to anybody', () => {
  it.each<Case>([
    ['GET /authorize', ...unsupported('Provider  could not be found')],
    ['GET /authorize?provider=google', ...unsupported('provider is not enabled')],
    ['GET /authorize?provider=GitHub', ...unsupported('provider is not enabled')],
    ['GET /authorize?provider=email', ...unsupported('Provider email could not be found')],
    ['GET /authorize?provider=custom:desk', ...unsupported('custom provider custom:desk not found')],
    ['GET /authorize?provider=%3Cb%3E', ...unsupported('Provider  could not be found')],
    ['POST /sso', ...saml, { domain: 'example.com' }],
    ['GET /sso', ...saml],
    ['GET /sso/saml/metadata', ...saml],
    ['POST /sso/saml/acs', ...saml],
    ['GET /passkeys', ...passkeys],
    ['POST /passkeys/authentication/options', ...passkeys],
    [`PATCH /passkeys/${randomUUID()}`, ...passkeys],
    ['GET /oauth/authorize', ...oauth],
    ['POST /oauth/token', ...oauth],
    ['POST /oauth/clients/register', ...oauth],
    ['GET /oauth/userinfo', ...oauth],
    ['GET /scim/v2/Schemas', 404, 'feature_disabled', 'Feature is disabled'],
  ])('%s', (...refusal) => ask(refusal, undefined, 'request_failed'));
});

describe('to whoever signs in', () => {
  it.each<Case>([
    ['POST /token?grant_type=web3', 422, 'web3_provider_disabled', 'Web3 provider is disabled'],
    [
      'POST /token?grant_type=id_token',
      400,
      'provider_disabled',
      'Provider (issuer "https://accounts.google.com") is not enabled',
      { id_token: 'x', provider: 'google' },
    ],
    [
      'POST /token?grant_type=id_token',
      400,
      'validation_failed',
      'Custom OIDC provider "" not allowed',
      { id_token: 'x', provider: '<script>' },
    ],
  ])('%s', (...refusal) => ask(refusal, undefined, 'token_grant_failed'));

  it('without an ID token, in the shape of OAuth', async () => {
    const response = await app.request.post('/token?grant_type=id_token').send({});
    expect([response.status, response.body]).toEqual([
      400,
      { error: 'invalid request', error_description: 'id_token required' },
    ]);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'token_grant_failed', error_code: 'validation_failed' },
    ]);
  });
});

describe('to a user', () => {
  const enroll = (kind: string, name: string) =>
    [422, `mfa_${kind}_enroll_not_enabled`, `MFA enroll is disabled for ${name}`, { factor_type: kind }] as const;
  it.each<Case>([
    ['POST /factors', ...enroll('totp', 'TOTP')],
    ['POST /factors', ...enroll('phone', 'Phone')],
    ['POST /factors', ...enroll('webauthn', 'WebAuthn')],
    ['POST /factors', 400, 'validation_failed', 'factor_type needs to be totp, phone, or webauthn', {}],
    ['POST /factors/{factor_id}/verify', 422, 'mfa_totp_verify_not_enabled', 'MFA verification is disabled for TOTP'],
    ['DELETE /factors/{factor_id}', 422, 'mfa_totp_verify_not_enabled', 'MFA verification is disabled for TOTP'],
    [`POST /factors/${randomUUID()}/challenge`, 404, 'mfa_factor_not_found', 'Factor not found'],
    ['POST /factors/x/challenge', 404, 'validation_failed', 'factor_id must be an UUID'],
    ['GET /user/oauth/grants', ...oauth],
    ['DELETE /user/oauth/grants', ...oauth],
  ])('%s', (...refusal) => ask(refusal, ann.access_token, 'request_failed'));

  it('who is anonymous, before anything else', async () => {
    const { access_token } = (await app.request.post('/signup').send({})).body;
    for (const request of ['POST /factors', `POST /factors/${randomUUID()}/challenge`, 'DELETE /factors/x']) {
      const refusal = [403, 'no_authorization', 'Anonymous user not allowed to perform these actions'] as const;
      await ask([request, ...refusal], access_token, 'request_failed');
    }
  });
});

describe('to an administrator', () => {
  const invalid = (msg: string) => [400, 'validation_failed', msg] as const;
  const noSso = [404, 'sso_provider_not_found', 'SSO Identity Provider not found'] as const;
  const prefix = "identifier must start with 'custom:' prefix, e.g. 'custom:desk'";
  const desk = {
    provider_type: 'oauth2',
    identifier: 'custom:desk',
    name: 'Desk',
    client_id: 'c',
    client_secret: 's',
    authorization_url: 'https://desk.example.org/a',
    token_url: 'https://desk.example.org/t',
    userinfo_url: 'https://desk.example.org/u',
  };
  it.each<Case>([
    ['GET /admin/oauth/clients', ...oauth],
    ['POST /admin/oauth/clients', ...oauth, { client_name: 'Desk' }],
    [`DELETE /admin/oauth/clients/${randomUUID()}`, ...oauth],
    [`GET /admin/sso/providers/${randomUUID()}`, ...noSso],
    ['PUT /admin/sso/providers/resource_x', ...noSso, {}],
    ['POST /admin/sso/providers', ...invalid("Only 'saml' supported for SSO provider type"), {}],
    [
      'POST /admin/sso/providers',
      ...invalid('metadata_url is not a HTTPS URL'),
      { type: 'saml', metadata_url: 'http://idp.example.org' },
    ],
    ['POST /admin/sso/providers', ...saml, { type: 'saml', metadata_url: 'https://idp.example.org' }],
    ['GET /admin/custom-providers?type=saml', ...invalid("type must be either 'oauth2' or 'oidc'")],
    ['GET /admin/custom-providers/desk', ...invalid(prefix)],
    ['DELETE /admin/custom-providers/custom:desk', 404, 'custom_provider_not_found', 'Custom OAuth provider not found'],
    [
      'POST /admin/custom-providers',
      ...invalid('token_url is required for OAuth2 providers'),
      { ...desk, token_url: '' },
    ],
    [
      'POST /admin/custom-providers',
      ...invalid('issuer is required for OIDC providers'),
      { ...desk, provider_type: 'oidc' },
    ],
    ['POST /admin/custom-providers', 404, 'feature_disabled', 'Custom OAuth providers are disabled', desk],
  ])('%s', (...refusal) => ask(refusal, serviceKey(app), 'admin_request_failed'));

  it('there are none', async () => {
    const read = async (path: string) => (await app.request.get(path).set(bearer(serviceKey(app)))).body;
    expect(await read('/admin/sso/providers')).toEqual({ items: [] });
    expect(await read('/admin/custom-providers?type=oidc')).toEqual({ providers: [] });
  });
});

describe('back from a provider', () => {
  // Class 15: the id of a session, of a user or of a flow is no state that anybody was sent away with.
  it.each([
    ['no state', '', 'bad_oauth_callback', 'OAuth state parameter missing'],
    ['an empty state', '?state=', 'bad_oauth_callback', 'OAuth state parameter missing'],
    ['a broken state', '?state=nope&code=x', 'bad_oauth_state', 'OAuth state parameter is invalid'],
    ['an unknown state', `?state=${randomUUID()}&code=x`, 'bad_oauth_state', 'OAuth state not found or expired'],
    [
      'what asks to go elsewhere',
      '?redirect_to=https://evil.example',
      'bad_oauth_callback',
      'OAuth state parameter missing',
    ],
  ])('the portal is told of %s, and nothing of the request goes there', async (_, query, error_code, message) => {
    for (const method of ['get', 'post'] as const) {
      const response = await app.request[method](`/callback${query}`);
      expect(response.status).toBe(303);
      const to = new URL(response.headers.location ?? '');
      expect(to.origin).toBe(new URL(app.gatehouse.settings.site_url).origin);
      expect(Object.fromEntries(to.searchParams)).toEqual({
        error: 'invalid_request',
        error_code,
        error_description: message,
      });
      expect(response.headers).not.toHaveProperty('set-cookie');
      expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'request_failed', error_code }]);
    }
  });
});
