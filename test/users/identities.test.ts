/** DELETE /user/identities/{identity_id}: what goes with an identity, what stays, and which one nobody can give up. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { auditRowsOf, startApp, type TestApp } from '../harness/app.ts';
import { atOnce } from '../harness/at-once.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import { differences } from '../harness/openapi.ts';
import { addPerson, addSignedInPerson, bearer, type SignedInPerson } from '../harness/people.ts';

let app: TestApp;
let ann: SignedInPerson;
let bob: SignedInPerson;
beforeAll(async () => {
  app = await startApp({ env: { GATEHOUSE_SECURITY_MANUAL_LINKING_ENABLED: 'true' } });
});
afterAll(() => app.close());
beforeEach(async () => {
  ann = await addSignedInPerson(app);
  bob = await addSignedInPerson(app);
});

interface Linked {
  email?: string;
  email_verified?: boolean;
  created_at?: string;
}

/** An identity of an external provider, as the link to it leaves it. */
async function link(provider: string, { email, email_verified = true, created_at = 'now' }: Linked, person = ann) {
  const { rows } = await app.database.pool.query(
    `insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
     values ($1, $2, $3, $4, now(), $5::timestamptz, now()) returning id`,
    [randomUUID(), person.id, { sub: '4711', ...(email && { email, email_verified }) }, provider, created_at],
  );
  return rows[0].id as string;
}

async function identityOf(provider: string, { id } = ann): Promise<string> {
  const { rows } = await app.database.pool.query(
    'select id from auth.identities where user_id = $1 and provider = $2',
    [id, provider],
  );
  return rows[0]?.id;
}

const unlink = (id: string, token = ann.access_token) =>
  app.request.delete(`/user/identities/${id}`).set(bearer(token));

const userRow = async ({ id } = ann) =>
  (await app.database.pool.query('select * from auth.users where id = $1', [id])).rows[0];
const providersOf = async ({ id } = ann) =>
  (await app.database.pool.query('select provider from auth.identities where user_id = $1 order by 1', [id])).rows.map(
    ({ provider }) => provider,
  );

describe('an identity is removed', () => {
  it('and only it, on record with what it was; sessions go on', async () => {
    const github = await link('github', { email: ann.email });
    const { provider_id } = (
      await app.database.pool.query('select provider_id from auth.identities where id = $1', [github])
    ).rows[0];
    const response = await unlink(github);

    expect([response.status, response.body]).toEqual([200, {}]);
    expect(differences('DELETE /user/identities/{identity_id}', response)).toEqual([]);
    expect(await providersOf()).toEqual(['email']);
    expect(await userRow()).toMatchObject({ email: ann.email, email_confirmed_at: expect.anything() });
    expect((await app.request.get('/user').set(bearer(ann.access_token))).status).toBe(200);
    expect(await auditRowsOf(app, response)).toMatchObject([
      {
        action: 'identity_unlinked',
        outcome: 'success',
        actor_id: ann.id,
        subject_id: ann.id,
        session_id: ann.session_id,
        ip: '127.0.0.1',
        details: { identity_id: github, provider: 'github', provider_id },
      },
    ]);
  });

  it('in any spelling of its id', async () => {
    const github = await link('github', { email: ann.email });
    expect((await unlink(github.toUpperCase())).status).toBe(200);
    expect(await providersOf()).toEqual(['email']);
  });

  it('leaving the address alone that another identity has too', async () => {
    await link('github', { email: ann.email, email_verified: false });
    await unlink(await identityOf('email'));
    expect(await userRow()).toMatchObject({
      email: ann.email,
      email_confirmed_at: expect.anything(),
      raw_app_meta_data: { provider: 'github', providers: ['github'] },
    });
  });
});

describe('the address of another identity takes the place of the one that goes', () => {
  it.each<[string, Linked[], number, boolean]>([
    ['a verified one, confirmed', [{ email: 'a@x.example' }], 0, true],
    ['an unproven one, which has to be confirmed', [{ email: 'b@x.example', email_verified: false }], 0, false],
    [
      'a verified one before an older one that is not',
      [{ email: 'c@x.example', email_verified: false, created_at: '2020-01-01' }, { email: 'd@x.example' }],
      1,
      true,
    ],
    [
      'of two verified ones the older',
      [{ email: 'e@x.example' }, { email: 'f@x.example', created_at: '2020-01-01' }],
      1,
      true,
    ],
    ['an unproven one before none', [{}, { email: 'g@x.example', email_verified: false }], 1, false],
  ])('%s', async (_, linked, chosen, confirmed) => {
    for (const [index, identity] of linked.entries()) await link(`provider${index}`, identity);
    expect((await unlink(await identityOf('email'))).status).toBe(200);
    const { email, email_confirmed_at, raw_user_meta_data } = await userRow();
    expect([email, email_confirmed_at !== null, raw_user_meta_data.email_verified]).toEqual([
      linked[chosen]?.email,
      confirmed,
      confirmed,
    ]);
  });

  it('or nobody has one any more', async () => {
    await link('github', {});
    await unlink(await identityOf('email'));
    expect(await userRow()).toMatchObject({ email: null, email_confirmed_at: null });
  });

  it('and the sign-in is by it; the old address is free', async () => {
    await link('github', { email: 'promoted@x.example' });
    await unlink(await identityOf('email'));
    const { password } = ann;
    const signIn = (email: string) => app.request.post('/token?grant_type=password').send({ email, password });
    expect((await signIn(ann.email)).body.error_code).toBe('invalid_credentials');
    expect((await signIn('promoted@x.example')).status).toBe(200);
    await addPerson(app, { email: ann.email });
  });

  // Class 15: what was sent to the old address proves nothing about the account with the new one.
  it('and what was sent to the old one is worthless', async () => {
    await link('github', { email: 'fresh@x.example' });
    await app.request.put('/user').set(bearer(ann.access_token)).send({ email: 'pending@x.example' });
    const pending = 'select from auth.one_time_tokens where user_id = $1';
    expect((await app.database.pool.query(pending, [ann.id])).rowCount).toBeGreaterThan(0);
    await unlink(await identityOf('email'));
    expect((await app.database.pool.query(pending, [ann.id])).rowCount).toBe(0);
    expect(await userRow()).toMatchObject({ email_change_token_new: '', email_change_token_current: '' });
  });
});

