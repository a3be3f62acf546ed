import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { auditRowsOf, startApp } from '../harness/app.ts';
import { atOnceNew } from '../harness/at-once.ts';
import { rfc3339 } from '../harness/clock.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import { addPerson, addSignedInPerson, bearer, serviceKey } from '../harness/people.ts';

const PORTAL = 'http://localhost:3000';
const PASSWORD = 'correct horse battery';
const app = await startApp({ env: { GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '100000' } });
afterAll(() => app.close());
const { clock, database, mailbox, request } = app;
afterEach(() => clock.advance(61));

const service = bearer(serviceKey(app));
const invite = (body: Record<string, unknown>) =>
  request
    .post('/invite')
    .set(service)
    .query({ redirect_to: `${PORTAL}/welcome` })
    .send(body);
const generate = (body: Record<string, unknown>) => request.post('/admin/generate_link').set(service).send(body);
const verify = (body: Record<string, unknown>) => request.post('/verify').send(body);
const signIn = (email: string, password: string) =>
  request.post('/token?grant_type=password').send({ email, password });

const address = (name = 'new') => `${name}.${randomUUID().slice(0, 8)}@example.com`;
async function linkTo(email: string) {
  const { subject, links } = await mailbox.next(email);
  const { searchParams } = new URL(links[0] ?? '');
  const [type, token_hash, to] = ['type', 'token', 'redirect_to'].map((name) => searchParams.get(name) ?? '');
  return { subject, type, token_hash, to };
}
const userOf = async (email: string) =>
  (await database.pool.query('select * from auth.users where email = $1', [email])).rows[0];
const mailsOwedTo = async (email: string) =>
  (await database.pool.query('select 1 from gatehouse.mail_outbox where recipient = $1', [email])).rowCount;
const outcomes = (answers: { status: number }[]) => answers.map(({ status }) => status).sort();

describe('POST /invite', () => {
  test('prepares an account without a password, sends a mail, and is on record as the administrator’s', async () => {
    const email = address();
    const response = await invite({ email: email.toUpperCase(), data: { desk: 12, gone: null } });
    const user = await userOf(email);
    expect(response.status).toBe(200);
    expect(response.body).toMatchObject({
      id: user.id,
      email,
      role: 'authenticated',
      invited_at: rfc3339(clock.now()),
      confirmation_sent_at: rfc3339(clock.now()),
      user_metadata: { desk: 12 },
      app_metadata: { provider: 'email', providers: ['email'] },
      identities: [{ provider: 'email', identity_data: { sub: user.id, email, email_verified: false } }],
    });
    expect(user.encrypted_password).toBe('');
    expect(await linkTo(email)).toMatchObject({
      subject: "You've been invited",
      type: 'invite',
      to: `${PORTAL}/welcome`,
    });
    expect(await auditRowsOf(app, response)).toMatchObject([
      {
        action: 'user_invited',
        outcome: 'success',
        actor_name: 'service_role',
        subject_id: user.id,
        details: { user_id: user.id, user_email: email },
      },
    ]);
  });

  test('who follows it is signed in, and sets a first password', async () => {
    const email = address();
    await invite({ email, data: { desk: 12 } });
    const { status, body } = await verify({ type: 'invite', token_hash: (await linkTo(email)).token_hash });
    expect([status, body.user.user_metadata]).toEqual([200, { desk: 12, email_verified: true }]);
    await request.put('/user').set(bearer(body.access_token)).send({ password: PASSWORD });
    expect((await signIn(email, PASSWORD)).status).toBe(200);
  });

  test('a second one sends a new link, at once: the first is dead and what the account holds stays', async () => {
    const email = address();
    const first = await invite({ email, data: { team: 'quay' } });
    const one = await linkTo(email);
    const second = await invite({ email, data: { team: 'hill' } });
    expect([second.status, second.body.id, second.body.user_metadata]).toEqual([200, first.body.id, { team: 'quay' }]);
    const two = await linkTo(email);
    expect((await verify({ type: 'invite', token_hash: one.token_hash })).body.error_code).toBe('otp_expired');
    expect((await verify({ type: 'invite', token_hash: two.token_hash })).status).toBe(200);
    expect((await invite({ email })).body.error_code).toBe('email_exists');
  });

  // CVE class 39, measured falls 3.
  test('whoever signed up for the address before has nothing in the account that was taken', async () => {
    const email = address('victim');
    await request.post('/signup').send({ email, password: 'the attacker knows this', data: { planted: true } });
    await linkTo(email);
    await invite({ email });
    const { body } = await verify({ type: 'invite', token_hash: (await linkTo(email)).token_hash });
    expect(body.user.user_metadata).not.toHaveProperty('planted');
    expect((await signIn(email, 'the attacker knows this')).body.error_code).toBe('invalid_credentials');
  });

  test('ten at once make one account, and the last link counts', async () => {
    const email = address();
    const answers = await atOnceNew(database, () => Array.from({ length: 10 }, () => invite({ email })));
    expect(outcomes(answers)).toEqual(Array(10).fill(200));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    const links = [];
    for (const _ of answers) links.push(await linkTo(email));
    const proofs = [];
    for (const { token_hash } of links) proofs.push(await verify({ type: 'invite', token_hash }));
    expect(outcomes(proofs)).toEqual([200, ...Array(9).fill(403)]);
  });

  // CVE class 53: what was invited is the address, and the link is no one else's.
  test('the link proves its own address only', async () => {
    const [email, other] = [address(), address()];
    await invite({ email });
    await invite({ email: other });
    const { token_hash } = await linkTo(email);
    await linkTo(other);
    expect((await verify({ type: 'invite', token_hash })).body.user.email).toBe(email);
    expect((await userOf(other)).email_confirmed_at).toBeNull();
  });
});

