/**
 * What nobody should send, at every door that takes something (DESIGN §5): the contract's 4xx as JSON, never a 5xx, nothing
 * half-written, and an audit row of the refusal.
 */
import fc from 'fast-check';
import type { Response } from 'supertest';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { auditRowsOf, startApp } from './harness/app.ts';
import { fingerprint } from './harness/fingerprint.ts';
import { addPerson, addSignedInPerson, bearer, type SignedInPerson, serviceKey } from './harness/people.ts';

const app = await startApp({
  env: { GATEHOUSE_LOCKOUT_MAX_ATTEMPTS: '1000', GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '100000' },
});
afterAll(() => app.close());

const service = serviceKey(app);
let ann: SignedInPerson;
let before: Record<string, string>;
beforeEach(async () => {
  ann = await addSignedInPerson(app);
  before = await fingerprint(app.database);
});

interface Door {
  title: string;
  method: 'get' | 'post' | 'put' | 'delete';
  path: () => string;
  /** A body that is right in form. */
  body: Record<string, unknown>;
  token?: () => string;
}

const doors: Door[] = [
  {
    title: 'POST /signup',
    method: 'post',
    path: () => '/signup',
    body: {
      email: 'new@example.com',
      password: 'correct horse battery',
      data: { seat: 9 },
      channel: 'sms',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 's256',
      gotrue_meta_security: {},
    },
  },
  {
    title: 'POST /token?grant_type=password',
    method: 'post',
    path: () => '/token?grant_type=password',
    body: { email: 'ann@example.com', password: 'not hers at all', gotrue_meta_security: {} },
  },
  {
    title: 'POST /token?grant_type=refresh_token',
    method: 'post',
    path: () => '/token?grant_type=refresh_token',
    body: { refresh_token: 'abcdefghijkl' },
  },
  {
    title: 'POST /token?grant_type=pkce',
    method: 'post',
    path: () => '/token?grant_type=pkce',
    body: { auth_code: '00000000-0000-4000-8000-000000000000', code_verifier: 'x'.repeat(43) },
  },
  {
    title: 'POST /recover',
    method: 'post',
    path: () => '/recover',
    body: { email: 'ann@example.com', code_challenge: 'x'.repeat(43), code_challenge_method: 's256' },
  },
  {
    title: 'POST /otp',
    method: 'post',
    path: () => '/otp',
    body: {
      email: 'ann@example.com',
      phone: '15550001111',
      create_user: false,
      data: { seat: 9 },
      channel: 'sms',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 's256',
    },
  },
  {
    title: 'POST /magiclink',
    method: 'post',
    path: () => '/magiclink',
    body: {
      email: 'ann@example.com',
      data: { seat: 9 },
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 's256',
    },
  },
  {
    title: 'POST /resend',
    method: 'post',
    path: () => '/resend',
    body: {
      type: 'signup',
      email: 'ann@example.com',
      phone: '15550001111',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 's256',
    },
  },
  {
    title: 'POST /verify',
    method: 'post',
    path: () => '/verify',
    body: { type: 'signup', email: 'ann@example.com', token: '123456', token_hash: '', redirect_to: '' },
  },
  {
    title: 'PUT /user',
    method: 'put',
    path: () => '/user',
    token: () => ann.access_token,
    body: {
      email: 'other@example.com',
      password: 'another staple entirely',
      current_password: 'x',
      nonce: '123456',
      data: { seat: 9 },
      app_metadata: { plan: 'gold' },
      phone: '15550001111',
      channel: 'sms',
    },
  },
  {
    title: 'POST /admin/users',
    method: 'post',
    path: () => '/admin/users',
    token: () => service,
    body: {
      id: '00000000-0000-4000-8000-000000000000',
      aud: 'authenticated',
      role: 'authenticated',
      email: 'made@example.com',
      phone: '15550002222',
      password: 'correct horse battery',
      password_hash: '$2a$10$',
      email_confirm: true,
      phone_confirm: true,
      user_metadata: { seat: 9 },
      app_metadata: { plan: 'gold' },
      ban_duration: 'none',
    },
  },
  {
    title: 'POST /invite',
    method: 'post',
    path: () => '/invite',
    token: () => service,
    body: { email: 'ann@', data: { desk: 12 } },
  },
  {
    title: 'POST /admin/generate_link',
    method: 'post',
    path: () => '/admin/generate_link',
    token: () => service,
    body: {
      type: 'email_change_new',
      email: 'nobody@example.com',
      new_email: 'other@example.com',
      password: 'correct horse battery',
      data: { desk: 12 },
      redirect_to: 'http://localhost:3000',
    },
  },
  {
    title: 'PUT /admin/users/{id}',
    method: 'put',
    path: () => `/admin/users/${ann.id}`,
    token: () => service,
    body: {
      role: 'authenticated',
      email: 'changed@example.com',
      phone: '15550003333',
      password: 'another staple entirely',
      email_confirm: true,
      user_metadata: { seat: 9 },
      app_metadata: { plan: 'gold' },
      ban_duration: '1h',
    },
  },
  {
    title: 'DELETE /admin/users/{id}',
    method: 'delete',
    path: () => `/admin/users/${ann.id}`,
    token: () => service,
    body: { should_soft_delete: true },
  },
];

