/** POST /introspect: which tokens are active, who may ask, and that asking is on record (RFC 7662). */
import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createClient, disableClient, type NewClient } from '../../src/clients/clients.ts';
import { auditRowsOf, SECRET_KEY, startApp, statementsDuring, type TestApp } from '../harness/app.ts';
import {
  addSignedInPerson,
  anonKey,
  bearer,
  claimsOf,
  mintJwt,
  type SignedInPerson,
  serviceKey,
} from '../harness/people.ts';

let app: TestApp;
let client: NewClient;
let ann: SignedInPerson;

const actor = { role: 'operator', username: 'root' };
const occasion = () => ({
  caller: { request_id: randomUUID(), ip: '127.0.0.1', user_agent: undefined, method: 'COMMAND', path: 'clients' },
  now: app.clock.now(),
});

async function addClient(name: string = randomUUID()): Promise<NewClient> {
  const made = await createClient(app.database.db, { name, actor }, occasion());
  if (!made) throw new Error('the name is taken');
  return made;
}

beforeAll(async () => {
  app = await startApp({ env: { GATEHOUSE_JWT_ISSUER: 'https://auth.portal.example' } });
  client = await addClient('portal-api');
});
afterAll(() => app.close());
beforeEach(async () => {
  ann = await addSignedInPerson(app);
});

const basic = (id: string, secret: string) => ({
  Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
});

function ask(token: string, { client_id, client_secret }: NewClient = client) {
  return app.request.post('/introspect').set(basic(client_id, client_secret)).type('form').send({ token });
}

const usedAt = async (id: string) =>
  (await app.database.pool.query('select last_used_at from gatehouse.clients where id = $1', [id])).rows[0]
    .last_used_at;

describe('an access token of a session that goes on', () => {
  it('is active, with what a backend needs to know, and the client is on record as having asked', async () => {
    const response = await ask(ann.access_token);
    const claims = claimsOf(ann.access_token);

    expect(response.status).toBe(200);
    expect(response.headers['cache-control']).toBe('no-store');
    expect(response.headers['content-type']).toMatch(/^application\/json/);
    expect(response.body).toEqual({
      active: true,
      token_type: 'Bearer',
      sub: ann.id,
      aud: 'authenticated',
      iss: 'https://auth.portal.example',
      exp: claims.exp,
      iat: claims.iat,
      role: 'authenticated',
      email: ann.email,
      username: ann.email,
      session_id: ann.session_id,
      aal: 'aal1',
      amr: [{ method: 'password', timestamp: expect.any(Number) }],
    });
    const rows = await auditRowsOf(app, response);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      action: 'token_introspected',
      outcome: 'success',
      reason: null,
      actor_id: client.client_id,
      actor_role: 'client',
      actor_name: 'portal-api',
      subject_id: ann.id,
      session_id: ann.session_id,
      ip: '127.0.0.1',
      method: 'POST',
      path: '/introspect',
      details: { active: true },
    });
    expect(JSON.stringify(rows)).not.toContain(ann.access_token.slice(-20));
  });

  it('is active for a client that says who it is in the form', async () => {
    const form = { token: ann.access_token, token_type_hint: 'refresh_token', ...client };
    const response = await app.request.post('/auth/v1/introspect').type('form').send(form);
    expect([response.status, response.body.active]).toEqual([200, true]);
  });

  it('is active for a client whose id and secret are encoded before Basic joins them (RFC 6749 §2.3.1)', async () => {
    const encoded = (text: string) => [...text].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('');
    const response = await app.request
      .post('/introspect')
      .set(basic(encoded(client.client_id), encoded(client.client_secret)))
      .type('form')
      .send({ token: ann.access_token });
    expect(response.body.active).toBe(true);
  });

  it('is one statement', async () => {
    await ask(ann.access_token);
    const statements = await statementsDuring(app.gatehouse, () => ask(ann.access_token).expect(200));
    expect(statements).toEqual(['SELECT 1']);
  });

  it('has the role and the address that the user has now, not those of when it was made', async () => {
    await app.database.pool.query(
      `update auth.users set role = 'reader', email = null, phone = '4912345' where id = $1`,
      [ann.id],
    );
    const { body } = await ask(ann.access_token);
    expect(body).toMatchObject({ active: true, role: 'reader', username: '4912345' });
    expect(body).not.toHaveProperty('email');
  });

  it('is answered fifty times at once, each on record, and none waits for the client’s row', async () => {
    const busy = await addClient();
    const holder = await app.database.pool.connect();
    try {
      await holder.query('begin');
      await holder.query('select from gatehouse.clients where id = $1 for update', [busy.client_id]);
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask(ann.access_token, busy)));
      expect(answers.every(({ body }) => body.active === true)).toBe(true);
    } finally {
      await holder.query('rollback');
      holder.release();
    }
    const { rows } = await app.database.pool.query(
      `select count(*)::int from audit.events where action = 'token_introspected' and actor_id = $1`,
      [busy.client_id],
    );
    expect(rows).toEqual([{ count: 50 }]);
  });

  it('marks the client as used, once a minute', async () => {
    const quiet = await addClient();
    expect(await usedAt(quiet.client_id)).toBeNull();
    await ask('x', quiet);
    const first = await usedAt(quiet.client_id);
    expect(Date.parse(first)).toBe(app.clock.now().getTime());
    app.clock.advance(59);
    await ask('x', quiet);
    expect(await usedAt(quiet.client_id)).toBe(first);
    app.clock.advance(1);
    await ask('x', quiet);
    expect(Date.parse(await usedAt(quiet.client_id))).toBe(app.clock.now().getTime());
  });

  it('is not active when that cannot be recorded', async () => {
    await app.database.pool.query('alter table audit.events add constraint closed check (false) not valid');
    try {
      const response = await ask(ann.access_token);
      expect(response.status).toBe(500);
      expect(response.body.active).toBeUndefined();
    } finally {
      await app.database.pool.query('alter table audit.events drop constraint closed');
    }
  });
});

