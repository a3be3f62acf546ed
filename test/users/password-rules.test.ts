/** What a new password must be, at every door where one is set, and what a sign-in says of one that would not do today. */
import { randomBytes, randomUUID } from 'node:crypto';
import { AuthClient, AuthWeakPasswordError } from '@supabase/auth-js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { auditRowsOf, startApp, type TestApp } from '../harness/app.ts';
import { encryptColumn } from '../harness/column-encryption.ts';
import {
  addPerson,
  addSignedInPerson,
  anonKey,
  bearer,
  type SignedInPerson,
  serviceKey,
  signIn,
} from '../harness/people.ts';

const EASY_TO_GUESS = 'Password is known to be weak and easy to guess, please choose a different one.';
const CONTEXT_WORD =
  'Password is too close to your name, your address or the name of this service, please choose a different one.';

const app = await startApp({
  env: { GATEHOUSE_SITE_URL: 'https://members.northwind.example', GATEHOUSE_RATE_LIMIT_OTP: '100000' },
});
afterAll(() => app.close());

const weak = (msg: string) => ({ code: 422, error_code: 'weak_password', msg, weak_password: { reasons: ['pwned'] } });
const administrator = () => bearer(serviceKey(app));
const rosa = () => `rosa.almeida-${randomUUID().slice(0, 8)}@acme.example`;

describe.each([
  ['qwerty123', EASY_TO_GUESS],
  ['PassWord1', EASY_TO_GUESS],
  ['rosa1985', CONTEXT_WORD],
  ['Adiemla!', CONTEXT_WORD],
  ['northwind7', CONTEXT_WORD],
])('%j', (password, msg) => {
  const data = { full_name: 'Rosa Almeida' };

  test('is refused at sign-up, and nobody is made', async () => {
    const email = rosa();
    const response = await app.request.post('/signup').send({ email, password, data });
    expect([response.status, response.body]).toEqual([422, weak(msg)]);
    const { rows } = await app.database.pool.query('select from auth.users where email = $1', [email]);
    expect(rows).toEqual([]);
  });

  test('is refused as a new password of one’s own, and the old one stays', async () => {
    const person = await addSignedInPerson(app, { email: rosa(), raw_user_meta_data: data });
    const response = await app.request.put('/user').set(bearer(person.access_token)).send({ password });
    expect([response.status, response.body]).toEqual([422, weak(msg)]);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'user_modify_failed', error_code: 'weak_password', subject_id: person.id },
    ]);
    const { email, password: old } = person;
    const signedIn = await app.request.post('/token?grant_type=password').send({ email, password: old });
    expect(signedIn.status).toBe(200);
  });

  test('is refused to an administrator who changes a user', async () => {
    const { id } = await addPerson(app, { email: rosa(), raw_user_meta_data: data });
    const response = await app.request.put(`/admin/users/${id}`).set(administrator()).send({ password });
    expect([response.status, response.body]).toEqual([422, weak(msg)]);
  });

  test('is refused in a link of a sign-up', async () => {
    const link = { type: 'signup', email: rosa(), password, data };
    const response = await app.request.post('/admin/generate_link').set(administrator()).send(link);
    expect([response.status, response.body]).toEqual([422, weak(msg)]);
  });

  test('signs in where it is there already, and the answer says what is wrong with it', async () => {
    const { email } = await addPerson(app, { email: rosa(), password, raw_user_meta_data: data });
    const { status, body } = await app.request.post('/token?grant_type=password').send({ email, password });
    expect([status, body.weak_password]).toEqual([200, { message: msg, reasons: ['pwned'] }]);
  });

  // As in Supabase Auth: how strong a password is, is for whoever makes the account to judge.
  test('is an administrator’s to give to a new user', async () => {
    const user = { email: rosa(), password, user_metadata: data };
    expect((await app.request.post('/admin/users').set(administrator()).send(user)).status).toBe(200);
  });
});

describe('a change of the account together with its password', () => {
  let person: SignedInPerson;
  beforeEach(async () => {
    person = await addSignedInPerson(app);
  });

  test('is judged by the new name and address too', async () => {
    const change = (body: object) => app.request.put('/user').set(bearer(person.access_token)).send(body);
    expect((await change({ password: 'columbus1492', email: 'columbus@acme.example' })).body).toEqual(
      weak(CONTEXT_WORD),
    );
    expect((await change({ password: 'columbus1492', data: { name: 'C. Columbus' } })).body).toEqual(
      weak(CONTEXT_WORD),
    );
    const administered = await app.request
      .put(`/admin/users/${person.id}`)
      .set(administrator())
      .send({ password: 'columbus1492', user_metadata: { nickname: 'Columbus' } });
    expect(administered.body).toEqual(weak(CONTEXT_WORD));
    expect((await change({ password: 'columbus1492' })).status).toBe(200);
  });
});

test('supabase-js tells its application why', async () => {
  const auth = new AuthClient({ url: app.url, headers: { apikey: anonKey(app) }, autoRefreshToken: false });
  const { error } = await auth.signUp({ email: rosa(), password: 'iloveyou1' });
  expect(error).toBeInstanceOf(AuthWeakPasswordError);
  expect(error).toMatchObject({ status: 422, code: 'weak_password', message: EASY_TO_GUESS, reasons: ['pwned'] });
});

