/** openapi.yaml and what is served are one: routes, error codes and events both ways, and real answers against its schemas. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, describe, expect, it, test } from 'vitest';
import { actions } from '../src/audit/events.ts';
import { createClient } from '../src/clients/clients.ts';
import { occasionOfCommand } from '../src/command.ts';
import { AuthError, type ErrorCode } from '../src/errors.ts';
import { grantRole, type Role } from '../src/roles/roles.ts';
import { version } from '../src/version.ts';
import { startApp } from './harness/app.ts';
import {
  type Answer,
  codesOf,
  components,
  differences,
  file,
  info,
  mistakesIn,
  operations,
  resolved,
} from './harness/openapi.ts';
import { addPerson, addSignedInPerson, bearer, serviceKey } from './harness/people.ts';

const app = await startApp();
afterAll(app.close);
const { request, gatehouse } = app;

/** What createApp mounts beside the table of routes, at `/` alone. */
const operationalRoutes = ['GET /livez', 'GET /readyz'];
/** `GET /admin/users/{user_id}` and its like. */
const served = app.routes
  .filter(([method]) => method !== 'otherwise')
  .map(([method, path]) => `${method.toUpperCase()} ${path.replace('{/}', '').replace(/:(\w+)/g, '{$1}')}`);
/** Known to clients of Supabase Auth, and refused: whole subtrees of paths for all methods, some of them. */
const gated = [...operations].filter(([, { tags }]) => tags.includes('Not in this version'));

const errorCodes = components.schemas.ErrorCode?.enum as string[];
/** Of the catalogue in errors.ts. */
const catalogue = [...readFileSync('src/errors.ts', 'utf8').matchAll(/^ {2}(\w+): \[\d{3}, /gm)].map(
  ([, code]) => code,
);

test('the document is OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(fileURLToPath(file));
  expect([valid, errors]).toEqual([true, undefined]);
});

test('the document has the version of the package', () => {
  expect(info.version).toBe(version);
});

test('what is served is described, and what is described is served', async () => {
  const known = new Set([...served, ...operationalRoutes, ...gated.map(([title]) => title)]);
  expect([...operations.keys()].sort()).toEqual([...known].sort());
  for (const title of operationalRoutes) {
    const path = title.slice('GET '.length);
    expect([(await request.get(path)).status, (await request.get(`/auth/v1${path}`)).status]).toEqual([200, 404]);
  }
});

test('the error codes are those of the catalogue', () => {
  expect(errorCodes).toEqual(catalogue);
  for (const code of errorCodes) expect(new AuthError(code as ErrorCode).status).toBeGreaterThanOrEqual(400);
});

describe.each([...operations])('%s', (_title, { description = '', responses, requestBody }) => {
  it('lists codes of the catalogue, for each status that can have one', () => {
    const statuses = Object.entries(responses);
    expect(errorCodes).toEqual(expect.arrayContaining(statuses.flatMap(([, response]) => codesOf(response))));
    const withoutCodes = statuses.filter(
      ([status, response]) => Number(status) >= 400 && codesOf(response).length === 0,
    );
    expect(withoutCodes.map(([, response]) => resolved(response).description)).toEqual(
      _title === 'GET /readyz' ? ['It should not, for now.'] : [],
    );
  });

  it('names events that there are', () => {
    const told = description.match(/^Audit log: [\s\S]*/m)?.[0] ?? '';
    const named = [...told.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name);
    expect([...actions, ...errorCodes]).toEqual(expect.arrayContaining(named));
  });

  it('has examples that are as it says', () => {
    const described = [requestBody, ...Object.values(responses).map(resolved)];
    const media = described.flatMap((part) => Object.values(part?.content ?? {}));
    for (const { schema, examples = {} } of media) {
      for (const [name, example] of Object.entries(examples)) {
        expect([name, ...mistakesIn(resolved(example).value, schema)]).toEqual([name]);
      }
    }
  });
});

test('what a route asks of its caller is what its security says', async () => {
  for (const [title, { security = [] }] of operations) {
    const [method = '', path = ''] = title.split(' ');
    const answer = await request[method.toLowerCase() as 'get'](path.replace(/\{.*?\}/g, crypto.randomUUID()))
      // Of /introspect and /revoke, which read it before they ask who it is from.
      .type('form')
      .send(method === 'GET' ? undefined : 'token=x');
    const asks =
      answer.status === 401 ? (/ \/(?:introspect|revoke|metrics)$/.test(title) ? 'client' : 'bearer') : 'nobody';
    const schemes = security.flatMap(Object.keys);
    const says = schemes.length === 0 ? 'nobody' : schemes.includes('client') ? 'client' : 'bearer';
    expect([title, asks]).toEqual([title, says]);
  }
});