describe('POST /admin/generate_link', () => {
  test('of a recovery signs its user in, by link or by code, once, and no mail leaves', async () => {
    const ann = await addPerson(app);
    const response = await generate({ type: 'recovery', email: ann.email, redirect_to: `${PORTAL}/reset` });
    const { action_link, email_otp, hashed_token, verification_type, redirect_to, ...user } = response.body;
    expect(user).toMatchObject({ id: ann.id, email: ann.email, recovery_sent_at: rfc3339(clock.now()) });
    expect([verification_type, redirect_to]).toEqual(['recovery', `${PORTAL}/reset`]);
    const { searchParams } = new URL(action_link);
    expect(Object.fromEntries(searchParams)).toEqual({ token: hashed_token, type: 'recovery', redirect_to });
    expect(await mailsOwedTo(ann.email)).toBe(0);
    expect(await auditRowsOf(app, response)).toMatchObject([
      {
        action: 'user_recovery_requested',
        subject_id: ann.id,
        details: { link: 'recovery', made_by: 'service_role' },
      },
    ]);

    expect((await verify({ type: 'recovery', email: ann.email, token: email_otp })).status).toBe(200);
    expect((await verify({ type: 'recovery', token_hash: hashed_token })).body.error_code).toBe('otp_expired');
  });

  test('starts the clock of its kind of mail, and waits for none', async () => {
    const ann = await addPerson(app);
    expect(outcomes([await generate({ type: 'magiclink', email: ann.email })])).toEqual([200]);
    expect(outcomes([await generate({ type: 'magiclink', email: ann.email })])).toEqual([200]);
    expect((await request.post('/recover').send({ email: ann.email })).body.error_code).toBe(
      'over_email_send_rate_limit',
    );
  });

  test('a sign-in link for an unknown address is one of a sign-up, with a password that nobody knows', async () => {
    const email = address();
    const response = await generate({ type: 'magiclink', email, data: { plan: 'gold' } });
    expect(response.body).toMatchObject({ verification_type: 'signup', user_metadata: { plan: 'gold' } });
    expect(await auditRowsOf(app, response)).toMatchObject([
      {
        action: 'link_generated',
        actor_name: 'service_role',
        subject_id: response.body.id,
        details: { link: 'signup' },
      },
    ]);
    expect((await userOf(email)).encrypted_password).toMatch(/^\$argon2id\$/);
    const { hashed_token } = response.body;
    expect((await verify({ type: 'magiclink', token_hash: hashed_token })).status).toBe(403);
    expect((await verify({ type: 'signup', token_hash: hashed_token })).status).toBe(200);
  });

  test('of a sign-up makes the account with its password; again, it replaces the link and adds data', async () => {
    const email = address();
    const first = await generate({ type: 'signup', email, password: PASSWORD, data: { seat: 1 } });
    const second = await generate({
      type: 'signup',
      email,
      password: 'another staple entirely',
      data: { team: 'hill' },
    });
    expect(second.body).toMatchObject({ id: first.body.id, user_metadata: { seat: 1, team: 'hill' } });
    expect((await verify({ type: 'signup', token_hash: first.body.hashed_token })).status).toBe(403);
    expect((await verify({ type: 'signup', token_hash: second.body.hashed_token })).status).toBe(200);
    expect((await signIn(email, PASSWORD)).status).toBe(200);
    expect((await generate({ type: 'signup', email, password: PASSWORD })).body.error_code).toBe('email_exists');
  });

  // CVE class 39: nobody who signs in without the header would ever find the account.
  test.each([
    ['signup', 'signup'],
    ['magiclink', 'signup'],
    ['invite', 'invite'],
  ])('of %s takes the place of a stranger’s sign-up for another audience', async (type, proof) => {
    const email = address();
    const stranger = { email, password: 'a password of a stranger' };
    await request.post('/signup').set('X-JWT-AUD', 'partners').send(stranger).expect(200);
    const { body } = await generate({ type, email, password: PASSWORD });
    expect(body.aud).toBe('authenticated');
    const { hashed_token: token_hash } = body;
    expect((await verify({ type: proof, token_hash })).body.user).toMatchObject({ email, aud: 'authenticated' });
    expect((await signIn(email, 'a password of a stranger')).status).toBe(400);
    if (type === 'signup') expect((await signIn(email, PASSWORD)).status).toBe(200);
  });

  test('of an invitation prepares the account', async () => {
    const email = address();
    const response = await generate({ type: 'invite', email });
    expect(response.body).toMatchObject({ verification_type: 'invite', invited_at: rfc3339(clock.now()) });
    expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'user_invited', subject_id: response.body.id }]);
    expect((await verify({ type: 'invite', token_hash: response.body.hashed_token })).status).toBe(200);
  });

  test('of a change of address: both sides have to be confirmed, each by its own link', async () => {
    const ann = await addSignedInPerson(app);
    const new_email = address();
    const current = await generate({ type: 'email_change_current', email: ann.email, new_email });
    const next = await generate({ type: 'email_change_new', email: ann.email, new_email });
    expect([current.body.new_email, next.body.new_email]).toEqual([new_email, new_email]);
    expect((await verify({ type: 'email_change', token_hash: next.body.hashed_token })).body.code).toBe('200');
    const { body } = await verify({ type: 'email_change', token_hash: current.body.hashed_token });
    expect(body.user.email).toBe(new_email);
  });

  // A link that its reader takes for one change must not confirm another.
  test('to another address than before takes the links of the earlier change back', async () => {
    const ann = await addSignedInPerson(app);
    const first = await generate({ type: 'email_change_current', email: ann.email, new_email: address() });
    await generate({ type: 'email_change_new', email: ann.email, new_email: address() });
    expect((await verify({ type: 'email_change', token_hash: first.body.hashed_token })).body.error_code).toBe(
      'otp_expired',
    );
  });

  // CVE class 45.
  test.each(['https://evil.example', '//evil.example', 'javascript:alert(1)', 'not a url', `${PORTAL}@evil.example`])(
    'leads to the portal instead of to %s',
    async (redirect_to) => {
      const ann = await addPerson(app);
      const { body } = await generate({ type: 'magiclink', email: ann.email, redirect_to });
      expect(body.redirect_to).toBe(PORTAL);
      expect(new URL(body.action_link).searchParams.get('redirect_to')).toBe(PORTAL);
    },
  );
});