/** Sends these very bytes as JSON. */
async function send({ method, path, token }: Door, body: string | Buffer): Promise<Response> {
  const request = app.request[method](path()).set('Content-Type', 'application/json');
  if (token) request.set(bearer(token()));
  return request.serialize((bytes) => bytes).send(body as string);
}

/** A refusal as the contract words it, on record once, and nothing else. */
async function expectRefusal(response: Response, status?: number, error_code?: string, what?: string): Promise<void> {
  const found = { ...response.body, status: response.status };
  expect(found, what).toMatchObject({
    status: status ?? expect.toSatisfy((it) => it >= 400 && it < 500),
    code: response.status,
    error_code: error_code ?? expect.stringMatching(/^[a-z0-9_]+$/),
    msg: expect.stringMatching(/./),
  });
  expect(response.type, what).toBe('application/json');
  expect(response.headers['x-sb-error-code'], what).toBe(found.error_code);
  expect(await fingerprint(app.database), what).toEqual(before);
  expect(await auditRowsOf(app, response), what).toMatchObject([{ outcome: 'failure', error_code: found.error_code }]);
}

/** Done, or refused. */
async function expectContract(response: Response, what: string): Promise<void> {
  if (response.status === 200) before = await fingerprint(app.database);
  else await expectRefusal(response, undefined, undefined, what);
}

const MEBIBYTE = 1_048_576;
const unreadable: [what: string, body: string | Buffer, status: number, error_code: string][] = [
  ['half an object', '{"email": "ann@example.com"', 400, 'bad_json'],
  ['an object and more', '{} {}', 400, 'bad_json'],
  ['no JSON', 'email=ann@example.com', 400, 'bad_json'],
  ['a list', '[]', 400, 'bad_json'],
  ['a text', '"ann@example.com"', 400, 'bad_json'],
  ['a number', '7', 400, 'bad_json'],
  ['a hundred thousand lists in each other', '['.repeat(100_000) + ']'.repeat(100_000), 400, 'bad_json'],
  ['a NUL', '\0', 400, 'bad_json'],
  ['2 MiB', JSON.stringify({ data: 'x'.repeat(2 * MEBIBYTE) }), 413, 'request_entity_too_large'],
];

