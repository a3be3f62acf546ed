import { randomUUID } from 'node:crypto';
import type { Response } from 'supertest';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { auditRowsOf, startApp, type TestApp } from '../harness/app.ts';
import { atOnce, atOnceNew } from '../harness/at-once.ts';
import { rfc3339 } from '../harness/clock.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import { addPerson, addSignedInPerson, bearer, claimsOf, type Person, type UserColumns } from '../harness/people.ts';

const PORTAL = 'http://localhost:3000';
const PASSWORD = 'correct horse battery';
const CHALLENGE = { code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' };

const app = await startApp({ env: { GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '100000' } });
const closed = await startApp({
  database: app.database,
  mailbox: app.mailbox,
  clock: app.clock,
  env: { GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '100000', GATEHOUSE_DISABLE_SIGNUP: 'true' },
});
const autoconfirm = await startApp({
  database: app.database,
  mailbox: app.mailbox,
  clock: app.clock,
  env: { GATEHOUSE_MAILER_AUTOCONFIRM: 'true' },
});
afterAll(async () => {
  await closed.close();
  await autoconfirm.close();
  await app.close();
});
const { database, clock, mailbox } = app;
/** Nobody waits for a mail that an earlier test asked for. */
afterEach(() => clock.advance(61));

type Door = 'recover' | 'otp' | 'magiclink' | 'resend';
const ask = (door: Door, body: Record<string, unknown>, on: TestApp = app) =>
  on.request
    .post(`/${door}`)
    .query({ redirect_to: `${PORTAL}/in` })
    .send(body);
const verify = (body: Record<string, unknown>) => app.request.post('/verify').send(body);
const signIn = (email: string, password: string) =>
  app.request.post('/token?grant_type=password').send({ email, password });

const address = (name = 'new') => `${name}.${randomUUID().slice(0, 8)}@example.com`;
const unconfirmed = (columns: UserColumns = {}) => addPerson(app, { email_confirmed_at: null, ...columns });

/** The link of the next mail to this address. */
async function linkTo(
  email: string,
): Promise<{ subject: string | undefined; type: string; token_hash: string; to: string }> {
  const { subject, links } = await mailbox.next(email);
  const { searchParams } = new URL(links[0] ?? '');
  const [type = '', token_hash = '', to = ''] = ['type', 'token', 'redirect_to'].map(
    (name) => searchParams.get(name) ?? '',
  );
  return { subject, type, token_hash, to };
}
async function userOf(email: string) {
  return (await database.pool.query('select * from auth.users where email = $1', [email])).rows[0];
}
async function flowsOf(user_id: string) {
  const { rows } = await database.pool.query(
    `select provider_type, authentication_method, code_challenge_method, code_challenge, auth_code_issued_at
       from auth.flow_state where user_id = $1`,
    [user_id],
  );
  return rows;
}
async function mailsOwedTo(email: string): Promise<number> {
  const { rows } = await database.pool.query(
    'select count(*)::int as n from gatehouse.mail_outbox where recipient = $1',
    [email],
  );
  return rows[0].n;
}
/** What a caller is told. */
const told = ({ status, text, headers }: Response) => ({
  status,
  text,
  type: headers['content-type'],
  wait: headers['retry-after'],
});

describe('POST /recover', () => {
  test('sends whoever has the address a link that signs in once, and is on record', async () => {
    const ann = await addPerson(app);
    const response = await ask('recover', { email: ann.email.toUpperCase() });
    expect([response.status, response.body]).toEqual([200, {}]);
    const link = await linkTo(ann.email);
    expect(link).toMatchObject({ subject: 'Reset your password', type: 'recovery', to: `${PORTAL}/in` });

    const user = await userOf(ann.email);
    expect(user).toMatchObject({ recovery_token: link.token_hash, confirmation_token: '' });
    expect(user.recovery_sent_at).toBe(rfc3339(clock.now()));
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'user_recovery_requested', outcome: 'success', actor_id: ann.id, subject_id: ann.id },
    ]);

    const signedIn = await verify({ type: 'recovery', token_hash: link.token_hash });
    expect(signedIn.status).toBe(200);
    const set = await app.request
      .put('/user')
      .set(bearer(signedIn.body.access_token))
      .send({ password: 'another staple entirely' });
    expect(set.status).toBe(200);
    expect((await signIn(ann.email, 'another staple entirely')).status).toBe(200);
    expect((await verify({ type: 'recovery', token_hash: link.token_hash })).status).toBe(403);
  });

  test('an address that nobody has gets no mail and no user, and the record says so', async () => {
    const email = address();
    const response = await ask('recover', { email });
    expect([response.status, response.body]).toEqual([200, {}]);
    expect([await userOf(email), await mailsOwedTo(email)]).toEqual([undefined, 0]);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'recovery_failed', outcome: 'failure', error_code: null, reason: 'unknown address', subject_id: null },
    ]);
  });

  test('with a challenge the link hands out a code', async () => {
    const ann = await addPerson(app);
    await ask('recover', { email: ann.email, ...CHALLENGE });
    const { token_hash } = await linkTo(ann.email);
    expect(token_hash).toMatch(/^pkce_[0-9a-f]{56}$/);
    expect(await flowsOf(ann.id)).toEqual([
      {
        provider_type: 'recovery',
        authentication_method: 'recovery',
        code_challenge_method: 's256',
        code_challenge: CHALLENGE.code_challenge,
        auth_code_issued_at: null,
      },
    ]);
  });

  test('a request that is refused begins no flow', async () => {
    const ann = await addPerson(app);
    await ask('recover', { email: ann.email, ...CHALLENGE });
    expect((await ask('recover', { email: ann.email, ...CHALLENGE })).status).toBe(429);
    expect(await flowsOf(ann.id)).toHaveLength(1);
  });

  // CVE class 39, measured falls 3: whoever signed up first for somebody's address.
  test('of a sign-up that nobody has confirmed nothing is left once the owner of the address recovers it', async () => {
    const email = address('victim');
    await app.request.post('/signup').send({ email, password: 'the attacker knows this', data: { planted: true } });
    await linkTo(email);
    await ask('recover', { email });
    const { status, body } = await verify({ type: 'recovery', token_hash: (await linkTo(email)).token_hash });
    expect(status).toBe(200);
    expect(body.user.user_metadata).not.toHaveProperty('planted');
    expect((await signIn(email, 'the attacker knows this')).body.error_code).toBe('invalid_credentials');
  });

  test('a deleted user gets no mail', async () => {
    const ann = await addPerson(app, { deleted_at: clock.now().toISOString() });
    expect((await ask('recover', { email: ann.email })).status).toBe(200);
    expect(await mailsOwedTo(ann.email)).toBe(0);
  });
});

