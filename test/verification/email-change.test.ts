import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { auditRowsOf, startApp, type TestApp } from '../harness/app.ts';
import { atOnce } from '../harness/at-once.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import { addPerson, addSignedInPerson, bearer, type SignedInPerson } from '../harness/people.ts';

const next = () => `next.${randomUUID().slice(0, 8)}@example.com`;

function doorsOf(app: TestApp) {
  const change = (person: { access_token: string }, body: Record<string, unknown>) =>
    app.request.put('/user').set(bearer(person.access_token)).send(body);
  const tokenTo = async (email: string) =>
    new URL((await app.mailbox.next(email)).links[0] ?? '').searchParams.get('token') ?? '';
  return {
    change,
    tokenTo,
    confirm: (token_hash: string) => app.request.post('/verify').send({ type: 'email_change', token_hash }),
    async asked(person: SignedInPerson, email = next()) {
      expect((await change(person, { email })).status).toBe(200);
      return { email, current: await tokenTo(person.email), other: await tokenTo(email) };
    },
    async rowOf({ id }: { id: string }) {
      const { rows } = await app.database.pool.query('select * from auth.users where id = $1', [id]);
      return rows[0];
    },
  };
}

describe('where both addresses have to agree', () => {
  let app: TestApp;
  let doors: ReturnType<typeof doorsOf>;
  beforeAll(async () => {
    app = await startApp({
      env: { GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '100000', GATEHOUSE_EXTERNAL_ANONYMOUS_USERS_ENABLED: 'true' },
    });
    doors = doorsOf(app);
  });
  afterAll(() => app.close());

  test.each([
    ['the new one first', ['other', 'current']],
    ['the present one first', ['current', 'other']],
  ] as const)('it changes when the second has: %s', async (_order, [first, second]) => {
    const ann = await addSignedInPerson(app);
    const tokens = await doors.asked(ann);
    const half = await doors.confirm(tokens[first]);
    expect([half.status, half.body]).toEqual([
      200,
      { msg: 'Confirmation link accepted. Please proceed to confirm link sent to the other email', code: '200' },
    ]);
    expect(await auditRowsOf(app, half)).toMatchObject([{ action: 'email_change_confirmed', subject_id: ann.id }]);
    expect(await doors.rowOf(ann)).toMatchObject({ email: ann.email, email_change_confirm_status: 1 });

    const whole = await doors.confirm(tokens[second]);
    expect([whole.status, whole.body.user?.email]).toEqual([200, tokens.email]);
    expect(whole.body.user.identities[0].identity_data).toMatchObject({ email: tokens.email, email_verified: true });
    expect(await auditRowsOf(app, whole)).toMatchObject([
      { action: 'user_modified', outcome: 'success', subject_id: ann.id },
    ]);
    expect(await doors.rowOf(ann)).toMatchObject({
      email: tokens.email,
      email_change: '',
      email_change_confirm_status: 0,
      email_change_token_new: '',
      email_change_token_current: '',
    });
  });

  test.each(['current', 'other'] as const)('sixty confirmations of one side at once (%s) are one', async (side) => {
    const ann = await addSignedInPerson(app);
    const tokens = await doors.asked(ann);
    const answers = await atOnce(app.database, ann.id, () =>
      Array.from({ length: 60 }, () => doors.confirm(tokens[side])),
    );
    const counts = Object.groupBy(answers, ({ status }) => status);
    expect([counts[200]?.length, counts[403]?.length]).toEqual([1, 59]);
    expect(await doors.rowOf(ann)).toMatchObject({ email: ann.email, email_change_confirm_status: 1 });
  });

  test('both sides at once: it changes, once', async () => {
    const ann = await addSignedInPerson(app);
    const { current, other, email } = await doors.asked(ann);
    const answers = await atOnce(app.database, ann.id, () =>
      Array.from({ length: 40 }, (_, i) => doors.confirm(i % 2 ? current : other)),
    );
    expect(answers.filter(({ body }) => body.access_token)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === '200')).toHaveLength(1);
    expect((await doors.rowOf(ann)).email).toBe(email);
  });

  test('a side that has confirmed cannot confirm for the other after another request', async () => {
    const ann = await addSignedInPerson(app);
    const first = await doors.asked(ann);
    await doors.confirm(first.other);
    app.clock.advance(61);
    const second = await doors.asked(ann, first.email);
    expect((await doors.confirm(first.current)).status).toBe(403);
    expect((await doors.confirm(second.other)).body.code).toBe('200');
    expect((await doors.rowOf(ann)).email).toBe(ann.email);
    expect((await doors.confirm(second.current)).body.user.email).toBe(first.email);
  });

  test('an address that somebody took meanwhile: it is said, and nothing is half done', async () => {
    const ann = await addSignedInPerson(app);
    const { current, other, email } = await doors.asked(ann);
    await doors.confirm(other);
    await addPerson(app, { email });
    const before = await fingerprint(app.database);
    const response = await doors.confirm(current);
    expect([response.status, response.body.error_code]).toEqual([422, 'email_exists']);
    expect(await fingerprint(app.database)).toEqual(before);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'verification_failed', error_code: 'email_exists' },
    ]);
  });

  test('two who change to one address at once: one has it, the other is told', async () => {
    const [ann, bob] = [await addSignedInPerson(app), await addSignedInPerson(app)];
    const email = next();
    const tokens = [];
    for (const person of [ann, bob]) {
      expect((await doors.change(person, { email })).status).toBe(200);
      tokens.push({ current: await doors.tokenTo(person.email), other: await doors.tokenTo(email) });
    }
    for (const { current } of tokens) expect((await doors.confirm(current)).body.code).toBe('200');
    const answers = await Promise.all(tokens.map(({ other }) => doors.confirm(other)));
    expect(answers.map(({ status, body }) => `${status} ${body.error_code ?? ''}`).sort()).toEqual([
      '200 ',
      '422 email_exists',
    ]);
  });

  test('an anonymous user has only the new one to prove, and is anonymous no longer', async () => {
    const { body } = await app.request.post('/signup').send({ data: { cart: 3 } });
    const email = next();
    expect((await doors.change(body, { email, password: 'correct horse battery' })).status).toBe(200);
    const response = await doors.confirm(await doors.tokenTo(email));
    expect(response.body.user).toMatchObject({
      email,
      is_anonymous: false,
      app_metadata: { provider: 'email', providers: ['email'] },
      user_metadata: { cart: 3, email_verified: true },
      identities: [{ provider: 'email', identity_data: { email, email_verified: true } }],
    });
    const signIn = await app.request
      .post('/token?grant_type=password')
      .send({ email, password: 'correct horse battery' });
    expect(signIn.status).toBe(200);
  });

  test('within a minute no second change is asked for: nothing changes, no mail leaves', async () => {
    const ann = await addSignedInPerson(app);
    await doors.asked(ann);
    const before = await doors.rowOf(ann);
    const answers = await Promise.all(Array.from({ length: 10 }, () => doors.change(ann, { email: next() })));
    expect(new Set(answers.map(({ body }) => body.error_code))).toEqual(new Set(['over_email_send_rate_limit']));
    expect(await doors.rowOf(ann)).toEqual(before);
    expect(app.mailbox.unread()).toBe(0);
  });

  test('of ten requests at once one sends its two mails', async () => {
    const ann = await addSignedInPerson(app);
    const answers = await atOnce(app.database, ann.id, () =>
      Array.from({ length: 10 }, () => doors.change(ann, { email: next() })),
    );
    const outcomes = answers.map(({ status }) => status).sort();
    expect(outcomes).toEqual([200, ...Array(9).fill(429)]);
    const { rows } = await app.database.pool.query('select recipient from gatehouse.mail_outbox where user_id = $1', [
      ann.id,
    ]);
    expect(rows).toHaveLength(2);
  });
});