test('a user who is not there has no password to change, weak or not', async () => {
  const response = await app.request.put(`/admin/users/${randomUUID()}`).set(administrator()).send({ password: 'a' });
  expect([response.status, response.body.error_code]).toEqual([404, 'user_not_found']);
});

describe('where three earlier passwords are remembered', () => {
  const COLUMN_KEY = randomBytes(32);
  const env = {
    GATEHOUSE_PASSWORD_HISTORY: '3',
    GATEHOUSE_RATE_LIMIT_OTP: '100000',
    GATEHOUSE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS: `held:${COLUMN_KEY.toString('base64url')}`,
  };
  const [first, second, third, fourth, fifth] = [
    'the first of many',
    'a second after it',
    'number three, still',
    'four is not enough',
    'five, and the last',
  ] as const;
  const USED_BEFORE = 'New password should be different from the passwords that you had before.';
  let mindful: TestApp;
  let person: SignedInPerson;
  beforeAll(async () => {
    mindful = await startApp({ database: app.database, mailbox: app.mailbox, clock: app.clock, env });
  });
  afterAll(() => mindful.close());
  beforeEach(async () => {
    person = await addSignedInPerson(mindful, { password: first });
  });

  const change = (password: string, at: TestApp = mindful) =>
    at.request.put('/user').set(bearer(person.access_token)).send({ password });
  const remembered = async () => {
    const { rows } = await app.database.pool.query(
      'select encrypted_password from gatehouse.password_history where user_id = $1 order by id',
      [person.id],
    );
    return rows.map((row) => row.encrypted_password as string);
  };
  const stored = async (): Promise<string> => {
    const { rows } = await app.database.pool.query('select encrypted_password from auth.users where id = $1', [
      person.id,
    ]);
    return rows[0].encrypted_password;
  };

  test('none of the last three is a new password, nor the current one; the one before them is', async () => {
    for (const password of [second, third, fourth]) expect((await change(password)).status).toBe(200);
    const before = await stored();
    for (const [password, msg] of [
      [first, USED_BEFORE],
      [second, USED_BEFORE],
      [third, USED_BEFORE],
      [fourth, 'New password should be different from the old password.'],
    ] as const) {
      const response = await change(password);
      expect([response.status, response.body]).toEqual([422, { code: 422, error_code: 'same_password', msg }]);
      expect(await auditRowsOf(app, response)).toMatchObject([
        { action: 'user_modify_failed', error_code: 'same_password', subject_id: person.id },
      ]);
    }
    expect([await stored(), (await remembered()).length]).toEqual([before, 3]);

    expect((await change(fifth)).status).toBe(200);
    expect(await remembered()).toHaveLength(3);
    expect((await change(first)).status).toBe(200);
    expect((await change(second)).status).toBe(200);
  });

  test('a way of composing letters makes no other password', async () => {
    await change('schöne alte Zeit');
    await change(second);
    expect((await change('scho\u0308ne alte Zeit')).body.error_code).toBe('same_password');
  });

  test('what an administrator replaces is remembered, and what one sets is not looked at', async () => {
    const set = (password: string) =>
      mindful.request.put(`/admin/users/${person.id}`).set(administrator()).send({ password });
    expect((await set(second)).status).toBe(200);
    expect((await set(first)).status).toBe(200);
    expect(await remembered()).toHaveLength(2);
    person = await signIn(mindful, person);
    expect((await change(second)).body.error_code).toBe('same_password');
  });

  test('a hash that came over is not kept', async () => {
    const bcrypt = '$2a$10$hxzcaY8T3Qs.wNYhIGmit.HU246GQBN39.go6j.u6vQBANN3DKjqm';
    await app.database.pool.query('update auth.users set encrypted_password = $2 where id = $1', [person.id, bcrypt]);
    expect((await change(second)).status).toBe(200);
    expect(await remembered()).toEqual([]);
  });

  test('a hash that is encrypted in its column is kept as it is, and read', async () => {
    const sealed = encryptColumn(await stored(), person.id, { key_id: 'held', key: COLUMN_KEY });
    await app.database.pool.query('update auth.users set encrypted_password = $2 where id = $1', [person.id, sealed]);
    expect((await change(second)).status).toBe(200);
    expect(await remembered()).toEqual([sealed]);
    expect((await change(first)).body.msg).toBe(USED_BEFORE);
  });

  test('fewer are remembered from the next change on where the settings say fewer, none where none', async () => {
    for (const password of [second, third, fourth]) await change(password);
    expect((await change(first, app)).status).toBe(200);
    expect(await remembered()).toEqual([]);
  });

  test('of ten changes at once as many are remembered as were made', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => change(`one of ten, the ${i}th`)));
    const made = answers.filter(({ status }) => status === 200).length;
    expect(await remembered()).toHaveLength(Math.min(made, 3));
  });

  test('they go with their user, for good or softly', async () => {
    for (const should_soft_delete of [true, false]) {
      person = await addSignedInPerson(mindful, { password: first });
      await change(second);
      expect(await remembered()).toHaveLength(1);
      await mindful.request.delete(`/admin/users/${person.id}`).set(administrator()).send({ should_soft_delete });
      expect(await remembered()).toEqual([]);
    }
  });
});