describe('everything else is inactive, and nothing more is said', () => {
  async function expectInactive(token: string, reason: unknown, subject_id: string | null = null) {
    const response = await ask(token);
    expect([response.status, response.text]).toEqual([200, '{"active":false}']);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'token_introspected', outcome: 'success', reason, subject_id, details: { active: false } },
    ]);
  }

  it.each([
    ['signed out', 'delete from auth.sessions where user_id = $1', 'no such session of the user'],
    ['banned', `update auth.users set banned_until = 'infinity' where id = $1`, 'the user is banned'],
    ['deleted', 'delete from auth.users where id = $1', 'no such user'],
    ['deleted softly', 'update auth.users set deleted_at = now() where id = $1', 'no such user'],
    ['of another audience now', `update auth.users set aud = 'other' where id = $1`, 'another audience'],
  ])('whose user is %s, from that moment on', async (_, change, reason) => {
    expect((await ask(ann.access_token)).body.active).toBe(true);
    await app.database.pool.query(change, [ann.id]);
    await expectInactive(ann.access_token, reason, ann.id);
  });

  it('whose user signed out at POST /logout', async () => {
    await app.request.post('/logout').set(bearer(ann.access_token)).expect(204);
    await expectInactive(ann.access_token, 'no such session of the user', ann.id);
  });

  it('whose time is over, to the second', async () => {
    app.clock.set(new Date((Number(claimsOf(ann.access_token).exp) - 1) * 1000));
    expect((await ask(ann.access_token)).body.active).toBe(true);
    app.clock.advance(1);
    await expectInactive(ann.access_token, expect.stringMatching(/expired/));
  });

  const forged: [what: string, token: () => string, reason: unknown, verified?: true][] = [
    [
      'signed by another',
      () => mintJwt(claimsOf(ann.access_token), { key: 'another secret of 32 bytes and more' }),
      /./,
    ],
    ['unsigned', () => mintJwt(claimsOf(ann.access_token), { header: { alg: 'none' } }), /./],
    ['by another algorithm', () => mintJwt(claimsOf(ann.access_token), { header: { alg: 'HS512' } }), /./],
    ['with a signature cut short', () => ann.access_token.slice(0, -1), /./],
    ['with other claims under its signature', () => withClaims(ann.access_token, { role: 'service_role' }), /./],
    ['without end', () => minted({ exp: undefined }), /exp claim is required/],
    ['of another issuer', () => minted({ iss: 'https://elsewhere.example' }), /invalid issuer/],
    ['without a session', () => minted({ session_id: undefined }), /^a token without a session$/, true],
    ['of a session that never was', () => minted({ session_id: randomUUID() }), /^no such session of the user$/, true],
    ['of nobody', () => minted({ sub: undefined }), /^an API key$/],
    ['of a subject that is no id', () => minted({ sub: `' or true --` }), /sub claim must be a UUID/],
    ['of a session that is no id', () => minted({ session_id: '1' }), /session_id claim must be a UUID/],
    ['for another audience', () => minted({ aud: 'elsewhere' }), /^another audience$/, true],
    ['for no audience', () => minted({ aud: undefined }), /^another audience$/, true],
    ['an anon key, which is public', () => anonKey(app), /^an API key$/],
    ['a service key', () => serviceKey(app), /^an API key$/],
    ['a refresh token', () => ann.refresh_token, /./],
    ['a password', () => ann.password, /./],
    ['a client’s secret', () => client.client_secret, /./],
    ['a word', () => 'x', /./],
    ['dots', () => '..', /./],
    ['900,000 characters', () => 'eyJ'.repeat(300_000), /./],
    ['surrogates', () => '\ud800', /./],
  ];
  const minted = (change: Record<string, unknown>) => mintJwt({ ...claimsOf(ann.access_token), ...change });

  it.each(forged)('%s', async (_, token, reason, verified) => {
    await expectInactive(token(), expect.stringMatching(reason as RegExp), verified ? ann.id : null);
  });

  // The session has to be the subject's: an id in a claim is no proof (contract appendix C, "JWT").
  it('of a session of somebody else', async () => {
    const bob = await addSignedInPerson(app);
    await expectInactive(minted({ session_id: bob.session_id }), 'no such session of the user', ann.id);
  });
});

