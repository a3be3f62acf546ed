/**
 * What went wrong elsewhere (docs/weaknesses.md): every class that applies here is named by a test, and those are tried here that
 * belong to no room alone, on the whole service.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { startApp } from './harness/app.ts';
import { fingerprint } from './harness/fingerprint.ts';
import {
  addPerson,
  addSignedInPerson,
  anonKey,
  bearer,
  claimsOf,
  type Person,
  type SignedInPerson,
} from './harness/people.ts';

const app = await startApp({ env: { GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '100000' } });
afterAll(() => app.close());
const { request, database, clock, mailbox } = app;

let ann: Person;
let mallory: SignedInPerson;
beforeAll(async () => {
  ann = await addPerson(app);
  mallory = await addSignedInPerson(app);
});

describe('is named by a test', () => {
  const root = join(import.meta.dirname, '..');
  const [classes = '', falls = ''] = readFileSync(join(root, 'docs/weaknesses.md'), 'utf8').split('\n## Where a real');
  const tests = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(import.meta.dirname, file), 'utf8').replace(/\n\s*(?:\*|\/\/) /g, ' '));
  /** The numbers after this word, in whatever test. */
  const named = (word: string) =>
    new Set(
      tests
        .flatMap((source) => [...source.matchAll(new RegExp(`${word},? ((?:\\d+(?:, | and )?)+)`, 'gi'))])
        .flatMap(([, numbers = '']) => numbers.match(/\d+/g) ?? []),
    );

  /** What comes with a feature that is not there yet. */
  const notThereYet = {
    classes: { 8: 'second factors', 31: 'second factors', 63: 'clients that sign an assertion' },
    falls: { 4: 'second factors', 5: 'second factors', 8: 'second factors', 16: 'second factors' },
  };

  const applies = [...classes.matchAll(/^\| (\d+) ★ \| ([^|]+) \|/gm)].map(([, number = '', what = '']) => [
    number,
    what,
  ]);
  it.each(applies.filter(([number = '']) => !(number in notThereYet.classes)))('CVE class %s: %s', (number) => {
    expect(named('class(?:es)?')).toContain(number);
  });

  const measured = [...falls.matchAll(/^\| (\d+) \|/gm)].map(([, number = '']) => number);
  it.each(measured.filter((number) => !(number in notThereYet.falls)))('measured falls, %s', (number) => {
    const itself = new Set(
      tests
        .flatMap((source) => [...source.matchAll(/describe\('(\d+)(?: and (\d+))?: /g)])
        .flatMap(([, ...numbers]) => numbers),
    );
    expect(new Set([...named('measured falls'), ...itself])).toContain(number);
  });

  it('and the lists are read as they are written', () => {
    expect(applies.length).toBeGreaterThan(50);
    expect(measured.length).toBeGreaterThan(20);
  });
});

// CVE class 14: a step that is skipped.
describe('a password is set by whoever has the mail', () => {
  const email = () => ann.email;
  const OTHER = 'what mallory would like it to be';
  const verifier = 'v'.repeat(43);
  const challenge = {
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 's256',
  };
  const post = (path: string, body: object) => request.post(path).send(body);
  const put = (token: string, body: object) => request.put('/user').set(bearer(token)).send(body);
  const steps: Record<string, () => PromiseLike<unknown>> = {
    'a recovery': () => post('/recover', { email: email() }),
    'a recovery with a challenge': () => post('/recover', { email: email(), ...challenge }),
    'a link': () => post('/otp', { email: email() }),
    'a link, and data': () => post('/magiclink', { email: email(), data: { role: 'service_role' } }),
    'the mail again': () => post('/resend', { type: 'signup', email: email() }),
    'a sign-up': () => post('/signup', { email: email(), password: OTHER }),
    'a minute': async () => clock.advance(61),
    'a proof without a token': () => post('/verify', { type: 'recovery', email: email(), password: OTHER }),
    'an empty token': () => post('/verify', { type: 'recovery', email: email(), token: '' }),
    'a wrong code': () => post('/verify', { type: 'recovery', email: email(), token: '000000' }),
    'a hash of it': () => post('/verify', { type: 'recovery', token_hash: 'pkce_'.padEnd(61, '0') }),
    'a link of it': () => request.get('/verify').query({ type: 'recovery', token: '0'.repeat(56) }),
    'an exchange without the link': () =>
      post('/token?grant_type=pkce', { auth_code: ann.id, code_verifier: verifier, email: email() }),
    'a password with the key of all': () => put(anonKey(app), { email: email(), password: OTHER }),
    'a password for somebody else': () => put(mallory.access_token, { id: ann.id, user_id: ann.id, password: OTHER }),
    'the address for oneself': () => put(mallory.access_token, { email: email() }),
    'a code for oneself': () => request.get('/reauthenticate').set(bearer(mallory.access_token)),
  };
  const stateOf = async () => {
    const { rows } = await database.pool.query(
      `select encrypted_password, email, role, raw_user_meta_data, (select count(*)::int from auth.sessions s where s.user_id = u.id) as sessions
         from auth.users u where id = $1`,
      [ann.id],
    );
    return rows[0];
  };

  it('in whatever order everything else is asked for', async () => {
    const before = await stateOf();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...Object.keys(steps)), { minLength: 1, maxLength: 8 }),
        async (names) => {
          for (const name of names) await steps[name]?.();
          expect(await stateOf()).toEqual(before);
        },
      ),
      { numRuns: 25 },
    );
    const { status, body } = await post('/token?grant_type=password', { email: email(), password: OTHER });
    expect([status, body.error_code]).toEqual([400, 'invalid_credentials']);
  });

  it('and by them', async () => {
    clock.advance(61);
    mailbox.clear();
    await post('/recover', { email: email() });
    let access_token: string | undefined;
    // Earlier mails may still be under way; their links are dead.
    while (access_token === undefined) {
      const { links } = await mailbox.next(email());
      const token_hash = new URL(links[0] ?? '').searchParams.get('token');
      access_token = (await post('/verify', { type: 'recovery', token_hash })).body.access_token;
    }
    expect((await put(access_token, { password: 'chosen by its owner' })).status).toBe(200);
    ann.password = 'chosen by its owner';
    expect((await post('/token?grant_type=password', ann)).status).toBe(200);
  });
});