describe.each(['otp', 'magiclink'] as const)('POST /%s', (door) => {
  test('sends whoever has the address a link to sign in by, and changes nothing else', async () => {
    const ann = await addPerson(app);
    const response = await ask(door, { email: ann.email, data: { ignored: true } });
    expect([response.status, response.body]).toEqual([200, {}]);
    const { subject, type, token_hash } = await linkTo(ann.email);
    expect([subject, type]).toEqual(['Your sign-in link', 'magiclink']);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'user_recovery_requested', outcome: 'success', subject_id: ann.id, details: { mail: 'magic_link' } },
    ]);
    const { body } = await verify({ type: 'email', token_hash });
    expect(claimsOf(body.access_token)).toMatchObject({ sub: ann.id, amr: [{ method: 'otp' }] });
    expect(body.user.user_metadata).not.toHaveProperty('ignored');
    expect((await signIn(ann.email, ann.password)).status).toBe(200);
  });

  test('a new address gets an account with the data sent, and the mail of a sign-up', async () => {
    const email = address();
    const response = await ask(door, { email, data: { team: 'harbour', email: 'other@example.com' } });
    expect([response.status, response.body]).toEqual([200, {}]);
    const { type, token_hash } = await linkTo(email);
    expect(type).toBe('signup');
    const user = await userOf(email);
    expect(user.raw_user_meta_data).toEqual({
      sub: user.id,
      email,
      email_verified: false,
      phone_verified: false,
      team: 'harbour',
    });
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'user_confirmation_requested', outcome: 'success', subject_id: user.id },
    ]);
    expect((await verify({ type: 'signup', token_hash })).body.user).toMatchObject({
      id: user.id,
      email_confirmed_at: rfc3339(clock.now()),
    });
  });

  // CVE class 39: the link that its owner asked for proves the address, not the password of whoever signed up before.
  test('of an earlier sign-up neither password nor data are left', async () => {
    const email = address('victim');
    await app.request.post('/signup').send({ email, password: 'the attacker knows this', data: { planted: true } });
    await linkTo(email);
    clock.advance(61);
    expect((await ask(door, { email })).status).toBe(200);
    const { status, body } = await verify({ type: 'signup', token_hash: (await linkTo(email)).token_hash });
    expect([status, body.user.user_metadata.planted]).toEqual([200, undefined]);
    expect((await signIn(email, 'the attacker knows this')).body.error_code).toBe('invalid_credentials');
  });

  test('where addresses need no confirmation a new one gets an account at once, and a link', async () => {
    const email = address();
    const response = await ask(door, { email }, autoconfirm);
    expect([response.status, response.body]).toEqual([200, {}]);
    const { type, token_hash } = await linkTo(email);
    expect(type).toBe('magiclink');
    expect((await auditRowsOf(app, response)).map(({ action }) => action)).toEqual([
      'user_signedup',
      'login',
      'user_recovery_requested',
    ]);
    expect((await verify({ type: 'magiclink', token_hash })).status).toBe(200);
  });

  test('where sign-up is closed an unknown address makes no account and is told nothing, a known one gets its link', async () => {
    const email = address();
    const ann = await addPerson(app);
    const [unknown, known] = [await ask(door, { email }, closed), await ask(door, { email: ann.email }, closed)];
    expect(told(unknown)).toEqual(told(known));
    expect([await userOf(email), await mailsOwedTo(email)]).toEqual([undefined, 0]);
    expect((await linkTo(ann.email)).type).toBe('magiclink');
    expect(await auditRowsOf(app, unknown)).toMatchObject([
      { action: 'sign_in_link_failed', outcome: 'failure', reason: 'unknown address; sign-up is closed' },
    ]);
  });

  test('with a challenge the flow is a sign-in, or a sign-up where the address is new', async () => {
    const ann = await addPerson(app);
    const email = address();
    await ask(door, { email: ann.email, ...CHALLENGE });
    await ask(door, { email, ...CHALLENGE });
    expect(await flowsOf(ann.id)).toMatchObject([{ provider_type: 'magiclink', authentication_method: 'magiclink' }]);
    const flows = await flowsOf((await userOf(email)).id);
    expect(flows).toMatchObject([{ provider_type: 'email', authentication_method: 'email/signup' }]);
    await linkTo(ann.email);
    await linkTo(email);
  });
});

