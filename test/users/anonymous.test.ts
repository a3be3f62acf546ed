/** Somebody without a name becomes somebody with one: the same user, the same session, and no way around the proof. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditRowsOf, startApp, type TestApp } from '../harness/app.ts';
import { addPerson, bearer, claimsOf } from '../harness/people.ts';

const PASSWORD = 'correct horse battery';
const address = () => `anon.${randomUUID().slice(0, 8)}@example.com`;

interface Anonymous {
  id: string;
  access_token: string;
  refresh_token: string;
}

function doorsOf(app: () => TestApp) {
  return {
    async signUp(): Promise<Anonymous> {
      const { body } = await app().request.post('/signup').send({});
      return { id: body.user.id, access_token: body.access_token, refresh_token: body.refresh_token };
    },
    change: ({ access_token }: Anonymous, body: object) =>
      app().request.put('/user').set(bearer(access_token)).send(body),
    refresh: ({ refresh_token }: Pick<Anonymous, 'refresh_token'>) =>
      app().request.post('/token?grant_type=refresh_token').send({ refresh_token }),
    signIn: (email: string, password = PASSWORD) =>
      app().request.post('/token?grant_type=password').send({ email, password }),
    async confirm(email: string) {
      const link = new URL((await app().mailbox.next(email)).links[0] ?? '');
      const token_hash = link.searchParams.get('token');
      return app()
        .request.post('/verify')
        .send({ type: link.searchParams.get('type'), token_hash });
    },
    async row({ id }: { id: string }) {
      const { rows } = await app().database.pool.query('select * from auth.users where id = $1', [id]);
      return rows[0];
    },
  };
}

describe('where an address has to be confirmed', () => {
  let app: TestApp;
  const { signUp, change, refresh, signIn, confirm, row } = doorsOf(() => app);
  beforeAll(async () => {
    app = await startApp({
      env: { GATEHOUSE_EXTERNAL_ANONYMOUS_USERS_ENABLED: 'true', GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '100000' },
    });
  });
  afterAll(() => app.close());

  it('an address makes a name once it is proven, of the same user with the same session', async () => {
    const nobody = await signUp();
    const email = address();
    const asked = await change(nobody, { email });
    expect([asked.status, asked.body]).toMatchObject([200, { email: '', new_email: email, is_anonymous: true }]);
    expect(await row(nobody)).toMatchObject({ is_anonymous: true, email: null });

    expect((await confirm(email)).status).toBe(200);
    expect(await row(nobody)).toMatchObject({
      is_anonymous: false,
      email,
      email_confirmed_at: expect.anything(),
      raw_app_meta_data: { provider: 'email', providers: ['email'] },
    });
    const { body } = await refresh(nobody);
    expect(claimsOf(body.access_token)).toMatchObject({
      sub: nobody.id,
      session_id: claimsOf(nobody.access_token).session_id,
      is_anonymous: false,
      email,
    });
    const { rows } = await app.database.pool.query('select provider, email from auth.identities where user_id = $1', [
      nobody.id,
    ]);
    expect(rows).toEqual([{ provider: 'email', email }]);

    const set = await change(nobody, { password: PASSWORD });
    expect(set.status).toBe(200);
    const actions = (await auditRowsOf(app, set)).map(({ action }) => action);
    expect(actions).toEqual(['user_updated_password', 'user_modified']);
    expect((await signIn(email)).body.user).toMatchObject({ id: nobody.id, is_anonymous: false });
  });

  it('a password comes after the address, or with it, and is of no use before the proof', async () => {
    const nobody = await signUp();
    const first = await change(nobody, { password: PASSWORD });
    expect([first.status, first.body.error_code]).toEqual([422, 'validation_failed']);
    expect((await row(nobody)).encrypted_password).toBe('');

    const email = address();
    expect((await change(nobody, { email, password: PASSWORD })).status).toBe(200);
    expect((await signIn(email)).body.error_code).toBe('invalid_credentials');
    expect((await confirm(email)).status).toBe(200);
    expect((await signIn(email)).body.user).toMatchObject({ id: nobody.id });
  });

  // Class 39: an address that somebody has is not taken away, and not claimed before its owner.
  it('the address of somebody is refused; one that was taken meanwhile is not theirs', async () => {
    const nobody = await signUp();
    const { email: taken } = await addPerson(app);
    const refused = await change(nobody, { email: taken });
    expect([refused.status, refused.body.error_code]).toEqual([422, 'email_exists']);
    expect(await auditRowsOf(app, refused)).toMatchObject([{ action: 'user_modify_failed', actor_id: nobody.id }]);

    const email = address();
    await change(nobody, { email });
    await addPerson(app, { email });
    expect((await confirm(email)).status).toBeGreaterThanOrEqual(400);
    expect(await row(nobody)).toMatchObject({ is_anonymous: true, email: null });
  });

  it('of twenty who want the same address, one has it in the end', async () => {
    const email = address();
    const people = await Promise.all(Array.from({ length: 20 }, signUp));
    await Promise.all(people.map((nobody) => change(nobody, { email })));
    const mails = [];
    for (const _ of people) mails.push(await app.mailbox.next(email));
    const hashes = mails.map(({ links }) => new URL(links[0] ?? '').searchParams.get('token'));
    const answers = await Promise.all(
      hashes.map((token_hash) => app.request.post('/verify').send({ type: 'email_change', token_hash })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const { rows } = await app.database.pool.query('select id from auth.users where email = $1', [email]);
    expect(rows).toHaveLength(1);
  });

  // Class 25: nobody names themselves.
  it.each([
    ['is_anonymous', { is_anonymous: false }],
    ['email_confirmed_at', { email_confirmed_at: '2026-01-01T00:00:00Z' }],
    ['the role', { role: 'service_role' }],
    ['the metadata that mean something', { data: { email_verified: true, is_anonymous: false } }],
  ])('%s is not theirs to set', async (_, body) => {
    const nobody = await signUp();
    const before = await row(nobody);
    await change(nobody, body);
    const { raw_user_meta_data: _data, updated_at: _time, ...after } = await row(nobody);
    expect(before).toMatchObject(after);
    expect(claimsOf((await refresh(nobody)).body.access_token)).toMatchObject({ is_anonymous: true, email: '' });
  });

  it('has no factors, no identities to give up and nobody to send a code to', async () => {
    const { access_token } = await signUp();
    const ask = (method: 'get' | 'post', path: string) => app.request[method](path).set(bearer(access_token));
    expect((await ask('post', '/factors').send({ factor_type: 'totp' })).body.error_code).toBe('no_authorization');
    expect((await ask('get', '/reauthenticate')).body.error_code).toBe('validation_failed');
  });
});

describe('where sign-up needs no confirmation', () => {
  let app: TestApp;
  const { signUp, change, signIn, refresh } = doorsOf(() => app);
  beforeAll(async () => {
    app = await startApp({
      env: { GATEHOUSE_EXTERNAL_ANONYMOUS_USERS_ENABLED: 'true', GATEHOUSE_MAILER_AUTOCONFIRM: 'true' },
    });
  });
  afterAll(() => app.close());

  it('an address and a password make a name at once', async () => {
    const nobody = await signUp();
    const email = address();
    const response = await change(nobody, { email, password: PASSWORD });
    expect([response.status, response.body]).toMatchObject([200, { id: nobody.id, email, is_anonymous: false }]);
    expect((await signIn(email)).body.user.id).toBe(nobody.id);
    expect(claimsOf((await refresh(nobody)).body.access_token)).toMatchObject({ sub: nobody.id, is_anonymous: false });
  });
});
