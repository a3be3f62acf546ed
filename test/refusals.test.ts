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
  'POST /introspect', // a client's secret: test/clients
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

/** What ann's token would be with other claims. */
const hers = (changed: Record<string, unknown>, making?: Parameters<typeof mintJwt>[1]) =>
  mintJwt({ ...claims, ...changed }, making);

type Refusal = [what: string, token: string | undefined, status: number, error_code: string];

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
  ['a user deleted softly', softDeleted.access_token, 403, 'user_not_found'],
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
  ['a banned user', banned.access_token, 403, 'user_banned'],
];

const routes = app.routes.map(([method, pattern]) => {
  // GoTrue asks who is calling before it says that a path has no such method (contract appendix C, "Admin").
  const verb = method === 'otherwise' ? 'patch' : method;
  const path = pattern.replace(/\{.*\}/, '').replace('*rest', 'nothing');
  return { method: verb, path, title: `${verb.toUpperCase()} ${path}` };
});
const protectedRoutes = routes.filter(({ title }) => !publicRoutes.has(title));

const isForAdministrators = ({ path }: (typeof routes)[number]) => /^\/(?:admin|invite)\b/.test(path);

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
  const ofRoute = isForAdministrators(route) ? tokensOfNoAdministrator : tokensOfUsers;

  test.each([...tokensNobodyMayUse, ...ofRoute])('refuses %s', async (_what, token, status, error_code) => {
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
        ip: '127.0.0.1',
        path: route.path.replace(/:\w+/g, ann.id),
      },
    ]);
  });
});

test('a token that is right is let through everywhere', async () => {
  for (const route of protectedRoutes) {
    const { access_token } = await addSignedInPerson(app, { role: 'authenticated' });
    const token = isForAdministrators(route) ? serviceKey(app) : access_token;
    const { status, body } = await ask(
      { ...route, path: route.path.replace(/:\w+/g, (await addPerson(app)).id) },
      token,
    );
    expect([status, body.error_code], route.title).not.toEqual(expect.arrayContaining([401]));
    if (!route.path.startsWith('/audit')) expect(status, route.title).not.toBe(403);
  }
});

test('what is listed as public is a route', () => {
  const titles = new Set(routes.map(({ title }) => title));
  for (const title of publicRoutes) expect(titles).toContain(title);
});