test('POST /otp with create_user: false makes no account and does not tell that there is none', async () => {
  const email = address();
  const ann = await addPerson(app);
  const unknown = await ask('otp', { email, create_user: false });
  expect(told(unknown)).toEqual(told(await ask('otp', { email: ann.email, create_user: false })));
  expect(await userOf(email)).toBeUndefined();
  expect(await auditRowsOf(app, unknown)).toMatchObject([
    { action: 'sign_in_link_failed', reason: 'unknown address; none is to be made' },
  ]);
  expect((await linkTo(ann.email)).type).toBe('magiclink');
});

describe('POST /resend', () => {
  test('sends the mail of a sign-up again: the first link is dead, the second confirms', async () => {
    const email = address();
    await app.request.post('/signup').send({ email, password: PASSWORD });
    const first = await linkTo(email);
    clock.advance(61);
    const response = await ask('resend', { type: 'signup', email });
    expect([response.status, response.body]).toEqual([200, {}]);
    const second = await linkTo(email);
    expect(second).toMatchObject({ type: 'signup', to: `${PORTAL}/in` });
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'user_confirmation_requested', outcome: 'success', subject_id: (await userOf(email)).id },
    ]);
    expect((await verify({ type: 'signup', token_hash: first.token_hash })).status).toBe(403);
    expect((await verify({ type: 'signup', token_hash: second.token_hash })).status).toBe(200);
    expect((await signIn(email, PASSWORD)).status).toBe(200);
  });

  test('sends both mails of a change of address again, to be confirmed from the start', async () => {
    const ann = await addSignedInPerson(app);
    const email = address();
    await app.request.put('/user').set(bearer(ann.access_token)).send({ email });
    const [current] = [await linkTo(ann.email), await linkTo(email)];
    expect((await verify({ type: 'email_change', token_hash: current.token_hash })).body.msg).toMatch(/other email/);
    clock.advance(61);

    const response = await ask('resend', { type: 'email_change', email: ann.email });
    expect(response.status).toBe(200);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'email_change_requested', outcome: 'success', actor_id: ann.id, subject_id: ann.id },
    ]);
    const [again, other] = [await linkTo(ann.email), await linkTo(email)];
    expect((await userOf(ann.email)).email_change_confirm_status).toBe(0);
    expect((await verify({ type: 'email_change', token_hash: other.token_hash })).body.msg).toMatch(/other email/);
    expect((await verify({ type: 'email_change', token_hash: again.token_hash })).body.user.email).toBe(email);
  });

  test.each([
    ['signup', 'a confirmed address', () => addPerson(app)],
    ['email_change', 'an address that is not about to change', () => addPerson(app)],
    ['phone_change', 'an address instead of a number', () => addPerson(app)],
    ['signup', 'an address that nobody has', async () => ({ email: address() })],
    ['email_change', 'an address that nobody has', async () => ({ email: address() })],
  ])('of type %s for %s sends nothing, and says nothing', async (type, _what, someone) => {
    const { email } = await someone();
    const response = await ask('resend', { type, email });
    expect([response.status, response.body]).toEqual([200, {}]);
    expect(await mailsOwedTo(email)).toBe(0);
    expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'resend_failed', outcome: 'failure' }]);
  });
});

