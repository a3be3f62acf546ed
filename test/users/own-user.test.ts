/** GET and PUT /user (contract §2.3, §4.5): what people read and change about themselves, the rows and the record of it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, it, test, vi } from 'vitest';
import { changeOwnUser } from '../../src/users/change-own-user.ts';
import { auditRows, auditRowsOf, startApp, type TestApp } from '../harness/app.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import {
  addPerson,
  addSignedInPerson,
  bearer,
  claimsOf,
  mintJwt,
  type Person,
  type SignedInPerson,
  signIn,
} from '../harness/people.ts';

const NEW_PASSWORD = 'another staple entirely';
const WAITING = { timeout: 5000, interval: 20 };

/** More changes than one caller may make in five minutes. */
const env = { GATEHOUSE_RATE_LIMIT_OTP: '100000' };
const app = await startApp({ env });
/** Where changing a password asks for proof of who does it. */
const strict = await startApp({
  database: app.database,
  mailbox: app.mailbox,
  clock: app.clock,
  env: {
    ...env,
    GATEHOUSE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD: 'true',
    GATEHOUSE_LOCKOUT_MAX_ATTEMPTS: '3',
    GATEHOUSE_LOCKOUT_DURATION: '60',
  },
});
const autoconfirm = await startApp({
  database: app.database,
  mailbox: app.mailbox,
  clock: app.clock,
  env: { ...env, GATEHOUSE_MAILER_AUTOCONFIRM: 'true', GATEHOUSE_SMS_AUTOCONFIRM: 'true' },
});
/** Where a session older than a day changes no password without a code from the mailbox. */
const wary = await startApp({
  database: app.database,
  mailbox: app.mailbox,
  clock: app.clock,
  env: { ...env, GATEHOUSE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION: 'true' },
});
afterAll(async () => {
  await Promise.all([strict.close(), autoconfirm.close(), wary.close()]);
  await app.close();
});
const { database } = app;

let ann: SignedInPerson;
beforeEach(async () => {
  // Mail of the test before is on its way, and its row changes when it has arrived.
  await vi.waitFor(async () => {
    const { rows } = await database.pool.query('select from gatehouse.mail_outbox where sent_at is null');
    expect(rows).toEqual([]);
  }, WAITING);
  app.mailbox.clear();
  ann = await addSignedInPerson(app);
});

const read = ({ access_token }: Pick<SignedInPerson, 'access_token'>, at: TestApp = app) =>
  at.request.get('/user').set(bearer(access_token));
const change = ({ access_token }: Pick<SignedInPerson, 'access_token'>, body: object, at: TestApp = app) =>
  at.request.put('/user').set(bearer(access_token)).send(body);

it('shows every time of user, identity and factor in UTC, to the microsecond', async () => {
  const time = '2026-01-02T03:04:05.000006Z';
  await database.pool.query(
    `insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
     values (gen_random_uuid(), $1, 'totp', 'unverified', now(), now())`,
    [ann.id],
  );
  for (const [table, key] of [
    ['users', 'id'],
    ['identities', 'user_id'],
    ['mfa_factors', 'user_id'],
  ]) {
    // Who is banned or deleted reads nothing.
    const { rows } = await database.pool.query<{ changes: string }>(
      `select string_agg(format('%I = $1', column_name), ', ') as changes from information_schema.columns
        where table_schema = 'auth' and table_name = $1 and data_type = 'timestamp with time zone'
          and is_generated = 'NEVER' and column_name not in ('banned_until', 'deleted_at')`,
      [table],
    );
    await database.pool.query(`update auth.${table} set ${rows[0]?.changes} where ${key} = $2`, [time, ann.id]);
  }
  const { body } = await read(ann);
  const times = JSON.stringify(body).match(/"\d{4}-\d\d-\d\dT[^"]*"/g) ?? [];
  expect(new Set(times)).toEqual(new Set([JSON.stringify(time)]));
  expect(times).toHaveLength(18);
});

async function rowOf(id: string): Promise<Record<string, unknown>> {
  const { rows } = await database.pool.query('select * from auth.users where id = $1', [id]);
  return rows[0];
}