describe('what is refused changes nothing and is on record', async () => {
  const ann = await addPerson(app);
  const { email } = ann;
  const new_email = 'other@example.com';
  type Row = [what: string, door: typeof invite, body: Record<string, unknown>, status: number, error_code: string];
  test.each<Row>([
    ['an invitation without an address', invite, {}, 400, 'validation_failed'],
    ['an invitation to what is no address', invite, { email: 'ann@' }, 400, 'validation_failed'],
    ['an invitation with data that is none', invite, { email: 'a@example.com', data: 'x' }, 400, 'bad_json'],
    [
      'an invitation with data beyond measure',
      invite,
      { email: 'a@example.com', data: { x: 'x'.repeat(7000) } },
      400,
      'validation_failed',
    ],
    ['an invitation of somebody', invite, { email }, 422, 'email_exists'],
    ['a link of no type', generate, { email }, 400, 'validation_failed'],
    ['a link of another type', generate, { type: 'sms', email }, 400, 'validation_failed'],
    ['a link without an address', generate, { type: 'magiclink' }, 400, 'validation_failed'],
    ['a sign-up of somebody', generate, { type: 'signup', email, password: PASSWORD }, 422, 'email_exists'],
    ['a sign-up without a password', generate, { type: 'signup', email: 'a@example.com' }, 400, 'validation_failed'],
    [
      'a sign-up with a weak one',
      generate,
      { type: 'signup', email: 'a@example.com', password: 'x' },
      422,
      'weak_password',
    ],
    ['an invitation link of somebody', generate, { type: 'invite', email }, 422, 'email_exists'],
    ['a recovery of nobody', generate, { type: 'recovery', email: 'nobody@example.com' }, 404, 'user_not_found'],
    [
      'a change of nobody',
      generate,
      { type: 'email_change_new', email: 'nobody@example.com', new_email },
      404,
      'user_not_found',
    ],
    ['a change to nothing', generate, { type: 'email_change_new', email }, 400, 'validation_failed'],
    [
      'a change to what is no address',
      generate,
      { type: 'email_change_new', email, new_email: 'x' },
      400,
      'validation_failed',
    ],
    [
      'a change to what it is',
      generate,
      { type: 'email_change_current', email, new_email: email },
      422,
      'email_exists',
    ],
  ])('%s', async (_what, door, body, status, error_code) => {
    const before = await fingerprint(database);
    const response = await door(body);
    expect(response.body).toMatchObject({ code: status, error_code });
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'admin_request_failed', outcome: 'failure', error_code, actor_name: 'service_role' },
    ]);
    const { 'gatehouse.mail_outbox': _was, ...rows } = before;
    const { 'gatehouse.mail_outbox': _is, ...now } = await fingerprint(database);
    expect(now).toEqual(rows);
  });

  test.each([invite, generate])('an answer repeats nothing that was sent', async (door) => {
    const sent = '<script>{{ .Token }}';
    const { text } = await door({ type: sent, email: sent, data: {} });
    expect(text).not.toContain('script');
  });
});