async function administratorWith(role: Role) {
  const person = await addSignedInPerson(app);
  const change = { user_id: person.id, role, actor: { role: 'operator', username: 'test' } };
  await grantRole(gatehouse.db, change, occasionOfCommand('test', app.clock.now()));
  return person;
}

const ann = await addSignedInPerson(app);
const auditor = await administratorWith('auditor');
const administrator = await administratorWith('admin');
const service = bearer(serviceKey(app));
const client = await createClient(
  gatehouse.db,
  { name: 'openapi', actor: { role: 'operator', username: 'test' } },
  occasionOfCommand('test', app.clock.now()),
);
if (!client) throw new Error('the name is free');
const { client_id, client_secret } = client;

type Call = [title: string, what: string, status: number, ask: () => PromiseLike<Answer>];

const signUp = (body: object) => request.post('/signup').send(body);
const signIn = (body: object) => request.post('/token?grant_type=password').send(body);
const refresh = (refresh_token: string) => request.post('/token?grant_type=refresh_token').send({ refresh_token });
const exchange = (auth_code: string) =>
  request.post('/token?grant_type=pkce').send({ auth_code, code_verifier: 'x'.repeat(43) });
const generate = (body: object) => request.post('/admin/generate_link').set(service).send(body);
const introspect = (token: string, secret = client_secret) =>
  request.post('/introspect').auth(client_id, secret).type('form').send({ token });

const successes: Call[] = [
  ['POST /signup', 'a new address', 200, () => signUp({ email: 'new@example.com', password: 'correct horse' })],
  ['POST /signup', 'a confirmed address', 200, () => signUp({ email: ann.email, password: 'correct horse' })],
  ['POST /token', 'a password', 200, () => signIn(ann)],
  ['POST /token', 'a refresh token', 200, async () => refresh((await addSignedInPerson(app)).refresh_token)],
  [
    'POST /logout',
    'this session',
    204,
    async () => {
      const { access_token } = await addSignedInPerson(app);
      return request.post('/logout?scope=local').set(bearer(access_token));
    },
  ],
  ['GET /user', 'her own', 200, () => request.get('/user').set(bearer(ann.access_token))],
  [
    'PUT /user',
    'her name',
    200,
    () =>
      request
        .put('/user')
        .set(bearer(ann.access_token))
        .send({ data: { full_name: 'Ann' } }),
  ],
  [
    'PUT /user',
    'another address',
    200,
    async () => {
      const { access_token } = await addSignedInPerson(app);
      return request.put('/user').set(bearer(access_token)).send({ email: 'another@example.com' });
    },
  ],
  ['GET /reauthenticate', 'a code', 200, () => request.get('/reauthenticate').set(bearer(ann.access_token))],
  ['POST /recover', 'anybody', 200, () => request.post('/recover').send({ email: 'nobody@example.com' })],
  ['POST /otp', 'somebody', 200, async () => request.post('/otp').send({ email: (await addPerson(app)).email })],
  ['POST /magiclink', 'somebody new', 200, () => request.post('/magiclink').send({ email: 'link@example.com' })],
  ['POST /resend', 'anybody', 200, () => request.post('/resend').send({ type: 'signup', email: 'nobody@example.com' })],
  ['GET /verify', 'a link', 303, () => request.get('/verify?type=signup&token=unknown')],
  ['GET /admin/users', 'by a service key', 200, () => request.get('/admin/users?per_page=2').set(service)],
  [
    'GET /admin/users',
    'by an administrator',
    200,
    () => request.get('/admin/users').set(bearer(administrator.access_token)),
  ],
  [
    'POST /admin/users',
    'by address',
    200,
    () => request.post('/admin/users').set(service).send({ email: 'made@example.com', email_confirm: true }),
  ],
  [
    'POST /admin/users',
    'by number, banned',
    200,
    () => request.post('/admin/users').set(service).send({ phone: '+491701234567', ban_duration: '24h' }),
  ],
  ['GET /admin/users/{user_id}', 'one', 200, () => request.get(`/admin/users/${ann.id}`).set(service)],
  [
    'PUT /admin/users/{user_id}',
    'a role',
    200,
    async () =>
      request
        .put(`/admin/users/${(await addPerson(app)).id}`)
        .set(service)
        .send({ role: 'editor' }),
  ],
  [
    'DELETE /admin/users/{user_id}',
    'softly',
    200,
    async () =>
      request
        .delete(`/admin/users/${(await addPerson(app)).id}`)
        .set(service)
        .send({ should_soft_delete: true }),
  ],
  ['POST /invite', 'somebody', 200, () => request.post('/invite').set(service).send({ email: 'guest@example.com' })],
  ['POST /admin/generate_link', 'a recovery', 200, () => generate({ type: 'recovery', email: ann.email })],
  ['POST /admin/generate_link', 'a new account', 200, () => generate({ type: 'magiclink', email: 'x@example.com' })],
  ['POST /introspect', 'an access token', 200, () => introspect(ann.access_token)],
  ['POST /introspect', 'what is none', 200, () => introspect('none')],
  ['GET /metrics', 'a client', 200, () => request.get('/metrics').auth(client_id, client_secret)],
  [
    'GET /audit/events',
    'a page of several',
    200,
    () => request.get('/audit/events?limit=3').set(bearer(auditor.access_token)),
  ],
  ['GET /health', 'anybody', 200, () => request.get('/health')],
  ['GET /settings', 'anybody', 200, () => request.get('/settings')],
  ['GET /.well-known/jwks.json', 'anybody', 200, () => request.get('/.well-known/jwks.json')],
  ['GET /.well-known/openid-configuration', 'anybody', 200, () => request.get('/.well-known/openid-configuration')],
  ['GET /callback', 'nobody', 303, () => request.get('/callback?state=x')],
  ['POST /callback', 'nobody', 303, () => request.post('/callback')],
  ['GET /admin/sso/providers', 'none', 200, () => request.get('/admin/sso/providers').set(service)],
  ['GET /admin/custom-providers', 'none', 200, () => request.get('/admin/custom-providers').set(service)],
  ['GET /livez', 'anybody', 200, () => request.get('/livez')],
  ['GET /readyz', 'anybody', 200, () => request.get('/readyz')],
];