it('with the identity of the phone goes the number', async () => {
  await app.database.pool.query(
    `update auth.users set phone = '15550001111', phone_confirmed_at = now() where id = $1`,
    [ann.id],
  );
  const phone = await link('phone', {});
  const response = await unlink(phone);
  expect(response.status).toBe(200);
  expect(await userRow()).toMatchObject({ phone: null, phone_confirmed_at: null, email: ann.email });
  expect(await auditRowsOf(app, response)).toMatchObject([{ details: { provider: 'phone' } }]);
});

describe('is refused', () => {
  type Case = [what: string, id: () => Promise<string> | string, status: number, error_code: string];
  const cases: Case[] = [
    // Class 26: somebody else's is as one that does not exist.
    ["somebody else's", () => identityOf('email', bob), 422, 'identity_not_found'],
    ['nobody’s', () => randomUUID(), 422, 'identity_not_found'],
    ["the identity's provider id, which is the user's", () => ann.id, 422, 'identity_not_found'],
    ['no id', () => 'email', 404, 'validation_failed'],
    // Class 27.
    ['a path', () => '..%2f..%2fadmin', 404, 'validation_failed'],
    [
      'an address that would be somebody else’s',
      () => identityOf('email'),
      422,
      'email_conflict_identity_not_deletable',
    ],
  ];
  it.each(cases)('%s', async (_, id, status, error_code) => {
    await link('github', { email: bob.email });
    const target = await id();
    const before = await fingerprint(app.database);
    const response = await unlink(target);
    expect([response.status, response.body.error_code]).toEqual([status, error_code]);
    expect(differences('DELETE /user/identities/{identity_id}', response)).toEqual([]);
    expect(await fingerprint(app.database)).toEqual(before);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'identity_unlink_failed', outcome: 'failure', error_code, actor_id: ann.id },
    ]);
  });

  it('the last identity, whatever is asked for', async () => {
    for (const id of [await identityOf('email'), randomUUID(), await identityOf('email', bob)]) {
      const { status, body } = await unlink(id);
      expect([status, body.error_code]).toEqual([422, 'single_identity_not_deletable']);
    }
  });

  it('for another audience', async () => {
    await link('github', { email: ann.email });
    const response = await unlink(await identityOf('github')).set('X-JWT-AUD', 'partners');
    expect([response.status, response.body.error_code]).toEqual([403, 'unexpected_audience']);
    expect(await providersOf()).toEqual(['email', 'github']);
  });

  it('where manual linking is off, before anything else about it', async () => {
    const off = await startApp();
    try {
      const person = await addSignedInPerson(off);
      for (const [method, path] of [
        ['delete', `/user/identities/${randomUUID()}`],
        ['delete', '/user/identities/x'],
        ['get', '/user/identities/authorize?provider=github'],
      ] as const) {
        const response = await off.request[method](path).set(bearer(person.access_token));
        expect([response.status, response.body.error_code]).toEqual([404, 'manual_linking_disabled']);
        expect(await auditRowsOf(off, response)).toHaveLength(1);
      }
    } finally {
      await off.close();
    }
  });
});

// Both see two identities unless the user's row makes them wait for each other.
it('of parallel removals of all identities leaves one', async () => {
  for (const provider of ['github', 'gitlab', 'google']) await link(provider, { email: ann.email });
  const { rows } = await app.database.pool.query('select id from auth.identities where user_id = $1', [ann.id]);
  const answers = await atOnce(app.database, ann.id, () =>
    [...rows, ...rows].map(({ id }) => unlink(id).then((answer) => answer)),
  );
  expect(await providersOf()).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
  const unlinked = await app.database.pool.query(
    `select from audit.events where subject_id = $1 and action = 'identity_unlinked'`,
    [ann.id],
  );
  expect(unlinked.rowCount).toBe(3);
});

describe('GET /user/identities/authorize', () => {
  it.each([
    ['', 'Provider  could not be found'],
    ['?provider=', 'Provider  could not be found'],
    ['?provider=pigeon', 'Provider pigeon could not be found'],
    ['?provider=GitHub', 'provider is not enabled'],
    ['?provider=custom:desk', 'custom provider custom:desk not found'],
    // What an answer could be used to say goes back to nobody.
    ['?provider=%3Cscript%3E', 'Provider  could not be found'],
    [`?provider=${'x'.repeat(5000)}`, 'Provider  could not be found'],
  ])('knows no provider %s', async (query, complaint) => {
    const response = await app.request.get(`/user/identities/authorize${query}`).set(bearer(ann.access_token));
    expect([response.status, response.body]).toEqual([
      400,
      { code: 400, error_code: 'validation_failed', msg: `Unsupported provider: ${complaint}` },
    ]);
    expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'identity_link_failed', actor_id: ann.id }]);
  });
});