function withClaims(jwt: string, change: Record<string, unknown>): string {
  const [head, , signature] = jwt.split('.');
  const claims = Buffer.from(JSON.stringify({ ...claimsOf(jwt), ...change })).toString('base64url');
  return `${head}.${claims}.${signature}`;
}

describe('a client that is not let in', () => {
  const wrong = () => client.client_secret.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'));
  type Attempt = { headers?: Record<string, string>; form?: Record<string, string> };
  const attempts: [what: string, attempt: () => Attempt, reason: string][] = [
    ['says nothing', () => ({}), 'no client credentials'],
    ['says an id alone', () => ({ form: { client_id: client.client_id } }), 'no client credentials'],
    ['says a secret alone', () => ({ form: { client_secret: client.client_secret } }), 'no client credentials'],
    ['brings the token it asks about', () => ({ headers: bearer(ann.access_token) }), 'no client credentials'],
    ['brings a service key', () => ({ headers: bearer(serviceKey(app)) }), 'no client credentials'],
    ['brings Basic without a colon', () => ({ headers: { Authorization: 'Basic eHg=' } }), 'no client credentials'],
    ['brings Basic that is no base64', () => ({ headers: { Authorization: 'Basic (x)' } }), 'no client credentials'],
    ['brings a stray percent sign', () => ({ headers: basic('%', '%zz') }), 'no client credentials'],
    ['is unknown', () => ({ headers: basic(randomUUID(), client.client_secret) }), 'no such client'],
    ['has an id that is none', () => ({ headers: basic('portal-api', client.client_secret) }), 'no such client'],
    ['has SQL for an id', () => ({ form: { client_id: `' or true --`, client_secret: 'x' } }), 'no such client'],
    ['has a wrong secret', () => ({ headers: basic(client.client_id, wrong()) }), 'wrong client secret'],
    ['has no secret', () => ({ headers: basic(client.client_id, '') }), 'wrong client secret'],
    [
      'has half the secret',
      () => ({ headers: basic(client.client_id, client.client_secret.slice(0, 22)) }),
      'wrong client secret',
    ],
    [
      'has a longer secret',
      () => ({ headers: basic(client.client_id, `${client.client_secret}A`) }),
      'wrong client secret',
    ],
    [
      'has the secret in the form wrong',
      () => ({ form: { ...client, client_secret: wrong() } }),
      'wrong client secret',
    ],
    [
      'has a secret with a colon',
      () => ({ headers: basic(client.client_id, `${client.client_secret}:`) }),
      'wrong client secret',
    ],
    [
      'has the other client’s id',
      () => ({ headers: basic(other.client_id, client.client_secret) }),
      'wrong client secret',
    ],
    ['was disabled', () => ({ headers: basic(disabled.client_id, disabled.client_secret) }), 'the client is disabled'],
    ['was disabled and is wrong', () => ({ headers: basic(disabled.client_id, 'x') }), 'wrong client secret'],
  ];
  let other: NewClient;
  let disabled: NewClient;
  beforeAll(async () => {
    other = await addClient();
    disabled = await addClient();
    await disableClient(app.database.db, { named: disabled.client_id, actor }, occasion());
  });

  it.each(attempts)('%s: 401, alike whatever the reason, which is on record', async (_, attempt, reason) => {
    const { headers = {}, form = {} } = attempt();
    const response = await app.request
      .post('/introspect')
      .set(headers)
      .type('form')
      .send({ token: ann.access_token, ...form });

    expect([response.status, response.text]).toEqual([
      401,
      '{"error":"invalid_client","error_description":"Client authentication failed"}',
    ]);
    expect(response.headers['www-authenticate']).toBe('Basic realm="gatehouse", charset="UTF-8"');
    expect(response.headers['cache-control']).toBe('no-store');
    const rows = await auditRowsOf(app, response);
    expect(rows).toMatchObject([
      { action: 'introspection_failed', outcome: 'failure', error_code: 'invalid_client', reason, actor_id: null },
    ]);
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(client.client_secret);
  });

  it('is named on record where it exists, and is not marked as used', async () => {
    const fresh = await addClient();
    const response = await ask(ann.access_token, { ...fresh, client_secret: 'wrong' });
    expect(await auditRowsOf(app, response)).toMatchObject([
      { details: { client_id: fresh.client_id }, subject_id: null },
    ]);
    expect(await usedAt(fresh.client_id)).toBeNull();
  });

  it('is refused from the moment it is disabled', async () => {
    const leaving = await addClient();
    expect((await ask(ann.access_token, leaving)).body.active).toBe(true);
    await disableClient(app.database.db, { named: leaving.client_id, actor }, occasion());
    expect((await ask(ann.access_token, leaving)).status).toBe(401);
  });

  it('is told nothing and nothing of it is kept when the refusal cannot be recorded', async () => {
    await app.database.pool.query('alter table audit.events add constraint closed check (false) not valid');
    try {
      expect((await ask(ann.access_token, { ...client, client_secret: 'wrong' })).status).toBe(500);
    } finally {
      await app.database.pool.query('alter table audit.events drop constraint closed');
    }
  });
});

