import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { auditRowsOf, startApp, type TestApp } from '../harness/app.ts';
import { atOnce, atOnceNew } from '../harness/at-once.ts';
import { rfc3339 } from '../harness/clock.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import { addPerson, bearer, claimsOf, serviceKey } from '../harness/people.ts';

const PASSWORD = 'correct horse battery';
const OTHER = 'another staple entirely';
const address = (name = 'ann') => `${name}.${randomUUID().slice(0, 8)}@example.com`;

/** All rows but GoTrue's own log and mails, which leave when they leave. */
async function rowsOf(app: TestApp) {
  const { 'auth.audit_log_entries': _log, 'gatehouse.mail_outbox': _mails, ...rows } = await fingerprint(app.database);
  return rows;
}

function doorsOf(app: TestApp) {
  return {
    signUp: (body: Record<string, unknown>, query = '') => app.request.post(`/signup${query}`).send(body),
    signIn: (email: string, password: string) =>
      app.request.post('/token?grant_type=password').send({ email, password }),
    linkTo: async (email: string) => new URL((await app.mailbox.next(email)).links[0] ?? ''),
    verify: (link: URL) =>
      app.request.post('/verify').send({ type: 'signup', token_hash: link.searchParams.get('token') }),
    async userOf(email: string) {
      const { rows } = await app.database.pool.query('select * from auth.users where email = $1', [email]);
      return rows[0];
    },
    async count(sql: string, ...values: unknown[]): Promise<number> {
      const { rows } = await app.database.pool.query(`select count(*)::int as n ${sql}`, values);
      return rows[0].n;
    },
  };
}

