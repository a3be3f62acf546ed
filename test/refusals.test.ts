/**
 * Every route that asks who is calling says no in the contract's words (contract §2.0), changes nothing and is on record. The
 * table of app.ts decides which routes there are: one that is not listed here as public must refuse.
 */
import { createHmac, generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { auditRowsOf, startApp } from './harness/app.ts';
import { fingerprint } from './harness/fingerprint.ts';
import {
  addPerson,
  addSignedInPerson,
  anonKey,
  bearer,
  claimsOf,
  mintJwt,
  type SignedInPerson,
  serviceKey,
} from './harness/people.ts';

/** Nobody has to say who they are here, or they say it otherwise than by an access token. */
const publicRoutes = new Set([
  'GET /health',
  'GET /settings',
  'GET /openapi.yaml',
  'GET /.well-known/jwks.json',
  'GET /.well-known/openid-configuration',
  'GET /.well-known/oauth-authorization-server',
  'POST /signup',
  'POST /token',
  'POST /recover',
  'POST /magiclink',
  'POST /otp',
  'POST /resend',
  'GET /verify',
  'POST /verify',
  // A client's secret: test/clients.
  'POST /introspect',
  'GET /authorize',
  'GET /callback',
  'POST /callback',
  // Not in this version, whoever asks.
  'PATCH /sso',
  'PATCH /passkeys',
  'PATCH /oauth',
  'PATCH /scim',
  'POST /revoke',
  'GET /metrics',
]);

// A signing key whose public half is known to all: what algorithm confusion needs.
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const app = await startApp({
  env: {
    GATEHOUSE_JWT_KEYS: JSON.stringify([
      { ...rsa.privateKey.export({ format: 'jwk' }), kid: 'rsa', alg: 'RS256', key_ops: ['sign', 'verify'] },
    ]),
  },
});
afterAll(() => app.close());

const { database } = app;
const ann = await addSignedInPerson(app);
const bob = await addSignedInPerson(app);
const claims = claimsOf(ann.access_token);
const now = Number(claims.iat);
const publicPem = rsa.publicKey.export({ format: 'pem', type: 'spki' }).toString();

async function signedInWhenStill(changed: string): Promise<SignedInPerson> {
  const person = await addSignedInPerson(app);
  await database.pool.query(changed, [person.id]);
  return person;
}
const banned = await signedInWhenStill(`update auth.users set banned_until = now() + interval '1 day' where id = $1`);
const signedOut = await signedInWhenStill('delete from auth.sessions where user_id = $1');
const deleted = await signedInWhenStill('delete from auth.users where id = $1');
const softDeleted = await signedInWhenStill('update auth.users set deleted_at = now() where id = $1');

async function administratorWhenStill(changed: string): Promise<SignedInPerson> {
  const person = await signedInWhenStill(`insert into gatehouse.role_grants (user_id, role) values ($1, 'admin')`);
  await database.pool.query(changed, [person.id]);
  return person;
}
const bannedAdministrator = await administratorWhenStill(
  `update auth.users set banned_until = now() + interval '1 day' where id = $1`,
);
const signedOutAdministrator = await administratorWhenStill('delete from auth.sessions where user_id = $1');
const formerAdministrator = await administratorWhenStill('delete from gatehouse.role_grants where user_id = $1');

/** What ann's token would be with other claims. */
const hers = (changed: Record<string, unknown>, making?: Parameters<typeof mintJwt>[1]) =>
  mintJwt({ ...claims, ...changed }, making);

/** `actor` where the record names somebody although the answer does not say that there is one. */
type Refusal = [what: string, token: string | undefined, status: number, error_code: string, actor?: string];

const tokensNobodyMayUse: Refusal[] = [
  ['no token', undefined, 401, 'no_authorization'],
  ['what is no JWT', 'garbage', 403, 'bad_jwt'],
  ['three parts of nothing', 'a.b.c', 403, 'bad_jwt'],
  ['an expired token', hers({ exp: now - 1, iat: now - 100 }), 403, 'bad_jwt'],
  ['a token without an end', hers({ exp: undefined }), 403, 'bad_jwt'],
  ['a token of the future', hers({ iat: now + 600, exp: now + 1200 }), 403, 'bad_jwt'],
  ['a token that does not hold yet', hers({ nbf: now + 600 }), 403, 'bad_jwt'],
  ['a key that is not ours', hers({}, { key: 'another secret, as long as ours, of somebody else' }), 403, 'bad_jwt'],
  ['alg none', hers({}, { header: { alg: 'none' } }), 403, 'bad_jwt'],
  ['HS256 keyed with the public RSA key', hers({}, { header: { kid: 'rsa' }, key: publicPem }), 403, 'bad_jwt'],
  ['RS256 by its header, an HMAC by its signature', confused(), 403, 'bad_jwt'],
  ['a critical header that nobody knows', hers({}, { header: { crit: ['x'], x: 1 } }), 403, 'bad_jwt'],
  ['a signature cut short', ann.access_token.slice(0, -4), 403, 'bad_jwt'],
  ['claims of one token, signature of another', swapped(ann, bob), 403, 'bad_jwt'],
];

/** Whoever asks only whether the HMAC fits lets this through, and everybody has its key. */
function confused(): string {
  const input = [{ alg: 'RS256', kid: 'rsa' }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  );
  return [...input, createHmac('sha256', publicPem).update(input.join('.')).digest('base64url')].join('.');
}

function swapped(one: SignedInPerson, other: SignedInPerson): string {
  const [header, payload] = one.access_token.split('.');
  return [header, payload, other.access_token.split('.')[2]].join('.');
}

const tokensOfUsers: Refusal[] = [
  ['a token without a user', mintJwt({ role: 'authenticated', exp: now + 600 }), 403, 'bad_jwt'],
  ['a user that is no id', hers({ sub: 'ann' }), 400, 'bad_jwt'],
  ['a session that is no id', hers({ session_id: 'hers' }), 403, 'bad_jwt'],
  ['a user who never was', hers({ sub: randomUUID() }), 403, 'user_not_found'],
  ['a deleted user', deleted.access_token, 403, 'user_not_found'],
  ['a user deleted softly', softDeleted.access_token, 403, 'user_not_found', softDeleted.id],
  ['a session that was ended', signedOut.access_token, 403, 'session_not_found'],
  ["another user's session", hers({ session_id: bob.session_id }), 403, 'session_not_found'],
  ['a banned user', banned.access_token, 403, 'user_banned'],
  ['a token for another audience', hers({ aud: 'partners' }), 400, 'validation_failed'],
  ['the key of the portal', anonKey(app), 403, 'bad_jwt'],
];

const tokensOfNoAdministrator: Refusal[] = [
  ["a user's token", ann.access_token, 403, 'not_admin'],
  ['the key of the portal', anonKey(app), 403, 'not_admin'],
  ["a user's token that claims the service's role", hers({ role: 'service_role' }), 403, 'not_admin'],
  ['an expired service key', mintJwt({ role: 'service_role', exp: now - 1 }), 403, 'bad_jwt'],
  [
    'a service key that is not ours',
    mintJwt({ role: 'service_role', exp: now + 60 }, { key: publicPem }),
    403,
    'bad_jwt',
  ],
  ['a deleted user', deleted.access_token, 403, 'user_not_found'],
  ['a session that was ended', signedOut.access_token, 403, 'session_not_found'],
  ['an administrator who was banned', bannedAdministrator.access_token, 403, 'user_banned'],
  ['an administrator whose session was ended', signedOutAdministrator.access_token, 403, 'session_not_found'],
  ['an administrator who is none any more', formerAdministrator.access_token, 403, 'not_admin'],
];

/** Rights are for one thing each: an administrator reads no audit log. */
const tokensOfNoAuditor: Refusal[] = [...tokensOfUsers, ["a user's token", ann.access_token, 403, 'not_admin']];

const routes = app.routes.map(([method, pattern]) => {
  // GoTrue asks who is calling before it says that a path has no such method (contract appendix C, "Admin").
  const verb = method === 'otherwise' ? 'patch' : method;
  const path = pattern.replace(/\{.*\}/, '').replace('*rest', 'nothing');
  return { method: verb, path, title: `${verb.toUpperCase()} ${path}` };
});
const protectedRoutes = routes.filter(({ title }) => !publicRoutes.has(title));

const isForAdministrators = ({ path }: (typeof routes)[number]) => /^\/(?:admin|invite)\b/.test(path);
const isForAuditors = ({ path }: (typeof routes)[number]) => path.startsWith('/audit');

function refusalsAt(route: (typeof routes)[number]): Refusal[] {
  if (isForAdministrators(route)) return tokensOfNoAdministrator;
  return isForAuditors(route) ? tokensOfNoAuditor : tokensOfUsers;
}

/** Refusals of somebody whom the token proved to be there. */
const ofSomebody = new Set(['session_not_found', 'user_banned', 'validation_failed', 'not_admin']);

function ask({ method, path }: (typeof routes)[number], token: string | undefined) {
  const request = app.request[method as 'post'](path.replace(/:\w+/g, ann.id));
  if (token) request.set(bearer(token));
  // Of every door something that it would do.
  const email = 'changed@example.com';
  return method === 'get'
    ? request
    : request.send({ email, password: 'changed indeed', data: { changed: 1 }, user_metadata: { changed: 1 } });
}

describe.each(protectedRoutes)('$title', (route) => {
  test.each([...tokensNobodyMayUse, ...refusalsAt(route)])(
    'refuses %s',
    async (_what, token, status, error_code, actor) => {
      const before = await fingerprint(database);
      const response = await ask(route, token);

      expect(response.status).toBe(status);
      expect(response.body).toEqual({ code: status, error_code, msg: expect.stringMatching(/./) });
      expect(response.headers['x-sb-error-code']).toBe(error_code);
      expect(await fingerprint(database)).toEqual(before);
      expect(await auditRowsOf(app, response)).toMatchObject([
        {
          outcome: 'failure',
          error_code,
          action: expect.stringMatching(/_failed$/),
          actor_id: actor ?? (token && ofSomebody.has(error_code) ? (claimsOf(token).sub ?? null) : null),
          ip: '127.0.0.1',
          path: route.path.replace(/:\w+/g, ann.id),
        },
      ]);
    },
  );
});

test.each(protectedRoutes)('$title lets a token through that is right', async (route) => {
  const person = await addSignedInPerson(app);
  const { id } = await addPerson(app);
  if (isForAuditors(route)) {
    await database.pool.query(`insert into gatehouse.role_grants (user_id, role) values ($1, 'auditor')`, [person.id]);
  }
  const token = isForAdministrators(route) ? serviceKey(app) : person.access_token;
  const { status } = await ask({ ...route, path: route.path.replace(/:\w+/g, id) }, token);

  expect([401, 403]).not.toContain(status);
  expect(status).toBeLessThan(500);
});

test('what is listed as public is a route', () => {
  const titles = new Set(routes.map(({ title }) => title));
  for (const title of publicRoutes) expect(titles).toContain(title);
});