describe('a request that is none', () => {
  const form = (body: string, headers: Record<string, string> = {}) =>
    app.request
      .post('/introspect')
      .set({ ...basic(client.client_id, client.client_secret), ...headers })
      .type('form')
      .send(body);

  it.each([
    ['no token', () => form(''), 'token is required'],
    ['an empty token', () => form('token='), 'token is required'],
    ['two tokens', () => form('token=a&token=b'), 'token may be given once'],
    [
      'two ways of saying who asks',
      () => form(`token=a&client_secret=${client.client_secret}`),
      'A client authenticates in one way',
    ],
    ['two ids', () => form('token=a&client_id=a&client_id=b'), 'client_id may be given once'],
    ['a NUL', () => form('token=a%00b'), 'Null characters are not allowed'],
    ['JSON', () => form('').type('json').send('{"token":"x"}'), 'The request body must be a form'],
  ])('%s: 400, on record', async (_, attempt, msg) => {
    const response = await attempt();
    expect([response.status, response.body]).toEqual([400, { code: 400, error_code: 'validation_failed', msg }]);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'introspection_failed', outcome: 'failure', error_code: 'validation_failed' },
    ]);
  });

  it('over 1 MiB is refused', async () => {
    expect((await form(`token=${'a'.repeat(1_100_000)}`)).status).toBe(413);
  });

  it('is not answered to GET, whose address is written into logs', async () => {
    const response = await app.request.get(`/introspect?token=${ann.access_token}`);
    expect([response.status, response.text]).toEqual([405, '']);
  });
});

// Tokens that Supabase issued before cutover live out their time: against our sessions and bans (DESIGN §1.3).
it('a token of the system that was left is active while its session came over and goes on', async () => {
  const left = 'the JWT secret of the project, long enough';
  const moved = await startApp({ env: { JWT_SECRET: left }, database: app.database, clock: app.clock });
  try {
    const person = await addSignedInPerson(moved);
    const token = mintJwt({ ...claimsOf(person.access_token), iss: 'https://abc.supabase.co/auth/v1' }, { key: left });
    const introspected = () =>
      moved.request
        .post('/introspect')
        .type('form')
        .send({ ...client, token });
    expect((await introspected()).body).toMatchObject({ active: true, sub: person.id });
    await app.database.pool.query('delete from auth.sessions where user_id = $1', [person.id]);
    expect((await introspected()).text).toBe('{"active":false}');
  } finally {
    await moved.close();
  }
});

// Whoever signs with our key but as a JWS of another library: nothing here depends on who wrote the token.
it('a token that a holder of our key made for a session is active', async () => {
  const head = Buffer.from('{"typ":"JWT","alg":"HS256"}').toString('base64url');
  const body = ann.access_token.split('.')[1];
  const signature = createHmac('sha256', SECRET_KEY).update(`${head}.${body}`).digest('base64url');
  expect((await ask(`${head}.${body}.${signature}`)).body.active).toBe(true);
});
