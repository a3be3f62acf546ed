/** POST /revoke (RFC 7009): a token of any kind ends its session, for a client that proves who it is, and on record. */
import { createHash, createSecretKey, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createClient, disableClient, type NewClient } from '../../src/clients/clients.ts';
import { occasionOfCommand } from '../../src/command.ts';
import { writeRefreshToken } from '../../src/sessions/refresh-token.ts';
import { auditRowsOf, startApp, statementsDuring, type TestApp } from '../harness/app.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import { differences } from '../harness/openapi.ts';
import { addSignedInPerson, bearer, claimsOf, mintJwt, type SignedInPerson, serviceKey } from '../harness/people.ts';

let app: TestApp;
let client: NewClient;
let ann: SignedInPerson;
const actor = { role: 'operator', username: 'root' };

async function addClient(): Promise<NewClient> {
  const made = await createClient(
    app.database.db,
    { name: randomUUID(), actor },
    occasionOfCommand('test', app.clock.now()),
  );
  if (!made) throw new Error('the name is free');
  return made;
}
beforeAll(async () => {
  app = await startApp();
  client = await addClient();
});
afterAll(() => app.close());
beforeEach(async () => {
  ann = await addSignedInPerson(app);
});

const revoke = (token: string, { client_id, client_secret }: NewClient = client) =>
  app.request.post('/revoke').auth(client_id, client_secret).type('form').send({ token });

const refresh = (refresh_token: string) => app.request.post('/token?grant_type=refresh_token').send({ refresh_token });

async function hasEnded({ access_token, refresh_token }: SignedInPerson): Promise<boolean> {
  const read = await app.request.get('/user').set(bearer(access_token));
  const refreshed = await refresh(refresh_token);
  expect(read.status === 200).toBe(refreshed.status === 200);
  return read.status !== 200;
}

/** A token of Supabase's first format, as a session brings it that was carried over. */
async function legacyToken(stored: (token: string) => string): Promise<string> {
  const token = randomUUID().replaceAll('-', '').slice(0, 12);
  await app.database.pool.query(
    `insert into auth.refresh_tokens (instance_id, token, user_id, revoked, created_at, updated_at, session_id)
     values ('00000000-0000-0000-0000-000000000000', $1, $2, false, now(), now(), $3)`,
    [stored(token), ann.id, ann.session_id],
  );
  return token;
}

describe('the session ends, whichever of its tokens is revoked', () => {
  it.each<[string, () => Promise<string> | string]>([
    ['its access token', () => ann.access_token],
    ['its refresh token', () => ann.refresh_token],
    [
      'a refresh token that was used',
      async () => {
        const used = ann.refresh_token;
        ann.refresh_token = (await refresh(used)).body.refresh_token;
        return used;
      },
    ],
    [
      'a refresh token of a session that brought its own key',
      async () => {
        const key = createSecretKey(Buffer.alloc(32, 7));
        await app.database.pool.query('update auth.sessions set refresh_token_hmac_key = $1 where id = $2', [
          key.export().toString('base64url'),
          ann.session_id,
        ]);
        ann.refresh_token = writeRefreshToken(ann.session_id, 0, key);
        return ann.refresh_token;
      },
    ],
    ['a token of the first format', () => legacyToken((token) => createHash('sha256').update(token).digest('hex'))],
    ['one that is stored as Supabase stores it', () => legacyToken((token) => token)],
  ])('%s', async (_, token) => {
    const other = await addSignedInPerson(app);
    const response = await revoke(await token());
    expect([response.status, response.body]).toEqual([200, {}]);
    expect(differences('POST /revoke', response)).toEqual([]);
    expect(await hasEnded(ann)).toBe(true);
    expect(await hasEnded(other)).toBe(false);
    expect(await auditRowsOf(app, response)).toMatchObject([
      {
        action: 'token_revoked',
        outcome: 'success',
        reason: null,
        actor_id: client.client_id,
        actor_role: 'client',
        subject_id: ann.id,
        session_id: ann.session_id,
        details: { ended: true },
      },
    ]);
  });

  it('takes the hint for what it is, a right one, a wrong one and one that nobody knows', async () => {
    for (const token_type_hint of ['access_token', 'refresh_token', 'saml']) {
      const person = await addSignedInPerson(app);
      const { client_id, client_secret } = client;
      const form = { token: person.refresh_token, token_type_hint, client_id, client_secret };
      expect((await app.request.post('/revoke').type('form').send(form)).status).toBe(200);
      expect(await hasEnded(person)).toBe(true);
    }
  });
});