async function sessionsOf(id: string): Promise<string[]> {
  const { rows } = await database.pool.query('select id from auth.sessions where user_id = $1', [id]);
  return rows.map((row) => row.id);
}

const caller = { request_id: 'of a rule', ip: '127.0.0.1', user_agent: undefined, method: 'PUT', path: '/user' };

const newAddress = () => `new.${randomUUID().slice(0, 8)}@example.com`;

/** Somebody without an address, signed in by a session of their own. */
async function anonymousPerson(): Promise<SignedInPerson> {
  const person = await addSignedInPerson(app, { raw_app_meta_data: {}, raw_user_meta_data: {} });
  await database.pool.query('delete from auth.identities where user_id = $1', [person.id]);
  await database.pool.query(
    `update auth.users set is_anonymous = true, email = null, encrypted_password = '', email_confirmed_at = null
      where id = $1`,
    [person.id],
  );
  return person;
}

describe('GET /user', () => {
  test('shows every member that there is, and no secret', async () => {
    await database.pool.query(
      `update auth.users
          set invited_at = now(), recovery_sent_at = now(), confirmation_sent_at = now(), email_change = 'next@example.com',
              email_change_sent_at = now(), phone_change = '15550000', phone_change_sent_at = now(),
              reauthentication_sent_at = now(), banned_until = now() - interval '1 day'
        where id = $1`,
      [ann.id],
    );
    const { status, body } = await read(ann);
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual([
      'id',
      'aud',
      'role',
      'email',
      'email_confirmed_at',
      'invited_at',
      'phone',
      'confirmation_sent_at',
      'confirmed_at',
      'recovery_sent_at',
      'new_email',
      'email_change_sent_at',
      'new_phone',
      'phone_change_sent_at',
      'reauthentication_sent_at',
      'last_sign_in_at',
      'app_metadata',
      'user_metadata',
      'identities',
      'created_at',
      'updated_at',
      'banned_until',
      'is_anonymous',
    ]);
    expect(body).toMatchObject({ id: ann.id, email: ann.email, phone: '', new_email: 'next@example.com' });
    expect(body.identities).toEqual([expect.objectContaining({ id: ann.id, provider: 'email', email: ann.email })]);
  });

  test('leaves no audit row', async () => {
    expect(await auditRowsOf(app, await read(ann))).toEqual([]);
  });

  test('is refused to a request for another audience than the token’s', async () => {
    const response = await read(ann).set('X-JWT-AUD', 'partners');
    expect(response.status).toBe(400);
    expect(response.body).toMatchObject({
      error_code: 'validation_failed',
      msg: "Token audience doesn't match request audience",
    });
    expect(await auditRowsOf(app, response)).toEqual([
      expect.objectContaining({ action: 'user_read_failed', error_code: 'validation_failed', actor_id: ann.id }),
    ]);
    expect((await read(ann).set('X-JWT-AUD', 'authenticated')).status).toBe(200);
  });

  test('is a user of another audience’s without a word about it', async () => {
    await database.pool.query(`update auth.users set aud = 'partners' where id = $1`, [ann.id]);
    const partner = await app.request
      .post('/token?grant_type=password')
      .set('X-JWT-AUD', 'partners')
      .send({ email: ann.email, password: ann.password });
    expect((await read(partner.body)).body).toMatchObject({ aud: 'partners' });
  });
});