describe('where the new address is enough', () => {
  let app: TestApp;
  let doors: ReturnType<typeof doorsOf>;
  beforeAll(async () => {
    app = await startApp({ env: { GATEHOUSE_MAILER_SECURE_EMAIL_CHANGE_ENABLED: 'false' } });
    doors = doorsOf(app);
  });
  afterAll(() => app.close());

  test('it alone gets a mail, and changes the address', async () => {
    const ann = await addSignedInPerson(app);
    const email = next();
    await doors.change(ann, { email });
    const response = await doors.confirm(await doors.tokenTo(email));
    expect(response.body.user.email).toBe(email);
    expect(app.mailbox.unread(ann.email)).toBe(0);
  });

  test('the present one, asked before that was so, does not change it by itself', async () => {
    const ann = await addSignedInPerson(app);
    const strict = await startApp({ database: app.database, mailbox: app.mailbox, clock: app.clock });
    const strictDoors = doorsOf(strict);
    const { current, other, email } = await strictDoors.asked(ann);
    await strict.close();
    expect((await doors.confirm(current)).body.code).toBe('200');
    expect((await doors.rowOf(ann)).email).toBe(ann.email);
    expect((await doors.confirm(other)).body.user.email).toBe(email);
  });
});

// CVE class 49.
test('the switch for sign-ups is not the switch for changes: both addresses still have to agree', async () => {
  const app = await startApp({ env: { GATEHOUSE_MAILER_AUTOCONFIRM: 'true' } });
  try {
    const doors = doorsOf(app);
    const ann = await addSignedInPerson(app);
    const { other } = await doors.asked(ann);
    expect((await doors.confirm(other)).body.code).toBe('200');
    expect((await doors.rowOf(ann)).email).toBe(ann.email);
  } finally {
    await app.close();
  }
});
