/** What a new password must be, at every door where one is set, and what a sign-in says of one that would not do today. */
import { randomUUID } from 'node:crypto';
import { AuthClient, AuthWeakPasswordError } from '@supabase/auth-js';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { auditRowsOf, startApp } from '../harness/app.ts';
import { addPerson, addSignedInPerson, anonKey, bearer, type SignedInPerson, serviceKey } from '../harness/people.ts';

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