describe('where an address has to be confirmed', () => {
  let app: TestApp;
  let doors: ReturnType<typeof doorsOf>;
  beforeAll(async () => {
    app = await startApp({
      env: {
        GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '100000',
        GATEHOUSE_URI_ALLOW_LIST: 'https://*.portal.example/welcome',
        GATEHOUSE_EXTERNAL_ANONYMOUS_USERS_ENABLED: 'true',
      },
    });
    doors = doorsOf(app);
  });
  afterAll(() => app.close());
  const nextMinute = () => app.clock.advance(61);

  test('a new address gets a user without a session, a mail, and is on record', async () => {
    const email = address();
    const response = await doors.signUp({
      email: email.toUpperCase(),
      password: PASSWORD,
      data: { plan: 'gold', x: null },
    });
    expect(response.status).toBe(200);
    const { id } = response.body;
    const identity_data = { plan: 'gold', sub: id, email, email_verified: false, phone_verified: false };
    expect(response.body).toMatchObject({
      email,
      role: 'authenticated',
      confirmation_sent_at: rfc3339(app.clock.now()),
      app_metadata: { provider: 'email', providers: ['email'] },
      user_metadata: identity_data,
      identities: [{ provider: 'email', id, user_id: id, identity_data }],
    });
    expect(response.body.access_token).toBeUndefined();

    const events = await auditRowsOf(app, response);
    expect(events).toMatchObject([
      {
        action: 'user_confirmation_requested',
        outcome: 'success',
        actor_id: id,
        subject_id: id,
        details: { provider: 'email' },
      },
    ]);
    expect((await doors.linkTo(email)).searchParams.get('type')).toBe('signup');
    const { status, body } = await doors.signIn(email, PASSWORD);
    expect([status, body.error_code]).toEqual([400, 'email_not_confirmed']);
  });

  test('a confirmed address is answered with somebody invented: no row changes, no mail leaves, the owner’s record says so', async () => {
    const owner = await addPerson(app);
    const before = await rowsOf(app);
    const response = await doors.signUp({ email: owner.email, password: OTHER, data: { team: 'south', x: null } });

    expect(response.status).toBe(200);
    expect(response.body).toMatchObject({
      email: owner.email,
      role: '',
      identities: [],
      user_metadata: { team: 'south', x: null },
      app_metadata: { provider: 'email', providers: ['email'] },
      confirmation_sent_at: rfc3339(app.clock.now()),
    });
    expect(response.body.id).not.toBe(owner.id);
    expect(response.body.email_confirmed_at).toBeUndefined();
    expect(await rowsOf(app)).toEqual(before);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'user_repeated_signup', outcome: 'success', subject_id: owner.id },
    ]);
    expect(await doors.count('from gatehouse.mail_outbox where recipient = $1', owner.email)).toBe(0);
  });

  test('an invented user has the members of a real one, in their order', async () => {
    const owner = await addPerson(app);
    const invented = await doors.signUp({ email: owner.email, password: OTHER });
    const real = await doors.signUp({ email: address(), password: OTHER });
    expect(Object.keys(invented.body)).toEqual(Object.keys(real.body));
  });

  test('of an address that nobody has confirmed, the last sign-up counts; the links of the earlier ones are dead', async () => {
    const email = address();
    const first = await doors.signUp({ email, password: PASSWORD, data: { planted: true } });
    const firstLink = await doors.linkTo(email);
    nextMinute();
    const second = await doors.signUp({ email, password: OTHER, data: { own: true } });
    expect(second.body.id).toBe(first.body.id);
    expect(second.body.user_metadata).toEqual({
      own: true,
      sub: first.body.id,
      email,
      email_verified: false,
      phone_verified: false,
    });

    expect((await doors.verify(firstLink)).status).toBe(403);
    const proof = await doors.verify(await doors.linkTo(email));
    expect(proof.status).toBe(200);
    expect(proof.body.user.user_metadata.planted).toBeUndefined();
    expect(proof.body.user.identities[0].identity_data.planted).toBeUndefined();
    expect((await doors.signIn(email, PASSWORD)).body.error_code).toBe('invalid_credentials');
    expect((await doors.signIn(email, OTHER)).status).toBe(200);
  });

  test('within a minute nothing of a second sign-up is taken, and no mail leaves', async () => {
    const email = address();
    await doors.signUp({ email, password: PASSWORD });
    const link = await doors.linkTo(email);
    const before = await rowsOf(app);
    const challenge = { code_challenge: 'x'.repeat(43), code_challenge_method: 's256' };
    const response = await doors.signUp({ email, password: OTHER, ...challenge });
    expect([response.status, response.body.error_code]).toEqual([429, 'over_email_send_rate_limit']);
    expect(response.body.msg).toBe('For security purposes, you can only request this after 60 seconds.');
    expect(response.headers['retry-after']).toBe('60');
    expect(await rowsOf(app)).toEqual(before);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'signup_failed', outcome: 'failure', error_code: 'over_email_send_rate_limit' },
    ]);
    expect((await doors.verify(link)).status).toBe(200);
    expect((await doors.signIn(email, PASSWORD)).status).toBe(200);
  });

  test('twenty sign-ups of one address at once make one user, one identity, one token, one mail', async () => {
    const email = address();
    const answers = await atOnceNew(app.database, () =>
      Array.from({ length: 20 }, (_, i) => doors.signUp({ email, password: `${PASSWORD} ${i}` })),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 429)).toHaveLength(19);
    const { id } = await doors.userOf(email);
    expect(await doors.count('from auth.identities where user_id = $1', id)).toBe(1);
    expect(await doors.count('from auth.one_time_tokens where user_id = $1', id)).toBe(1);
    expect(await doors.count('from gatehouse.mail_outbox where recipient = $1', email)).toBe(1);

    nextMinute();
    const again = await atOnce(app.database, id, () =>
      Array.from({ length: 20 }, () => doors.signUp({ email, password: PASSWORD })),
    );
    expect(again.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await doors.count('from gatehouse.mail_outbox where recipient = $1', email)).toBe(2);
  });

  test('twenty sign-ups of a confirmed address at once are all answered alike', async () => {
    const owner = await addPerson(app);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => doors.signUp({ email: owner.email, password: OTHER })),
    );
    expect(new Set(answers.map(({ status, body }) => `${status} ${Object.keys(body)}`)).size).toBe(1);
  });

  // Otherwise whoever signs up first keeps the owner from ever signing in: without the header nobody finds the account.
  test('an address of another audience is taken all the same, and the last sign-up says of which it is', async () => {
    const email = address();
    const first = await app.request.post('/signup').set('X-JWT-AUD', 'partners').send({ email, password: PASSWORD });
    expect(first.body.aud).toBe('partners');
    nextMinute();
    const second = await doors.signUp({ email, password: OTHER });
    expect([second.status, second.body.id, second.body.aud]).toEqual([200, first.body.id, 'authenticated']);
  });

  test('an audience that no user can have is refused, whoever has the address', async () => {
    const owner = await addPerson(app);
    const answers = await Promise.all(
      [owner.email, address()].map((email) =>
        app.request.post('/signup').set('X-JWT-AUD', 'x'.repeat(256)).send({ email, password: PASSWORD }),
      ),
    );
    expect(answers.map(({ status, body }) => [status, body.error_code])).toEqual([
      [400, 'validation_failed'],
      [400, 'validation_failed'],
    ]);
  });

  test('an address that an identity has is taken, though its user has another', async () => {
    const owner = await addPerson(app);
    const known = address('known');
    await app.database.pool.query(
      `insert into auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at)
       values ($1, $2, $3, 'google', now(), now())`,
      [randomUUID(), owner.id, { sub: 'g', email: known, email_verified: true }],
    );
    const response = await doors.signUp({ email: known, password: OTHER });
    expect([response.status, response.body.identities]).toEqual([200, []]);
    expect(await doors.userOf(known)).toBeUndefined();
  });

  test('an address that was given up is free', async () => {
    const owner = await addPerson(app);
    const admin = bearer(serviceKey(app));
    await app.request.delete(`/admin/users/${owner.id}`).set(admin).send({ should_soft_delete: true });
    const response = await doors.signUp({ email: owner.email, password: OTHER });
    expect([response.status, response.body.identities.length]).toEqual([200, 1]);
    expect(response.body.id).not.toBe(owner.id);
  });

  test.each([
    ['an invitation', { invited_at: '2027-01-01', encrypted_password: '' }],
    ['an administrator', { raw_user_meta_data: { desk: 7 } }],
    ['somebody who has proven a phone', { phone_confirmed_at: '2027-01-01', phone: '15550001111' }],
    ['somebody who has signed in before', { last_sign_in_at: '2027-01-01' }],
  ])('an unconfirmed account of %s keeps its password, whoever signs up for its address', async (_whose, columns) => {
    const owner = await addPerson(app, { email_confirmed_at: null, ...columns });
    const before = await doors.userOf(owner.email);
    const response = await doors.signUp({ email: owner.email, password: OTHER, data: { planted: true } });
    expect(response.status).toBe(200);
    const after = await doors.userOf(owner.email);
    expect(after.encrypted_password).toBe(before.encrypted_password);
    expect(after.raw_user_meta_data).toEqual(before.raw_user_meta_data);
    expect(after.confirmation_token).toMatch(/^[0-9a-f]{56}$/);
  });

  test('an invitation says nothing of itself to whoever signs up for its address', async () => {
    const owner = await addPerson(app, { email_confirmed_at: null, invited_at: '2027-01-01' });
    const { body } = await doors.signUp({ email: owner.email, password: OTHER });
    expect([body.user_metadata, body.identities]).toEqual([{}, []]);
  });

  test('the mail’s link leads where the request asks, if it is allowed, and else to the portal', async () => {
    const [asked, refused] = [address(), address()];
    await doors.signUp({ email: asked, password: PASSWORD }, '?redirect_to=https://team.portal.example/welcome');
    await doors.signUp({ email: refused, password: PASSWORD }, '?redirect_to=https://evil.example/welcome');
    expect((await doors.linkTo(asked)).searchParams.get('redirect_to')).toBe('https://team.portal.example/welcome');
    expect((await doors.linkTo(refused)).searchParams.get('redirect_to')).toBe('http://localhost:3000');
  });

  test('no header of the request moves the mail’s link to another host', async () => {
    const email = address();
    await app.request
      .post('/signup')
      .set({ Host: 'evil.example', 'X-Forwarded-Host': 'evil.example', Forwarded: 'host=evil.example' })
      .send({ email, password: PASSWORD });
    expect((await doors.linkTo(email)).host).toBe('127.0.0.1:9999');
  });

  test('a PKCE flow is kept with the user, and its link is marked', async () => {
    const email = address();
    const { body } = await doors.signUp({
      email,
      password: PASSWORD,
      code_challenge: 'y'.repeat(43),
      code_challenge_method: 'S256',
    });
    expect((await doors.linkTo(email)).searchParams.get('token')).toMatch(/^pkce_[0-9a-f]{56}$/);
    const { rows } = await app.database.pool.query(
      'select code_challenge, code_challenge_method, provider_type, authentication_method, auth_code_issued_at from auth.flow_state where user_id = $1',
      [body.id],
    );
    expect(rows).toEqual([
      {
        code_challenge: 'y'.repeat(43),
        code_challenge_method: 's256',
        provider_type: 'email',
        authentication_method: 'email/signup',
        auth_code_issued_at: null,
      },
    ]);
  });

  test('a mail server that is away holds nobody up, and gets the mail when it is back', async () => {
    app.mailbox.mode = 'busy';
    const email = address();
    expect((await doors.signUp({ email, password: PASSWORD })).status).toBe(200);
    await expect
      .poll(() => doors.count('from gatehouse.mail_outbox where recipient = $1 and last_error is not null', email))
      .toBe(1);
    app.mailbox.mode = 'accept';
    app.clock.advance(15);
    app.gatehouse.mailer.wake();
    expect((await doors.verify(await doors.linkTo(email))).status).toBe(200);
  });

  test('metadata that would make every token too long for a header are refused, and nothing is left', async () => {
    const before = await rowsOf(app);
    const data = { long: 'x'.repeat(5000) };
    for (const body of [{ email: address(), password: PASSWORD, data }, { data }]) {
      const response = await doors.signUp(body);
      expect([response.status, response.body.error_code]).toEqual([400, 'validation_failed']);
    }
    expect(await rowsOf(app)).toEqual(before);
  });

  test('what a trigger of the portal refuses is not done, and no mail leaves', async () => {
    await app.database.pool.query(`
      create function public.only_staff() returns trigger language plpgsql as $$
      begin raise exception 'only staff' using errcode = 'PT403'; end $$;
      create trigger only_staff before insert on auth.users for each row
        when (new.email like 'guest.%') execute function public.only_staff()`);
    const email = address('guest');
    const before = await rowsOf(app);
    const response = await doors.signUp({ email, password: PASSWORD });
    expect([response.status, response.body]).toEqual([403, { code: 'PT403', message: 'only staff' }]);
    expect(await rowsOf(app)).toEqual(before);
    expect(await doors.count('from gatehouse.mail_outbox where recipient = $1', email)).toBe(0);
  });

  test('an anonymous account has a session and nothing to be known by', async () => {
    const response = await doors.signUp({ data: { cart: 3 }, password: 'ignored' });
    expect(response.status).toBe(200);
    const { user, access_token } = response.body;
    expect(user).toMatchObject({
      email: '',
      is_anonymous: true,
      identities: [],
      app_metadata: {},
      user_metadata: { cart: 3 },
    });
    expect(claimsOf(access_token)).toMatchObject({
      is_anonymous: true,
      role: 'authenticated',
      amr: [{ method: 'anonymous' }],
    });
    expect(await auditRowsOf(app, response)).toMatchObject([
      {
        action: 'anonymous_signedup',
        outcome: 'success',
        subject_id: user.id,
        session_id: claimsOf(access_token).session_id,
      },
    ]);
    expect((await app.request.get('/user').set(bearer(access_token))).status).toBe(200);
  });
});

