import { afterAll, expect, test } from 'vitest';
import { auditRowsOf, startApp } from '../harness/app.ts';
import { atOnce } from '../harness/at-once.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import { addSignedInPerson, bearer, type SignedInPerson } from '../harness/people.ts';

const app = await startApp({
  env: {
    GATEHOUSE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION: 'true',
    GATEHOUSE_LOCKOUT_MAX_ATTEMPTS: '5',
    GATEHOUSE_LOCKOUT_DURATION: '60',
    GATEHOUSE_JWT_EXP: '86400',
  },
});
afterAll(() => app.close());
const { request, mailbox, clock, database } = app;

const ask = ({ access_token }: SignedInPerson) => request.get('/reauthenticate').set(bearer(access_token));
const setPassword = ({ access_token }: SignedInPerson, password: string, nonce?: string) =>
  request.put('/user').set(bearer(access_token)).send({ password, nonce });

/** Signed in for longer than a day, so that a new password needs a code. */
async function somebody(columns = {}): Promise<SignedInPerson> {
  const person = await addSignedInPerson(app, columns);
  await database.pool.query(
    `update auth.sessions set created_at = created_at - interval '25 hours' where user_id = $1`,
    [person.id],
  );
  return person;
}
const nonceOf = async ({ email }: SignedInPerson) => (await mailbox.next(email)).otp ?? '';
const wrongFor = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0');

test('whoever is signed in gets a code by mail, which sets a new password once', async () => {
  const ann = await somebody();
  const response = await ask(ann);
  expect([response.status, response.body]).toEqual([200, {}]);
  expect(await auditRowsOf(app, response)).toMatchObject([
    { action: 'user_reauthenticate_requested', outcome: 'success', subject_id: ann.id, session_id: ann.session_id },
  ]);
  const nonce = await nonceOf(ann);
  expect((await setPassword(ann, 'another staple entirely')).body.error_code).toBe('reauthentication_needed');
  expect((await setPassword(ann, 'another staple entirely', nonce)).status).toBe(200);
  expect((await setPassword(ann, 'a third one altogether', nonce)).body.error_code).toBe('reauthentication_not_valid');
});

test('ten who use one code at once set one password', async () => {
  const ann = await somebody();
  await ask(ann);
  const nonce = await nonceOf(ann);
  const answers = await atOnce(database, ann.id, () =>
    Array.from({ length: 10 }, (_, i) => setPassword(ann, `a new one, number ${i}`, nonce)),
  );
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
});

test('wrong codes are counted: after five of them the right one is refused for a while', async () => {
  const ann = await somebody();
  await ask(ann);
  const nonce = await nonceOf(ann);
  const guesses = await atOnce(database, ann.id, () =>
    Array.from({ length: 20 }, () => setPassword(ann, 'another staple entirely', wrongFor(nonce))),
  );
  expect(new Set(guesses.map(({ body }) => body.error_code))).toEqual(new Set(['reauthentication_not_valid']));
  const refused = await setPassword(ann, 'another staple entirely', nonce);
  expect(refused.body.error_code).toBe('reauthentication_not_valid');
  expect(await auditRowsOf(app, refused)).toMatchObject([
    {
      action: 'user_modify_failed',
      error_code: 'reauthentication_not_valid',
      reason: 'nonce; locked',
      subject_id: ann.id,
    },
  ]);
  clock.advance(61);
  expect((await setPassword(ann, 'another staple entirely', nonce)).status).toBe(200);
});

test('a code is no use to anybody else, after an hour, or as the code of another purpose', async () => {
  const [ann, bob] = [await somebody(), await somebody()];
  await ask(ann);
  const nonce = await nonceOf(ann);
  expect((await setPassword(bob, 'another staple entirely', nonce)).status).toBe(422);
  for (const type of ['email', 'recovery', 'signup', 'reauthentication']) {
    expect((await request.post('/verify').send({ type, email: ann.email, token: nonce })).status).toBe(403);
  }
  clock.advance(3600);
  expect((await setPassword(ann, 'another staple entirely', nonce)).status).toBe(422);
});

test('of ten who ask at once one is sent a mail', async () => {
  const ann = await somebody();
  const answers = await atOnce(database, ann.id, () => Array.from({ length: 10 }, () => ask(ann)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(429)]);
  const { rows } = await database.pool.query('select 1 from gatehouse.mail_outbox where user_id = $1', [ann.id]);
  expect(rows).toHaveLength(1);
});

test.each([
  ['has not proven the address', 'email_confirmed_at = null', 422, 'email_not_confirmed'],
  ['has no address', 'email = null', 400, 'validation_failed'],
  ['has only a phone that is not proven', `email = null, phone = '15550001111'`, 422, 'phone_not_confirmed'],
  [
    'has only a phone',
    `email = null, phone = '15550001112', phone_confirmed_at = now()`,
    422,
    'phone_provider_disabled',
  ],
])('who %s is sent nothing', async (_who, change, status, error_code) => {
  const ann = await somebody();
  await database.pool.query(`update auth.users set ${change} where id = $1`, [ann.id]);
  const before = await fingerprint(database);
  const response = await ask(ann);
  expect([response.status, response.body.error_code]).toEqual([status, error_code]);
  expect(await fingerprint(database)).toEqual(before);
  expect(await auditRowsOf(app, response)).toMatchObject([
    { action: 'reauthentication_failed', outcome: 'failure', error_code, subject_id: ann.id },
  ]);
});