const wrongValues: [what: string, value: string][] = [
  ['a number', '7'],
  ['true', 'true'],
  ['a list', '["a"]'],
  ['an object', '{"a":"b"}'],
  ['a text', '"text"'],
  ['nothing in it', '""'],
  ['a NUL', '"a\\u0000b@example.com"'],
  ['a lone surrogate', '"a\\ud800b@example.com"'],
  ['400 characters', JSON.stringify('x'.repeat(400))],
  ['an address of 400 characters', JSON.stringify(`${'x'.repeat(388)}@example.com`)],
  ['several @', '"a@b@c@example.com"'],
  ['100,000 characters', JSON.stringify('é'.repeat(100_000))],
  ['a NUL in an object', '{"a":"\\u0000"}'],
  ['a NUL in a name', '{"\\u0000":1}'],
  ['an object in an object, ten thousand times', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`],
  ['a number beyond all numbers', '{"a":1e999}'],
  ['SQL', `"'; drop table auth.users; --"`],
];

describe.each(doors)('$title', (door) => {
  test.each(unreadable)('refuses %s', async (_what, body, status, error_code) => {
    await expectRefusal(await send(door, body), status, error_code);
  });

  test.each(Object.keys(door.body))('stands anything as %s', async (name) => {
    for (const [what, value] of wrongValues) {
      const members = Object.entries(door.body).map(([key, member]) =>
        key === name ? `${JSON.stringify(key)}:${value}` : `${JSON.stringify(key)}:${JSON.stringify(member)}`,
      );
      const response = await send(door, `{${members.join(',')}}`);
      await expectContract(response, `${name} is ${what}`);
    }
  });

  test('stands whatever else is JSON', async () => {
    const member = fc.oneof(fc.constantFrom(...Object.keys(door.body)), fc.string());
    const body = fc.oneof(fc.dictionary(member, fc.jsonValue(), { maxKeys: 8 }), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(body, async (json) => {
        const response = await send(door, JSON.stringify(json));
        await expectContract(response, JSON.stringify(json).slice(0, 200));
      }),
      { numRuns: 25 },
    );
  });
});

describe('bodies', () => {
  const signUp = (body: string) => send(doorTo('POST /signup'), body);
  const metadataOf = async (email: string) => {
    const { rows } = await app.database.pool.query('select raw_user_meta_data from auth.users where email = $1', [
      email,
    ]);
    return rows[0]?.raw_user_meta_data;
  };

  test.each(doors.filter(({ method }) => method !== 'delete'))('$title needs one', async (door) => {
    await expectRefusal(await send(door, ''), 400, 'bad_json');
  });

  test('members that nobody knows are passed over', async () => {
    const { status, body } = await signUp(
      '{"email":"unknown@example.com","password":"correct horse battery","is_super_admin":true,"role":"service_role","id":1}',
    );
    expect(status).toBe(200);
    expect(body).toMatchObject({ email: 'unknown@example.com', role: 'authenticated' });
  });

  test('of a member given twice the last one counts', async () => {
    const { status, body } = await signUp(
      '{"email":7,"email":"first@example.com","EMAIL":"last@example.com","password":"correct horse battery"}',
    );
    expect(status).toBe(200);
    expect(body.email).toBe('last@example.com');
  });

  test('__proto__ is a name like any other: it supplies no member, and metadata does not keep it', async () => {
    await expectRefusal(await signUp('{"__proto__":{"email":"proto@example.com","password":"correct horse battery"}}'));
    const { status } = await signUp(
      '{"email":"proto@example.com","password":"correct horse battery","data":{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}}',
    );
    expect(status).toBe(200);
    expect(await metadataOf('proto@example.com')).not.toHaveProperty('admin');
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  test('a lone surrogate is kept as the replacement character', async () => {
    const { status } = await signUp(
      '{"email":"lone@example.com","password":"correct horse battery","data":{"name":"a\\ud800b"}}',
    );
    expect(status).toBe(200);
    expect(await metadataOf('lone@example.com')).toMatchObject({ name: 'a\ufffdb' });
  });

  test('bytes that are no UTF-8 are kept as the replacement character', async () => {
    const body = Buffer.from('{"email":"bytes@example.com","password":"correct horse battery","data":{"name":"a?b"}}');
    body[body.indexOf('?')] = 0xff;
    expect((await send(doorTo('POST /signup'), body)).status).toBe(200);
    expect(await metadataOf('bytes@example.com')).toMatchObject({ name: 'a\ufffdb' });
  });

  test.each([
    ['several @', 'a@b@c@example.com'],
    ['no domain', 'ann@'],
    ['a blank', 'ann smith@example.com'],
    ['a line break', 'ann@example.com\r\nBcc: everybody@example.com'],
    ['400 characters', `${'x'.repeat(388)}@example.com`],
    ['a NUL', 'ann\0@example.com'],
  ])('an address with %s signs nobody up', async (_what, email) => {
    await expectRefusal(
      await signUp(JSON.stringify({ email, password: 'correct horse battery' })),
      400,
      'validation_failed',
    );
  });
});

const ids = ['1', 'ann', 'null', '%00', 'x'.repeat(400), "'%20or%201=1", '00000000-0000-0000-0000-00000000000g'];
const parameters =
  'page per_page sort filter scope grant_type type token token_hash email redirect_to limit cursor from actor ip'.split(
    ' ',
  );

const strange = [
  '%00',
  '%',
  '%ff',
  '-1',
  '1e999',
  "'",
  'x'.repeat(400),
  '..%2f',
  '%F0%9F%94%91',
  '__proto__',
  'a&page=2&limit=2&type=a',
];

describe('paths and queries', () => {
  const asService = (method: 'get' | 'put' | 'delete', path: string) =>
    app.request[method](path)
      .set(bearer(service))
      .send(method === 'get' ? undefined : {});

  test.each(ids)('no user has the id %s', async (id) => {
    for (const method of ['get', 'put', 'delete'] as const) {
      await expectRefusal(await asService(method, `/admin/users/${id}`), 404, 'validation_failed');
    }
  });

  test('a path that cannot be decoded is refused', async () => {
    const { status, body } = await asService('get', '/admin/users/%zz');
    expect([status, body.error_code]).toEqual([400, 'validation_failed']);
  });

  test.each([
    'page=x',
    'page=-1',
    'per_page=0',
    'per_page=x',
    'per_page=1e99',
    'sort=password',
    'sort=created_at%20up',
    'filter=%00',
  ])('users are not listed by ?%s', async (query) => {
    await expectRefusal(await asService('get', `/admin/users?${query}`), 400, 'validation_failed');
  });

  test.each(['scope=everything', 'scope=%00', 'scope=GLOBAL'])('nobody is signed out by ?%s', async (query) => {
    const response = await app.request.post(`/logout?${query}`).set(bearer(ann.access_token));
    await expectRefusal(response, 400, 'validation_failed');
  });

  test.each([
    '',
    '?grant_type=',
    '?grant_type=magic',
    '?grant_type=%00',
    '?grant_type[]=password',
    '?grant_type=password%20',
  ])('POST /token%s grants nothing', async (query) => {
    const { email, password } = await addPerson(app);
    before = await fingerprint(app.database);
    await expectRefusal(await app.request.post(`/token${query}`).send({ email, password }), 400);
  });
});

/** Whatever a route is for: a new one is covered by existing. */
describe.each([...new Map(app.routes.map(([method, path]) => [`${method} ${path}`, { method, path }]))])(
  '%s',
  (_title, route) => {
    const method = route.method === 'otherwise' ? 'patch' : route.method;
    const pattern = route.path.replace(/\{.*\}/, '').replace('*rest', 'nothing');

    /** As somebody who may do what the route is for. */
    function ask(path: string) {
      const request = app.request[method](path);
      return pattern.startsWith('/admin') || pattern === '/invite'
        ? request.set(bearer(service))
        : request.set(bearer(ann.access_token));
    }

    function expectAnswer({ status, type, text, body }: Response, what: string): void {
      expect(status, what).toBeLessThan(500);
      if (status < 400) return;
      const isUnknown = (status === 405 && text === '') || text === '404 page not found\n';
      const isOfOauth = status === 401 && body.error === 'invalid_client';
      if (!isUnknown && !isOfOauth)
        expect({ type, body }, what).toMatchObject({ type: 'application/json', body: { code: status } });
    }

    test('stands any body', async () => {
      for (const [what, body] of unreadable) {
        // A connection that was to end with the answer is reset when nobody has read the request.
        const request = ask(pattern.replaceAll(/:\w+/g, ann.id)).set({
          'Content-Type': 'application/json',
          Connection: 'keep-alive',
        });
        expectAnswer(await request.serialize((bytes) => bytes).send(body as string), what);
      }
    });

    test('stands any query, and any id in its path', async () => {
      for (const value of strange) {
        const query = parameters.map((name) => `${name}=${value}`).join('&');
        expectAnswer(await ask(`${pattern.replaceAll(/:\w+/g, ann.id)}?${query}`), value);
      }
      for (const id of pattern.includes(':') ? [...ids, ...strange] : []) {
        expectAnswer(await ask(pattern.replaceAll(/:\w+/g, id)), id);
      }
    });
  },
);

function doorTo(title: string): Door {
  const door = doors.find((candidate) => candidate.title === title);
  if (!door) throw new Error(title);
  return door;
}