describe('where an address counts as confirmed by being given', () => {
  let app: TestApp;
  let doors: ReturnType<typeof doorsOf>;
  beforeAll(async () => {
    app = await startApp({ env: { GATEHOUSE_MAILER_AUTOCONFIRM: 'true' } });
    doors = doorsOf(app);
  });
  afterAll(() => app.close());

  test('a sign-up is signed in at once, and two events say so', async () => {
    const email = address();
    const response = await doors.signUp({ email, password: PASSWORD });
    expect(response.status).toBe(200);
    const { user, access_token, refresh_token } = response.body;
    expect(user.user_metadata.email_verified).toBe(true);
    expect(claimsOf(access_token)).toMatchObject({ sub: user.id, amr: [{ method: 'password' }] });
    const { session_id } = claimsOf(access_token);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'user_signedup', outcome: 'success', subject_id: user.id },
      { action: 'login', outcome: 'success', subject_id: user.id, session_id },
    ]);
    const refreshed = await app.request.post('/token?grant_type=refresh_token').send({ refresh_token });
    expect(refreshed.status).toBe(200);
    expect(await doors.count('from gatehouse.mail_outbox')).toBe(0);
  });

  test('of twenty sign-ups of one address at once one is signed in, and the others are told', async () => {
    const email = address();
    const answers = await atOnceNew(app.database, () =>
      Array.from({ length: 20 }, () => doors.signUp({ email, password: PASSWORD })),
    );
    const outcomes = answers.map(({ status, body }) => `${status} ${body.error_code ?? ''}`).sort();
    expect(outcomes).toEqual(['200 ', ...Array(19).fill('422 user_already_exists')]);
    const { id } = await doors.userOf(email);
    expect(await doors.count('from auth.sessions where user_id = $1', id)).toBe(1);
    expect(await doors.count('from auth.identities where user_id = $1', id)).toBe(1);
  });

  test('a repetition is refused, in one event, and changes nothing', async () => {
    const owner = await addPerson(app);
    const before = await rowsOf(app);
    const response = await doors.signUp({ email: owner.email, password: OTHER });
    expect([response.status, response.body.error_code]).toEqual([422, 'user_already_exists']);
    expect(await rowsOf(app)).toEqual(before);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'user_repeated_signup', outcome: 'failure', error_code: 'user_already_exists', subject_id: owner.id },
    ]);
  });

  test('an account that an administrator prepared is nobody’s for the asking', async () => {
    const invited = await addPerson(app, { email_confirmed_at: null, invited_at: '2027-01-01' });
    const prepared = await addPerson(app, { email_confirmed_at: null, raw_user_meta_data: { desk: 7 } });
    for (const { email } of [invited, prepared]) {
      expect((await doors.signUp({ email, password: OTHER })).body.error_code).toBe('user_already_exists');
    }
  });

  test('a sign-up from before, which nobody confirmed, is the next one’s', async () => {
    const abandoned = await addPerson(app, { email_confirmed_at: null });
    // As a sign-up leaves it.
    await app.database.pool.query(
      `update auth.users set raw_user_meta_data = jsonb_build_object('sub', id) where id = $1`,
      [abandoned.id],
    );
    const { status, body } = await doors.signUp({ email: abandoned.email, password: OTHER });
    expect([status, body.user.id]).toEqual([200, abandoned.id]);
    expect((await doors.signIn(abandoned.email, abandoned.password)).body.error_code).toBe('invalid_credentials');
    expect((await doors.signIn(abandoned.email, OTHER)).status).toBe(200);
  });
});