// Measured falls 11 and CVE class 36: whatever was asked for before, the next answer does not depend on whose address it is.
describe('who has an account is told to nobody', () => {
  const doors: [string, (email: string) => PromiseLike<Response>][] = [
    ['recover', (email) => ask('recover', { email })],
    ['otp', (email) => ask('otp', { email })],
    ['otp without making one', (email) => ask('otp', { email, create_user: false })],
    ['resend of a sign-up', (email) => ask('resend', { type: 'signup', email })],
    ['resend of a change', (email) => ask('resend', { type: 'email_change', email })],
  ];
  const orders = doors.flatMap((first) => doors.map((second) => [first[0], second[0], first[1], second[1]] as const));

  test.each(orders)('%s, then %s', async (_first, _second, first, second) => {
    const people: (() => Promise<{ email: string }>)[] = [
      () => addPerson(app),
      () => unconfirmed(),
      () => addPerson(app, { banned_until: '2100-01-01' }),
      async () => ({ email: address() }),
    ];
    const answers: unknown[] = [];
    for (const someone of people) {
      const { email } = await someone();
      answers.push([told(await first(email)), told(await second(email))]);
    }
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  test('twenty requests at once: one is answered, whoever it is', async () => {
    const ann = await addPerson(app);
    const outcomes = (answers: Response[]) => answers.map(({ status }) => status).sort();
    const known = await atOnce(database, ann.id, () =>
      Array.from({ length: 20 }, () => ask('recover', { email: ann.email })),
    );
    const email = address();
    const unknown = await Promise.all(Array.from({ length: 20 }, () => ask('recover', { email })));
    expect(outcomes(known)).toEqual([200, ...Array(19).fill(429)]);
    expect(outcomes(unknown)).toEqual(outcomes(known));
    // Measured falls 17.
    expect(await mailsOwedTo(ann.email)).toBe(1);
  });

  test('ten sign-in links for a new address at once make one user', async () => {
    const email = address();
    const answers = await atOnceNew(database, () => Array.from({ length: 10 }, () => ask('otp', { email })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(429)]);
    const { rows } = await database.pool.query('select 1 from auth.users where email = $1', [email]);
    expect(rows).toHaveLength(1);
  });

  test('where all mails are spent, both are told so', async () => {
    const poor = await startApp({ database, clock, mailbox, env: { GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '0' } });
    const ann = await addPerson(app);
    const answers = [
      await ask('recover', { email: ann.email }, poor),
      await ask('recover', { email: address() }, poor),
    ];
    await poor.close();
    expect(told(answers[0] as Response)).toEqual(told(answers[1] as Response));
    expect(answers[0]?.body.error_code).toBe('over_email_send_rate_limit');
  });
});

// CVE classes 12, 13 and 45.
test.each<[string, Record<string, string>, string]>([
  ['a forged Host', { Host: 'evil.example' }, `${PORTAL}/in`],
  ['a forged X-Forwarded-Host', { 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'ftp' }, `${PORTAL}/in`],
  ['another redirect_to', { redirect_to: 'https://evil.example/in' }, PORTAL],
  ['a page that is not the portal', { redirect_to: 'not a url', Referer: 'https://evil.example/' }, PORTAL],
])('a link leads to this service and from here to the portal: %s', async (_what, headers, redirect_to) => {
  const ann = await addPerson(app);
  await ask('recover', { email: ann.email }).set(headers);
  const link = new URL((await mailbox.next(ann.email)).links[0] ?? '');
  expect(link.host).not.toContain('evil');
  expect(link.pathname).toBe('/verify');
  expect(link.searchParams.get('redirect_to')).toBe(redirect_to);
});

describe('what is refused changes nothing and is on record', () => {
  const email = 'ann@example.com';
  const half = { code_challenge: 'x'.repeat(43) };
  const unknownMethod = { code_challenge: 'x'.repeat(43), code_challenge_method: 's512' };
  test.each<[string, Door, Record<string, unknown>, number, string, string]>([
    ['no address', 'recover', {}, 400, 'validation_failed', 'recovery_failed'],
    ['what is no address', 'recover', { email: 'ann@' }, 400, 'validation_failed', 'recovery_failed'],
    ['half a challenge', 'recover', { email, ...half }, 400, 'validation_failed', 'recovery_failed'],
    ['an unknown method', 'recover', { email, ...unknownMethod }, 400, 'validation_failed', 'recovery_failed'],
    ['no address', 'magiclink', {}, 422, 'validation_failed', 'sign_in_link_failed'],
    ['what is no address', 'magiclink', { email: 'ann' }, 400, 'validation_failed', 'sign_in_link_failed'],
    ['neither address nor number', 'otp', {}, 400, 'validation_failed', 'sign_in_link_failed'],
    ['both', 'otp', { email, phone: '15550001111' }, 400, 'validation_failed', 'sign_in_link_failed'],
    ['a channel', 'otp', { email, channel: 'sms' }, 400, 'validation_failed', 'sign_in_link_failed'],
    ['a number', 'otp', { phone: '15550001111' }, 400, 'phone_provider_disabled', 'sign_in_link_failed'],
    ['an unknown method', 'otp', { email, ...unknownMethod }, 400, 'validation_failed', 'sign_in_link_failed'],
    [
      'data beyond measure',
      'otp',
      { email, data: { x: 'x'.repeat(7000) } },
      400,
      'validation_failed',
      'sign_in_link_failed',
    ],
    ['no type', 'resend', { email }, 400, 'validation_failed', 'resend_failed'],
    ['a type that is not sent again', 'resend', { type: 'recovery', email }, 400, 'validation_failed', 'resend_failed'],
    ['no address', 'resend', { type: 'signup' }, 400, 'validation_failed', 'resend_failed'],
    ['neither', 'resend', { type: 'email_change' }, 400, 'validation_failed', 'resend_failed'],
    ['both', 'resend', { type: 'signup', email, phone: '15550001111' }, 400, 'validation_failed', 'resend_failed'],
    ['a number', 'resend', { type: 'sms', phone: '15550001111' }, 400, 'phone_provider_disabled', 'resend_failed'],
    [
      'an unknown method',
      'resend',
      { type: 'signup', email, ...unknownMethod },
      400,
      'validation_failed',
      'resend_failed',
    ],
  ])('%s: POST /%s', async (_what, door, body, status, error_code, action) => {
    const before = await fingerprint(database);
    const response = await ask(door, body);
    expect(response.body).toMatchObject({ code: status, error_code });
    expect(await auditRowsOf(app, response)).toMatchObject([{ action, outcome: 'failure', error_code }]);
    const { 'gatehouse.mail_outbox': _was, ...rows } = before;
    const { 'gatehouse.mail_outbox': _is, ...now } = await fingerprint(database);
    expect(now).toEqual(rows);
  });

  test.each([
    [{ GATEHOUSE_EXTERNAL_EMAIL_ENABLED: 'false' }, 'recover', 400],
    [{ GATEHOUSE_EXTERNAL_EMAIL_ENABLED: 'false' }, 'otp', 422],
    [{ GATEHOUSE_EXTERNAL_EMAIL_MAGIC_LINK_ENABLED: 'false' }, 'otp', 422],
    [{ GATEHOUSE_EXTERNAL_EMAIL_MAGIC_LINK_ENABLED: 'false' }, 'magiclink', 422],
  ] as const)('with %o POST /%s is %i email_provider_disabled', async (env, door, status) => {
    const without = await startApp({ database, clock, mailbox, env });
    const ann: Person = await addPerson(app);
    const response = await ask(door, { email: ann.email }, without);
    await without.close();
    expect(response.body).toMatchObject({ code: status, error_code: 'email_provider_disabled' });
    expect(await mailsOwedTo(ann.email)).toBe(0);
  });
});