describe('nothing ends, and the answer is the same', () => {
  const claims = (changed: object) => mintJwt({ ...claimsOf(ann.access_token), ...changed });
  it.each<[string, () => string]>([
    ['a token of nobody', () => 'nothing'],
    ['a JWT that somebody else signed', () => mintJwt(claimsOf(ann.access_token), { key: 'x'.repeat(48) })],
    ['an access token that is over', () => claims({ exp: claimsOf(ann.access_token).iat })],
    ['a service key', () => serviceKey(app)],
    ["another user's session", () => claims({ sub: randomUUID() })],
    ['a session that never was', () => claims({ session_id: randomUUID() })],
    // Class 17: no part of a token, and nothing longer, is that token.
    ['a refresh token cut short', () => ann.refresh_token.slice(0, -1)],
    ['a refresh token with something behind it', () => `${ann.refresh_token}A`],
    [
      'a refresh token that somebody else made',
      () => writeRefreshToken(ann.session_id, 1, createSecretKey(Buffer.alloc(32, 7))),
    ],
    ['what looks like the first format', () => 'abcdefghijkl'],
    ['the hash that is stored of a token', () => createHash('sha256').update('abcdefghijkl').digest('hex')],
    ['64 KiB', () => 'x'.repeat(65_536)],
  ])('for %s', async (_, token) => {
    const before = await fingerprint(app.database);
    const response = await revoke(token());
    expect([response.status, response.body]).toEqual([200, {}]);
    const after = await fingerprint(app.database);
    expect({ ...after, 'gatehouse.clients': 0 }).toEqual({ ...before, 'gatehouse.clients': 0 });
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'token_revoked', outcome: 'success', reason: expect.stringMatching(/./), details: { ended: false } },
    ]);
  });

  it('the second time', async () => {
    await revoke(ann.access_token);
    const response = await revoke(ann.access_token);
    expect([response.status, response.body]).toEqual([200, {}]);
    expect(await auditRowsOf(app, response)).toMatchObject([{ reason: 'no such session', details: { ended: false } }]);
  });

  it('of twenty at once one ends it', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => revoke(ann.refresh_token)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const { rows } = await app.database.pool.query(
      `select (details ->> 'ended')::boolean as ended, count(*) as n from audit.events
        where action = 'token_revoked' and session_id = $1 group by 1 order by 1`,
      [ann.session_id],
    );
    expect(rows).toEqual([
      { ended: false, n: 19 },
      { ended: true, n: 1 },
    ]);
  });
});

describe('who may', () => {
  // Class 35: nobody ends a session of others without proof, not even whoever holds its token.
  it.each<[string, () => Promise<NewClient> | NewClient]>([
    ['an unknown client', () => ({ client_id: randomUUID(), client_secret: client.client_secret })],
    ['a wrong secret', () => ({ ...client, client_secret: `${client.client_secret.slice(0, -1)}_` })],
    ["another client's secret", async () => ({ ...client, client_secret: (await addClient()).client_secret })],
    [
      'a disabled client',
      async () => {
        const made = await addClient();
        const occasion = occasionOfCommand('test', app.clock.now());
        await disableClient(app.database.db, { named: made.client_id, actor }, occasion);
        return made;
      },
    ],
    ['no id', () => ({ client_id: 'portal', client_secret: client.client_secret })],
  ])('not %s', async (_, who) => {
    const credentials = await who();
    const before = await fingerprint(app.database);
    const response = await revoke(ann.refresh_token, credentials);
    expect([response.status, response.body]).toEqual([
      401,
      { error: 'invalid_client', error_description: 'Client authentication failed' },
    ]);
    expect(await fingerprint(app.database)).toEqual(before);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'revocation_failed', outcome: 'failure', error_code: 'invalid_client', actor_id: null },
    ]);
  });

  it('not whoever brings the token itself, or a service key', async () => {
    for (const token of [ann.access_token, serviceKey(app)]) {
      const response = await app.request
        .post('/revoke')
        .set(bearer(token))
        .type('form')
        .send({ token: ann.access_token });
      expect(response.status).toBe(401);
    }
    expect(await hasEnded(ann)).toBe(false);
  });
});

it.each<[string, (request: ReturnType<TestApp['request']['post']>) => PromiseLike<{ status: number; body: object }>]>([
  ['JSON', (request) => request.send({ token: 'x' })],
  ['no token', (request) => request.type('form').send({ token_type_hint: 'access_token' })],
  ['two tokens', (request) => request.type('form').send('token=a&token=b')],
])('refuses %s', async (_, send) => {
  const { client_id, client_secret } = client;
  const { status, body } = await send(app.request.post('/revoke').auth(client_id, client_secret));
  expect([status, body]).toMatchObject([400, { error_code: 'validation_failed' }]);
});

it('is one statement', async () => {
  expect(await statementsDuring(app.gatehouse, async () => revoke(ann.refresh_token))).toHaveLength(1);
});