test.each(successes)('%s answers as described: %s', async (title, _what, status, ask) => {
  const answer = await ask();
  expect([answer.status, ...differences(title, answer)]).toEqual([status]);
});

test.each(gated)('%s is known and refused as described', async (title, { security = [] }) => {
  const [method = '', path = ''] = title.split(' ');
  const credentials = security.some(({ serviceKey }) => serviceKey) ? service : bearer(ann.access_token);
  const asked = request[method.toLowerCase() as 'post'](path.replace(/\{.*?\}/g, crypto.randomUUID()));
  const answer = await asked.set(security.length > 0 ? credentials : {});
  expect([Math.trunc(answer.status / 100), ...differences(title, answer)]).toEqual([4]);
});

type Refused = [title: string, what: string, status: number, code: string, ask: () => ReturnType<typeof request.get>];

const unknown = crypto.randomUUID();
const refusals: Refused[] = [
  ['POST /signup', 'no password', 400, 'validation_failed', () => signUp({ email: 'a@example.com' })],
  [
    'POST /signup',
    'a weak password',
    422,
    'weak_password',
    () => signUp({ email: 'a@example.com', password: 'short' }),
  ],
  ['POST /signup', 'nobody', 422, 'anonymous_provider_disabled', () => signUp({})],
  ['POST /token', 'no JSON', 400, 'bad_json', () => request.post('/token?grant_type=password').send('{')],
  ['POST /token', 'a wrong password', 400, 'invalid_credentials', () => signIn({ ...ann, password: 'wrong' })],
  ['POST /token', 'a number', 422, 'phone_provider_disabled', () => signIn({ phone: '49170', password: 'x' })],
  ['POST /token', 'an unknown grant', 400, 'invalid_credentials', () => request.post('/token?grant_type=x').send({})],
  ['POST /token', 'an unknown refresh token', 400, 'refresh_token_not_found', () => refresh('abcdefghijkl')],
  ['POST /token', 'an unknown code', 404, 'flow_state_not_found', () => exchange('none')],
  ['POST /token', 'half of an exchange', 400, 'validation_failed', () => exchange('')],
  ['POST /token', '2 MiB', 413, 'request_entity_too_large', () => signIn({ password: 'x'.repeat(2 ** 21) })],
  ['POST /recover', 'no address', 400, 'validation_failed', () => request.post('/recover').send({})],
  ['POST /magiclink', 'no address', 422, 'validation_failed', () => request.post('/magiclink').send({})],
  ['POST /otp', 'a number', 400, 'phone_provider_disabled', () => request.post('/otp').send({ phone: '49170' })],
  ['POST /resend', 'no type', 400, 'validation_failed', () => request.post('/resend').send({})],
  ['GET /verify', 'no type', 400, 'validation_failed', () => request.get('/verify?token=x')],
  [
    'POST /verify',
    'a wrong code',
    403,
    'otp_expired',
    () => request.post('/verify').send({ type: 'signup', email: ann.email, token: '000000' }),
  ],
  [
    'POST /verify',
    'no address',
    422,
    'validation_failed',
    () => request.post('/verify').send({ type: 'signup', email: 'ann', token: '000000' }),
  ],
  [
    'POST /invite',
    'somebody confirmed',
    422,
    'email_exists',
    () => request.post('/invite').set(service).send({ email: ann.email }),
  ],
  ['POST /admin/generate_link', 'no type', 400, 'validation_failed', () => generate({ email: ann.email })],
  [
    'POST /admin/generate_link',
    'nobody',
    404,
    'user_not_found',
    () => generate({ type: 'recovery', email: 'nobody@example.com' }),
  ],
  ['GET /user', 'nobody', 401, 'no_authorization', () => request.get('/user')],
  ['GET /user', 'no JWT', 403, 'bad_jwt', () => request.get('/user').set(bearer('x'))],
  [
    'POST /logout',
    'another scope',
    400,
    'validation_failed',
    () => request.post('/logout?scope=x').set(bearer(ann.access_token)),
  ],
  [
    'PUT /user',
    'the same password',
    422,
    'same_password',
    () => request.put('/user').set(bearer(ann.access_token)).send({ password: ann.password }),
  ],
  [
    'PUT /user',
    'app_metadata',
    403,
    'not_admin',
    () =>
      request
        .put('/user')
        .set(bearer(ann.access_token))
        .send({ app_metadata: { plan: 'pro' } }),
  ],
  ['GET /admin/users', 'a user', 403, 'not_admin', () => request.get('/admin/users').set(bearer(ann.access_token))],
  [
    'GET /admin/users',
    'pages of nothing',
    400,
    'validation_failed',
    () => request.get('/admin/users?per_page=0').set(service),
  ],
  [
    'POST /admin/users',
    'a taken address',
    422,
    'email_exists',
    () => request.post('/admin/users').set(service).send({ email: ann.email }),
  ],
  [
    'GET /admin/users/{user_id}',
    'nobody',
    404,
    'user_not_found',
    () => request.get(`/admin/users/${unknown}`).set(service),
  ],
  [
    'PUT /admin/users/{user_id}',
    'no id',
    404,
    'validation_failed',
    () => request.put('/admin/users/ann').set(service).send({}),
  ],
  [
    'DELETE /admin/users/{user_id}',
    'nobody',
    404,
    'user_not_found',
    () => request.delete(`/admin/users/${unknown}`).set(service),
  ],
  [
    'GET /audit/events',
    'no auditor',
    403,
    'not_admin',
    () => request.get('/audit/events').set(bearer(ann.access_token)),
  ],
  [
    'GET /audit/events',
    'a misspelled filter',
    400,
    'validation_failed',
    () => request.get('/audit/events?user=x').set(bearer(auditor.access_token)),
  ],
  ['POST /introspect', 'no form', 400, 'validation_failed', () => request.post('/introspect').send({ token: 'x' })],
  [
    'GET /.well-known/oauth-authorization-server',
    'anybody',
    404,
    'feature_disabled',
    () => request.get('/.well-known/oauth-authorization-server'),
  ],
];

describe.each(refusals)('%s refuses as described: %s', (title, _what, status, code, ask) => {
  it('in the shape of before 2024', async () => {
    const answer = await ask();
    expect([answer.status, answer.body.error_code, ...differences(title, answer)]).toEqual([status, code]);
  });

  it('in the shape since 2024', async () => {
    const answer = await ask().set('X-Supabase-Api-Version', '2024-01-01');
    expect([answer.status, answer.body.code, ...differences(title, answer)]).toEqual([status, code]);
  });
});

it('refuses a client in the shape of OAuth', async () => {
  const answer = await introspect(ann.access_token, 'wrong');
  expect([answer.status, answer.body.error, ...differences('POST /introspect', answer)]).toEqual([
    401,
    'invalid_client',
  ]);
});