// CVE class 24: who somebody is, is in the token and nowhere else.
test.each(app.routes.map(([method, path]) => [method, path] as const))(
  '%s %s believes nobody who says who they are',
  async (method, path) => {
    const says = {
      ...{ id: ann.id, user_id: ann.id, userId: ann.id, sub: ann.id, actor_id: ann.id, session_id: mallory.session_id },
      ...{ role: 'service_role', is_super_admin: true, is_admin: true, admin: true, aud: 'authenticated', aal: 'aal2' },
    };
    const before = await fingerprint(database);
    const way = method === 'otherwise' ? 'patch' : method;
    const asked = request[way](
      path
        .replace(/\{.*\}/, '')
        .replace('*rest', 'x')
        .replace(/:\w+/g, ann.id),
    ).query(says);
    const { status, text } = await (way === 'get' ? asked : asked.send(says));
    expect(status).toBeLessThan(500);
    expect(text).not.toContain(ann.email);
    expect(text).not.toContain('"access_token"');
    expect(await fingerprint(database)).toEqual(before);
  },
);

// CVE class 28: another spelling of a path is not another way in.
test.each([
  '//admin/users',
  '/admin//users',
  '/admin/users//',
  '/ADMIN/users',
  '/Admin/Users',
  '/%61dmin/users',
  '/admin%2fusers',
  '/admin/./users',
  '/health/../admin/users',
  '/health/%2e%2e/admin/users',
  '/health/..%2fadmin/users',
  '/admin;x=1/users',
  '/admin/users;x=1',
  '/admin/users%00',
  '/admin/users%20',
  '/admin\\users',
  '/auth/v1//admin/users',
  '/auth/v1/auth/v1/admin/users',
  '/AUTH/V1/admin/users',
  'http://elsewhere.example/admin/users',
])('%s opens nothing', async (path) => {
  const { hostname, port } = new URL(app.url);
  const outgoing = httpRequest({ hostname, port, path: encodeURI(path).replaceAll('%25', '%') }).end();
  const [response] = await once(outgoing, 'response');
  const text = await textOf(response);
  expect([400, 401, 404]).toContain(response.statusCode);
  expect(text).not.toContain(ann.email);
});

// CVE class 32: a session that somebody else knows does not become one's own.
describe('a proof begins a session of its own, whoever’s is presented beside it', () => {
  test.each<[what: string, prove: () => PromiseLike<{ body: Record<string, string> }>]>([
    [
      'a password',
      () =>
        request
          .post('/token?grant_type=password')
          .set(bearer(mallory.access_token))
          .send({ ...ann, session_id: mallory.session_id }),
    ],
    [
      'the link of a mail',
      async () => {
        clock.advance(61);
        mailbox.clear();
        await request.post('/recover').set(bearer(mallory.access_token)).send({ email: ann.email });
        const { links } = await mailbox.next(ann.email);
        const token_hash = new URL(links[0] ?? '').searchParams.get('token');
        return request
          .post('/verify')
          .set(bearer(mallory.access_token))
          .send({ type: 'recovery', token_hash, session_id: mallory.session_id });
      },
    ],
  ])('%s', async (_what, prove) => {
    const first = claimsOf((await prove()).body.access_token ?? '');
    const second = claimsOf((await prove()).body.access_token ?? '');
    expect([first.sub, second.sub]).toEqual([ann.id, ann.id]);
    expect(new Set([first.session_id, second.session_id, mallory.session_id]).size).toBe(3);
  });
});

// CVE class 6: a pathway that counts nothing. Measured falls 6.
test('five hundred guesses at codes over a hundred addresses: of one caller thirty are looked at', async () => {
  const limited = await startApp({ database, mailbox, clock, env: { GATEHOUSE_RATE_LIMIT_LOOPBACK: 'true' } });
  try {
    const guesses = Array.from({ length: 500 }, (_, n) =>
      limited.request.post('/verify').send({
        type: ['email', 'signup', 'recovery', 'magiclink', 'invite'][n % 5],
        email: `p${n % 100}@example.com`,
        token: String(100_000 + n),
      }),
    );
    const answers = await Promise.all(guesses);
    const counted = Object.groupBy(answers, ({ status }) => String(status));
    expect([counted[403]?.length, counted[429]?.length]).toEqual([30, 470]);
  } finally {
    await limited.close();
  }
});