describe('PUT /user: metadata', () => {
  test('is merged at the top; null removes; the event says what was set, GoTrue’s log what GoTrue would', async () => {
    await change(ann, { data: { keep: 1, drop: 2, nested: { a: 1, b: 2 }, list: [1, 2] } });
    const response = await change(ann, { data: { drop: null, absent: null, nested: { c: 3 }, list: [], no: false } });
    expect(response.status).toBe(200);
    expect(response.body.user_metadata).toEqual({
      sub: ann.id,
      email: ann.email,
      email_verified: true,
      phone_verified: false,
      keep: 1,
      nested: { c: 3 },
      list: [],
      no: false,
    });
    expect((await rowOf(ann.id)).raw_user_meta_data).toEqual(response.body.user_metadata);
    expect(await auditRowsOf(app, response)).toEqual([
      expect.objectContaining({
        action: 'user_modified',
        outcome: 'success',
        actor_id: ann.id,
        subject_id: ann.id,
        session_id: ann.session_id,
        details: { set: ['data'] },
      }),
    ]);
    const { rows } = await database.pool.query(
      `select payload from auth.audit_log_entries where payload ->> 'actor_id' = $1 and payload ->> 'action' = 'user_modified' limit 1`,
      [ann.id],
    );
    expect(rows[0].payload).toEqual({
      action: 'user_modified',
      actor_id: ann.id,
      actor_username: ann.email,
      actor_via_sso: false,
      log_type: 'user',
    });
  });

  it.each<[what: string, body: object]>([
    ['an empty object', {}],
    ['null everywhere', { email: null, phone: null, password: null, data: null, app_metadata: null, nonce: null }],
    ['empty addresses', { email: '', phone: '' }],
    ['the address that is there, in capitals', { email: 'HERS' }],
    ['what is nobody’s to set', { role: 'service_role', aud: 'x', banned_until: null, email_confirm: true, id: 'x' }],
  ])('%s changes nothing but the time, and is on record', async (_what, body) => {
    const before = await rowOf(ann.id);
    app.clock.advance(60);
    const response = await change(
      ann,
      'email' in body && body.email === 'HERS' ? { email: ann.email.toUpperCase() } : body,
    );
    expect(response.status).toBe(200);
    expect(await rowOf(ann.id)).toEqual({
      ...before,
      updated_at: expect.not.stringMatching(String(before.updated_at)),
    });
    expect((await auditRowsOf(app, response)).map(({ action }) => action)).toEqual(['user_modified']);
    expect(app.mailbox.unread(ann.email)).toBe(0);
  });

  // A longer one fits into no header of the next request (docs/weaknesses.md, measured falls, 18).
  test('never makes an access token of more than 6 KiB, and one that came that large may shrink', async () => {
    const before = await fingerprint(database);
    const response = await change(ann, { data: { bio: 'x'.repeat(5000) } });
    expect(response.body).toMatchObject({ code: 400, error_code: 'validation_failed' });
    expect(await fingerprint(database)).toEqual(before);
    expect(await auditRowsOf(app, response)).toEqual([
      expect.objectContaining({ action: 'user_modify_failed', error_code: 'validation_failed', actor_id: ann.id }),
    ]);

    await database.pool.query('update auth.users set raw_user_meta_data = $2 where id = $1', [
      ann.id,
      { photo: 'x'.repeat(9000), bio: 'x'.repeat(5000) },
    ]);
    expect((await change(ann, { data: { photo: null, seat: 4 } })).status).toBe(200);
    expect((await change(ann, { data: { bio: 'x'.repeat(5100) } })).status).toBe(400);
    expect((await change(ann, { password: NEW_PASSWORD })).status).toBe(200);
  });

  test('of more than 64 KiB is refused', async () => {
    const { body } = await change(ann, { data: { bio: 'x'.repeat(65_536) } });
    expect(body).toMatchObject({ code: 400, error_code: 'validation_failed' });
  });

  test('of twenty requests at once is all kept', async () => {
    const seats = Array.from({ length: 20 }, (_, seat) => `seat${seat}`);
    const responses = await Promise.all(seats.map((seat) => change(ann, { data: { [seat]: true } })));
    expect(responses.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect((await rowOf(ann.id)).raw_user_meta_data).toMatchObject(
      Object.fromEntries(seats.map((seat) => [seat, true])),
    );
  });

  test('of the app is the administrators’: 403, unless the user is one', async () => {
    for (const app_metadata of [{ plan: 'gold' }, {}]) {
      const response = await change(ann, { app_metadata, data: { with: 1 } });
      expect(response.body).toMatchObject({
        code: 403,
        error_code: 'not_admin',
        msg: 'Updating app_metadata requires admin privileges',
      });
      expect(await auditRowsOf(app, response)).toEqual([
        expect.objectContaining({ action: 'user_modify_failed', error_code: 'not_admin' }),
      ]);
    }
    expect((await rowOf(ann.id)).raw_user_meta_data).not.toHaveProperty('with');

    await database.pool.query(`update auth.users set role = 'admin' where id = $1`, [ann.id]);
    const { body } = await change(ann, { app_metadata: { plan: 'gold', providers: null } });
    expect(body.app_metadata).toEqual({ provider: 'email', plan: 'gold' });
  });
});

describe('PUT /user: a new password', () => {
  test('opens the account, the old one does not; this session stays, all others end', async () => {
    const elsewhere = await signIn(app, ann);
    const response = await change(ann, { password: NEW_PASSWORD });
    expect(response.status).toBe(200);
    expect(response.body).toMatchObject({ id: ann.id });
    expect(await sessionsOf(ann.id)).toEqual([ann.session_id]);
    expect((await read(ann)).status).toBe(200);
    expect((await read(elsewhere)).body).toMatchObject({ error_code: 'session_not_found' });
    await expect(signIn(app, ann)).rejects.toThrow('invalid_credentials');
    await signIn(app, { ...ann, password: NEW_PASSWORD });
    const events = (await auditRowsOf(app, response)).toSorted(
      (one, other) => Date.parse(one.occurred_at) - Date.parse(other.occurred_at),
    );
    expect(events.map(({ action, details }) => [action, details])).toEqual([
      ['user_updated_password', {}],
      ['user_modified', { set: ['password'] }],
    ]);
    // In that order in GoTrue's log too, where time alone orders.
    const { rows } = await database.pool.query(
      `select payload ->> 'action' as action from auth.audit_log_entries
        where payload ->> 'actor_id' = $1 and payload ->> 'action' like 'user%' order by created_at, action`,
      [ann.id],
    );
    expect(rows.map(({ action }) => action)).toEqual(['user_updated_password', 'user_modified']);
  });

  test('takes back every pending link, code and nonce', async () => {
    await database.pool.query(
      `with person as (
         update auth.users
            set recovery_token = $2, recovery_sent_at = now(), confirmation_token = $3, confirmation_sent_at = now()
          where id = $1)
       insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to)
       values (gen_random_uuid(), $1, 'recovery_token', $2, 'x'), (gen_random_uuid(), $1, 'confirmation_token', $3, 'x')`,
      [ann.id, 'a'.repeat(56), 'b'.repeat(56)],
    );
    expect((await change(ann, { password: NEW_PASSWORD })).status).toBe(200);
    expect(await rowOf(ann.id)).toMatchObject({
      recovery_token: '',
      recovery_sent_at: null,
      confirmation_token: '',
      confirmation_sent_at: null,
    });
    const { rows } = await database.pool.query('select from auth.one_time_tokens where user_id = $1', [ann.id]);
    expect(rows).toEqual([]);
  });

  it.each<[what: string, password: unknown, status: number, error_code: string, more?: object]>([
    ['the same', 'correct horse battery', 422, 'same_password'],
    ['a short one', 'five5', 422, 'weak_password', { weak_password: { reasons: ['length'] } }],
    ['an empty one', '', 422, 'weak_password', { weak_password: { reasons: ['length'] } }],
    ['one of 1,025 characters', 'x'.repeat(1025), 400, 'validation_failed'],
    ['a number', 123456, 400, 'bad_json'],
  ])('%s is refused, and nothing of the request is done', async (_what, password, status, error_code, more = {}) => {
    await signIn(app, ann);
    const before = await fingerprint(database);
    const response = await change(ann, { password, data: { seat: 4 } });
    expect(response.status).toBe(status);
    expect(response.body).toMatchObject({ code: status, error_code, ...more });
    expect(await fingerprint(database)).toEqual(before);
    expect(await auditRowsOf(app, response)).toEqual([
      expect.objectContaining({
        action: 'user_modify_failed',
        outcome: 'failure',
        error_code,
        actor_id: ann.id,
        subject_id: ann.id,
        session_id: ann.session_id,
      }),
    ]);
  });

  // Else a stolen session could try passwords, one by one and uncounted, on a request that never changes anything.
  it.each<[what: string, rest: object, error_code: string]>([
    ['metadata that no token holds', { data: { bio: 'x'.repeat(5000) } }, 'validation_failed'],
    ['a number, where phones are off', { phone: '15550001111' }, 'phone_provider_disabled'],
    ['a taken address', { email: 'taken@example.com' }, 'email_exists'],
    ['metadata of the app', { app_metadata: {} }, 'not_admin'],
  ])('with %s, the right password and a wrong one get the same answer', async (_what, rest, error_code) => {
    await database.pool.query(`delete from auth.users where email = 'taken@example.com'`);
    await addPerson(app, { email: 'taken@example.com' });
    const right = await change(ann, { password: ann.password, ...rest });
    const wrong = await change(ann, { password: NEW_PASSWORD, ...rest });
    expect(right.body).toMatchObject({ error_code });
    expect([wrong.status, wrong.body]).toEqual([right.status, right.body]);
  });

  test('of ten at once in one session, those that were compared with a password that is no more are refused', async () => {
    const passwords = Array.from({ length: 10 }, (_, n) => `${NEW_PASSWORD} ${n}`);
    const responses = await Promise.all(passwords.map((password) => change(ann, { password })));
    const won = responses.flatMap(({ status }, index) => (status === 200 ? [passwords[index]] : []));
    expect(won.length).toBeGreaterThan(0);
    const lost = responses.filter(({ status }) => status !== 200);
    expect(new Set(lost.map(({ body }) => body.error_code))).toEqual(new Set(lost.length > 0 ? ['conflict'] : []));
    const signedIn = await Promise.allSettled(passwords.map((password) => signIn(app, { ...ann, password })));
    const opens = signedIn.flatMap(({ status }, index) => (status === 'fulfilled' ? [passwords[index]] : []));
    expect(opens).toHaveLength(1);
    expect(won).toEqual(expect.arrayContaining(opens));
  });

  test('of two sessions at once, one ends the other', async () => {
    const elsewhere = await signIn(app, ann);
    const [one, other] = await Promise.all([
      change(ann, { password: NEW_PASSWORD }),
      change(elsewhere, { password: `${NEW_PASSWORD} too` }),
    ]);
    const sessions = await sessionsOf(ann.id);
    expect(sessions).toHaveLength(1);
    const [won, lost] = sessions[0] === ann.session_id ? [one, other] : [other, one];
    expect(won.status).toBe(200);
    expect(['session_not_found', 'conflict']).toContain(lost.body.error_code ?? 'changed before it was ended');
  });

  test('is not set by a session that ended after the request was let in', async () => {
    const own = {
      user_id: ann.id,
      holder: ann,
      session_id: randomUUID(),
      occasion: { caller, now: app.clock.now() },
      redirect_to: '',
    };
    for (const body of [{ password: NEW_PASSWORD }, { data: { seat: 4 } }]) {
      await expect(changeOwnUser(app.gatehouse, own, body)).rejects.toMatchObject({ error_code: 'session_not_found' });
    }
    await signIn(app, ann);
  });

  test('of a user who came without one is set without a comparison', async () => {
    await database.pool.query(`update auth.users set encrypted_password = '' where id = $1`, [ann.id]);
    expect((await change(ann, { password: ann.password })).status).toBe(200);
    await signIn(app, ann);
  });

  test('is set where the stored hash is of no known format', async () => {
    await database.pool.query(`update auth.users set encrypted_password = 'plain text' where id = $1`, [ann.id]);
    expect((await change(ann, { password: NEW_PASSWORD })).status).toBe(200);
    await signIn(app, { ...ann, password: NEW_PASSWORD });
  });

  test('by a token without a session ends all sessions', async () => {
    const { session_id: _, ...claims } = claimsOf(ann.access_token);
    const response = await change({ access_token: mintJwt(claims) }, { password: NEW_PASSWORD });
    expect(response.status).toBe(200);
    expect(await sessionsOf(ann.id)).toEqual([]);
  });

  test('needs aal2 where there is a second factor; so does an address, not metadata', async () => {
    await database.pool.query(
      `insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
       values (gen_random_uuid(), $1, 'totp', 'verified', now(), now())`,
      [ann.id],
    );
    for (const body of [{ password: NEW_PASSWORD }, { email: newAddress() }, { phone: '15550001111' }]) {
      const response = await change(ann, body);
      expect(response.status).toBe(401);
      expect(response.body).toMatchObject({ error_code: 'insufficient_aal' });
      expect(response.headers['www-authenticate']).toContain('insufficient_user_authentication');
      expect(await auditRowsOf(app, response)).toEqual([
        expect.objectContaining({ action: 'user_modify_failed', error_code: 'insufficient_aal' }),
      ]);
    }
    expect((await change(ann, { data: { seat: 4 }, email: ann.email })).status).toBe(200);
    await database.pool.query(`update auth.sessions set aal = 'aal2' where user_id = $1`, [ann.id]);
    expect((await change(ann, { password: NEW_PASSWORD })).status).toBe(200);
  });

  test('is not for those whom their company signs in, nor are their addresses', async () => {
    await database.pool.query('update auth.users set is_sso_user = true where id = $1', [ann.id]);
    for (const body of [
      { password: NEW_PASSWORD },
      { email: newAddress() },
      { phone: '15550001111' },
      { nonce: '1' },
    ]) {
      expect((await change(ann, body)).body).toMatchObject({ code: 422, error_code: 'user_sso_managed' });
    }
    expect((await change(ann, { data: { seat: 4 } })).status).toBe(200);
  });
});

describe('PUT /user where the current password is asked for', () => {
  test('it is needed, and a wrong one is not it', async () => {
    const missing = await change(ann, { password: NEW_PASSWORD }, strict);
    expect(missing.body).toMatchObject({ code: 400, error_code: 'current_password_required' });
    const wrong = await change(ann, { password: NEW_PASSWORD, current_password: 'a guess' }, strict);
    expect(wrong.body).toMatchObject({ code: 400, error_code: 'current_password_invalid' });
    expect(await auditRowsOf(strict, wrong)).toEqual([
      expect.objectContaining({
        action: 'user_modify_failed',
        error_code: 'current_password_invalid',
        reason: 'wrong password',
        actor_id: ann.id,
        session_id: ann.session_id,
      }),
    ]);
    expect((await change(ann, { password: NEW_PASSWORD, current_password: ann.password }, strict)).status).toBe(200);
    await signIn(app, { ...ann, password: NEW_PASSWORD });
  });

  test('a wrong one beside nothing else is not looked at', async () => {
    expect((await change(ann, { current_password: 'a guess', data: {} }, strict)).status).toBe(200);
  });

  it.each(['otp', 'magiclink', 'recovery'])('a session that began by %s knows none and needs none', async (method) => {
    await database.pool.query('update auth.mfa_amr_claims set authentication_method = $2 where session_id = $1', [
      ann.session_id,
      method,
    ]);
    expect((await change(ann, { password: NEW_PASSWORD }, strict)).status).toBe(200);
  });

  // Every place that asks for a password counts in one place (CVE classes 5 and 6).
  test('guesses count with those at sign-in, and lock both', async () => {
    const guess = (n: number) => change(ann, { password: NEW_PASSWORD, current_password: `guess ${n}` }, strict);
    const responses = await Promise.all([1, 2, 3].map(guess));
    expect(responses.map(({ body }) => body.error_code)).toEqual(Array(3).fill('current_password_invalid'));
    expect(
      (await auditRows(database)).filter(
        ({ action, subject_id }) => action === 'account_locked' && subject_id === ann.id,
      ),
    ).toHaveLength(1);

    const right = await change(ann, { password: NEW_PASSWORD, current_password: ann.password }, strict);
    expect(right.body).toMatchObject({ error_code: 'current_password_invalid' });
    expect(await auditRowsOf(strict, right)).toEqual([
      expect.objectContaining({ reason: 'right password; account locked' }),
    ]);
    await expect(signIn(strict, ann)).rejects.toThrow('invalid_credentials');

    app.clock.advance(61);
    expect((await change(ann, { password: NEW_PASSWORD, current_password: ann.password }, strict)).status).toBe(200);
  });
});

describe('PUT /user where an old session needs a code', () => {
  /** Sends the code of GET /reauthenticate and reads it. */
  async function nonceOf({ access_token, email }: SignedInPerson): Promise<string> {
    expect((await wary.request.get('/reauthenticate').set(bearer(access_token))).status).toBe(200);
    return (await app.mailbox.next(email)).otp ?? 'none';
  }
  const age = (hours: number) =>
    database.pool.query(
      `update auth.sessions set created_at = $2::timestamptz - make_interval(hours => $3) where id = $1`,
      [ann.session_id, app.clock.now().toISOString(), hours],
    );

  test('a session of less than a day needs none, and a wrong one is not looked at', async () => {
    await age(24);
    expect((await change(ann, { password: NEW_PASSWORD, nonce: '000000' }, wary)).status).toBe(200);
  });

  test('an older one does, for the password alone', async () => {
    await age(25);
    const missing = await change(ann, { password: NEW_PASSWORD, email: newAddress() }, wary);
    expect(missing.body).toMatchObject({ code: 400, error_code: 'reauthentication_needed' });
    const wrong = await change(ann, { password: NEW_PASSWORD, nonce: '000000' }, wary);
    expect(wrong.body).toMatchObject({ code: 422, error_code: 'reauthentication_not_valid' });
    expect(await auditRowsOf(wary, wrong)).toEqual([
      expect.objectContaining({
        action: 'user_modify_failed',
        error_code: 'reauthentication_not_valid',
        actor_id: ann.id,
        session_id: ann.session_id,
      }),
    ]);
    expect((await change(ann, { data: { seat: 4 }, email: newAddress() }, wary)).status).toBe(200);
  });

  // GoTrue let three to five of ten through (docs/weaknesses.md, measured falls, 1).
  test('a code used ten times at once changes the password once', async () => {
    await age(25);
    const nonce = await nonceOf(ann);
    const passwords = Array.from({ length: 10 }, (_, n) => `${NEW_PASSWORD} ${n}`);
    const responses = await Promise.all(passwords.map((password) => change(ann, { password, nonce }, wary)));
    const codes = responses.map(({ status, body }) => (status === 200 ? 'changed' : body.error_code));
    expect(codes.toSorted()).toEqual(['changed', ...Array(9).fill('reauthentication_not_valid')]);
    await signIn(app, { ...ann, password: passwords[codes.indexOf('changed')] ?? '' });
  });

  test('a weak password does not spend it, the same password does', async () => {
    await age(25);
    const nonce = await nonceOf(ann);
    const answers = [];
    for (const password of ['weak', ann.password, NEW_PASSWORD]) {
      answers.push((await change(ann, { password, nonce }, wary)).body.error_code);
    }
    expect(answers).toEqual(['weak_password', 'same_password', 'reauthentication_not_valid']);
    await signIn(app, ann);
  });

  test('a token without a session is as good as an old one', async () => {
    const { session_id: _, ...claims } = claimsOf(ann.access_token);
    const { body } = await change({ access_token: mintJwt(claims) }, { password: NEW_PASSWORD }, wary);
    expect(body).toMatchObject({ error_code: 'reauthentication_needed' });
  });
});

describe('PUT /user: a new address', () => {
  it.each<[what: string, email: string, status: number, error_code: string]>([
    ['taken', 'taken@example.com', 422, 'email_exists'],
    ['taken, in capitals', 'TAKEN@example.com', 422, 'email_exists'],
    ['malformed', 'not an address', 400, 'validation_failed'],
    ['of 400 characters', `${'x'.repeat(400)}@example.com`, 400, 'validation_failed'],
    ['with a NUL', 'a\0@example.com', 400, 'validation_failed'],
  ])('that is %s is refused', async (_what, email, status, error_code) => {
    await database.pool.query(`delete from auth.users where email = 'taken@example.com'`);
    await addPerson(app, { email: 'taken@example.com' });
    const before = await fingerprint(database);
    const response = await change(ann, { email, data: { seat: 4 } });
    expect(response.status).toBe(status);
    expect(response.body).toMatchObject({ error_code });
    expect(await fingerprint(database)).toEqual(before);
    expect(await auditRowsOf(app, response)).toEqual([
      expect.objectContaining({ action: 'user_modify_failed', error_code, actor_id: ann.id }),
    ]);
    expect(app.mailbox.unread(ann.email)).toBe(0);
  });

  test('waits for its confirmation: both addresses get a mail, the old one signs in', async () => {
    const email = newAddress();
    const response = await change(ann, { email: email.toUpperCase() });
    expect(response.status).toBe(200);
    expect(response.body).toMatchObject({ email: ann.email, new_email: email });
    expect(response.body).toHaveProperty('email_change_sent_at');
    expect((await app.mailbox.next(ann.email)).links[0]).toContain('type=email_change');
    expect((await app.mailbox.next(email)).links[0]).toContain('type=email_change');
    await signIn(app, ann);
    expect((await auditRowsOf(app, response)).map(({ action, details }) => [action, details])).toEqual([
      ['user_modified', { set: ['email'] }],
    ]);
    const again = await change(ann, { email });
    expect(again.body).toMatchObject({ code: 429, error_code: 'over_email_send_rate_limit' });
    expect(await auditRowsOf(app, again)).toEqual([
      expect.objectContaining({ action: 'user_modify_failed', error_code: 'over_email_send_rate_limit' }),
    ]);
  });

  test('beside a new password is asked for with tokens of its own', async () => {
    const email = newAddress();
    expect((await change(ann, { email, password: NEW_PASSWORD })).body).toMatchObject({ new_email: email });
    const { rows } = await database.pool.query('select from auth.one_time_tokens where user_id = $1', [ann.id]);
    expect(rows).toHaveLength(2);
  });

  test('of an anonymous user, where sign-up needs no confirmation, is theirs at once, and they are anonymous no more', async () => {
    const nobody = await anonymousPerson();
    const email = newAddress();
    const response = await change(nobody, { email, password: NEW_PASSWORD, data: { cart: [1] } }, autoconfirm);
    expect(response.body).toMatchObject({
      email,
      is_anonymous: false,
      app_metadata: {},
      user_metadata: { cart: [1], email_verified: true },
      identities: [{ provider: 'email', identity_data: { email, email_verified: true } }],
    });
    expect(response.body).toHaveProperty('email_confirmed_at');
    expect(response.body).not.toHaveProperty('confirmed_at');
    expect(app.mailbox.unread(email)).toBe(0);
    await signIn(app, { ...nobody, email, password: NEW_PASSWORD });
  });

  test('of twenty anonymous users at once is one’s', async () => {
    const people = await Promise.all(Array.from({ length: 20 }, anonymousPerson));
    const email = newAddress();
    const responses = await Promise.all(people.map((person) => change(person, { email }, autoconfirm)));
    const codes = responses.map(({ status, body }) => (status === 200 ? 'theirs' : body.error_code));
    expect(codes.toSorted()).toEqual([...Array(19).fill('email_exists'), 'theirs']);
    const { rows } = await database.pool.query('select from auth.identities where email = $1', [email]);
    expect(rows).toHaveLength(1);
  });

  test('of an anonymous user comes before a password', async () => {
    const nobody = await anonymousPerson();
    const response = await change(nobody, { password: NEW_PASSWORD });
    expect(response.body).toMatchObject({ code: 422, error_code: 'validation_failed' });
    expect(await auditRowsOf(app, response)).toEqual([
      expect.objectContaining({ action: 'user_modify_failed', error_code: 'validation_failed', actor_id: nobody.id }),
    ]);
  });
});

describe('PUT /user: a number', () => {
  it.each<[what: string, body: object, status: number, error_code: string]>([
    ['where no message can be sent', { phone: '15550001111' }, 422, 'phone_provider_disabled'],
    ['that is none', { phone: 'not a phone' }, 400, 'validation_failed'],
    ['by a channel that there is not', { phone: '15550001111', channel: 'telegram' }, 400, 'validation_failed'],
  ])('%s is refused', async (_what, body, status, error_code) => {
    const before = await fingerprint(database);
    const response = await change(ann, body);
    expect(response.status).toBe(status);
    expect(response.body).toMatchObject({ error_code });
    expect(await fingerprint(database)).toEqual(before);
  });

  test('is the user’s at once where numbers count as proven, unless it is somebody’s', async () => {
    const phone = `1555${Date.now().toString().slice(-7)}`;
    const { body } = await change(ann, { phone: `+${phone}` }, autoconfirm);
    expect(body).toMatchObject({ phone, identities: [{ provider: 'email' }, { provider: 'phone' }] });
    expect(body).toHaveProperty('phone_confirmed_at');
    const bob: Person & SignedInPerson = await addSignedInPerson(app);
    const taken = await change(bob, { phone }, autoconfirm);
    expect(taken.body).toMatchObject({ code: 422, error_code: 'phone_exists' });
  });
});