describe('where mails are counted', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp({ env: { GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '3' } });
  });
  afterAll(() => app.close());

  test('beyond the limit of all accounts together nobody signs up, and nothing is left of it', async () => {
    const { signUp, count } = doorsOf(app);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => signUp({ email: address(), password: PASSWORD })),
    );
    const outcomes = answers.map(({ status, body }) => `${status} ${body.error_code ?? ''}`).sort();
    expect(outcomes).toEqual([...Array(3).fill('200 '), ...Array(5).fill('429 over_email_send_rate_limit')]);
    expect(await count('from auth.users')).toBe(3);
    expect(await count('from auth.identities')).toBe(3);
    expect(await count('from gatehouse.mail_outbox')).toBe(3);
  });
});

describe('where signing up is closed', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp({
      env: { GATEHOUSE_DISABLE_SIGNUP: 'true', GATEHOUSE_EXTERNAL_ANONYMOUS_USERS_ENABLED: 'true' },
    });
  });
  afterAll(() => app.close());

  test('nobody signs up, anonymous or not, known or not, with whatever address', async () => {
    const { signUp } = doorsOf(app);
    const owner = await addPerson(app);
    for (const body of [
      {},
      { email: 'bad', password: 'x' },
      { email: owner.email },
      { email: address(), password: PASSWORD },
    ]) {
      const response = await signUp(body);
      expect([response.status, response.body.error_code]).toEqual([422, 'signup_disabled']);
    }
  });
});
