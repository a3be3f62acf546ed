import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { deleteOldFlows } from '../../src/users/flow-state.sql.ts';
import { auditRowsOf, startApp } from '../harness/app.ts';
import { atOnce } from '../harness/at-once.ts';
import { addPerson, addSignedInPerson, bearer, claimsOf, type Person, serviceKey } from '../harness/people.ts';

const app = await startApp({
  env: {
    GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '100000',
    GATEHOUSE_LOCKOUT_MAX_ATTEMPTS: '5',
    GATEHOUSE_LOCKOUT_DURATION: '60',
  },
});
afterAll(() => app.close());
const { clock, database, mailbox, request } = app;
afterEach(() => clock.advance(61));

const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url');
const newVerifier = () => randomBytes(40).toString('base64url');
const exchange = (auth_code: string, code_verifier: string) =>
  request.post('/token?grant_type=pkce').send({ auth_code, code_verifier });

type Method = 's256' | 'plain';
interface Flow {
  verifier: string;
  code_challenge: string;
  code_challenge_method: string;
}
function newFlow(method: Method = 's256'): Flow {
  const verifier = newVerifier();
  const code_challenge = method === 's256' ? sha256(verifier) : verifier;
  return { verifier, code_challenge, code_challenge_method: method };
}
const challengeOf = ({ verifier: _, ...challenge }: Flow) => challenge;

/** Follows the link of the next mail to this address; what it leads to is the portal with a code. */
async function clicked(email: string): Promise<string> {
  const [link = ''] = (await mailbox.next(email)).links;
  const { search } = new URL(link);
  const { headers } = await request.get(`/verify${search}`);
  return new URL(headers.location ?? '').searchParams.get('code') ?? '';
}

/** A sign-in link was asked for by its person and clicked. */
async function signInLink(person: Person, method: Method = 's256') {
  const flow = newFlow(method);
  await request.post('/otp').send({ email: person.email, ...challengeOf(flow) });
  return { ...flow, auth_code: await clicked(person.email) };
}
const flowsOf = async (user_id: string) =>
  (await database.pool.query('select * from auth.flow_state where user_id = $1', [user_id])).rows;
const sessionsOf = async (user_id: string) =>
  (await database.pool.query('select * from auth.sessions where user_id = $1', [user_id])).rows;

describe('the code of a link and the verifier of its request', () => {
  test.each(['s256', 'plain'] as const)('are a session, once: %s', async (method) => {
    const ann = await addPerson(app);
    const { auth_code, verifier } = await signInLink(ann, method);
    const response = await exchange(auth_code, verifier);
    expect(response.status).toBe(200);
    expect(response.headers['cache-control']).toBe('no-store');
    const { access_token, refresh_token, user } = response.body;
    expect(user.id).toBe(ann.id);
    const { session_id, amr } = claimsOf(access_token);
    expect(amr).toMatchObject([{ method: 'magiclink' }]);
    expect(await sessionsOf(ann.id)).toMatchObject([{ id: session_id, aal: 'aal1' }]);
    expect((await request.get('/user').set(bearer(access_token))).status).toBe(200);
    expect((await request.post('/token?grant_type=refresh_token').send({ refresh_token })).status).toBe(200);
    expect(await auditRowsOf(app, response)).toMatchObject([
      {
        action: 'login',
        outcome: 'success',
        actor_id: ann.id,
        subject_id: ann.id,
        session_id,
        details: { provider_type: 'magiclink' },
      },
    ]);

    expect(await flowsOf(ann.id)).toEqual([]);
    const again = await exchange(auth_code, verifier);
    expect(again.body).toMatchObject({ code: 404, error_code: 'flow_state_not_found' });
    expect(await auditRowsOf(app, again)).toMatchObject([
      { action: 'token_grant_failed', outcome: 'failure', error_code: 'flow_state_not_found' },
    ]);
  });

  test.each([
    [
      'email/signup',
      async (email: string, flow: object) =>
        request.post('/signup').send({ email, password: 'correct horse battery', ...flow }),
    ],
    [
      'recovery',
      async (email: string, flow: object) => {
        await addPerson(app, { email });
        await request.post('/recover').send({ email, ...flow });
      },
    ],
  ])('say how the session came about: %s', async (method, ask) => {
    const email = `pkce.${randomUUID().slice(0, 8)}@example.com`;
    const flow = newFlow();
    await ask(email, challengeOf(flow));
    const { status, body } = await exchange(await clicked(email), flow.verifier);
    expect([status, claimsOf(body.access_token).amr]).toMatchObject([200, [{ method }]]);
  });

  test('of a change of address, when both sides are confirmed', async () => {
    const ann = await addSignedInPerson(app);
    const email = `pkce.${randomUUID().slice(0, 8)}@example.com`;
    const flow = newFlow();
    await request
      .put('/user')
      .set(bearer(ann.access_token))
      .send({ email, ...challengeOf(flow) });
    expect(await clicked(ann.email)).toBe('');
    const { body } = await exchange(await clicked(email), flow.verifier);
    expect(body.user.email).toBe(email);
    expect(claimsOf(body.access_token).amr).toMatchObject([{ method: 'email_change' }]);
  });

  // CVE class 41, measured falls 1.
  test('are a session once, of fifty exchanges at once', async () => {
    const ann = await addPerson(app);
    const { auth_code, verifier } = await signInLink(ann);
    const answers = await atOnce(database, ann.id, () =>
      Array.from({ length: 50 }, () => exchange(auth_code, verifier)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(49).fill(404)]);
    expect(await sessionsOf(ann.id)).toHaveLength(1);
  });
});

// CVE class 33: what was handed out dies with what it was handed out for.
describe('a code that nobody has exchanged yet is worth nothing', () => {
  test('after its user set another password', async () => {
    const ann = await addSignedInPerson(app);
    const { auth_code, verifier } = await signInLink(ann);
    await request.put('/user').set(bearer(ann.access_token)).send({ password: 'another staple entirely' });
    expect((await exchange(auth_code, verifier)).body.error_code).toBe('flow_state_not_found');
  });

  test.each([{ password: 'another staple entirely' }, { email: 'elsewhere@example.com' }])(
    'after an administrator changed %o',
    async (change) => {
      const ann = await addPerson(app);
      const { auth_code, verifier } = await signInLink(ann);
      const changed = await request
        .put(`/admin/users/${ann.id}`)
        .set(bearer(serviceKey(app)))
        .send(change);
      expect(changed.status).toBe(200);
      expect((await exchange(auth_code, verifier)).body.error_code).toBe('flow_state_not_found');
    },
  );
});

test('flows that nobody can finish are removed, others stay', async () => {
  const [ann, bob] = [await addPerson(app), await addPerson(app)];
  await signInLink(ann);
  clock.advance(3600);
  await signInLink(bob);
  const begun_before = new Date(clock.now().getTime() - 1800_000).toISOString();
  await deleteOldFlows(app.gatehouse.db, { begun_before });
  expect([(await flowsOf(ann.id)).length, (await flowsOf(bob.id)).length]).toEqual([0, 1]);
});

// Whoever reads the database has the code, and is a request ahead of whoever waits for the mail.
test('a code is worth nothing before its link was clicked, and all the same afterwards', async () => {
  const ann = await addPerson(app);
  const flow = newFlow();
  await request.post('/otp').send({ email: ann.email, ...challengeOf(flow) });
  const [{ auth_code }] = await flowsOf(ann.id);
  expect((await exchange(auth_code, flow.verifier)).body.error_code).toBe('flow_state_not_found');
  expect(await clicked(ann.email)).toBe(auth_code);
  expect((await exchange(auth_code, flow.verifier)).status).toBe(200);
});

describe('guesses at a verifier', () => {
  test('are counted on the flow: after the last one the right verifier is refused too', async () => {
    const ann = await addPerson(app);
    const { auth_code, verifier } = await signInLink(ann);
    for (let guess = 1; guess <= 5; guess++) {
      const response = await exchange(auth_code, newVerifier());
      expect(response.body).toMatchObject({ code: 400, error_code: 'bad_code_verifier' });
      const events = (await auditRowsOf(app, response)).map(({ action, subject_id }) => [action, subject_id]);
      const locks = guess === 5 ? [['account_locked', ann.id]] : [];
      expect(events).toEqual([...locks, ['token_grant_failed', ann.id]]);
    }
    const right = await exchange(auth_code, verifier);
    expect(right.body.error_code).toBe('bad_code_verifier');
    expect(await auditRowsOf(app, right)).toMatchObject([{ reason: 'right verifier; locked' }]);
    expect(await sessionsOf(ann.id)).toEqual([]);
  });

  // Measured falls 6, CVE class 5.
  test('fifty at once are judged one after another', async () => {
    const ann = await addPerson(app);
    const { auth_code, verifier } = await signInLink(ann);
    await atOnce(database, ann.id, () => Array.from({ length: 50 }, () => exchange(auth_code, newVerifier())));
    const { rows } = await database.pool.query(
      `select count(*)::int as n from audit.events where subject_id = $1 and reason = 'wrong verifier'`,
      [ann.id],
    );
    expect(rows[0].n).toBe(5);
    expect((await exchange(auth_code, verifier)).body.error_code).toBe('bad_code_verifier');
  });

  test('that end with the right one are forgotten', async () => {
    const ann = await addPerson(app);
    const { auth_code, verifier } = await signInLink(ann);
    for (let guess = 1; guess <= 4; guess++) await exchange(auth_code, newVerifier());
    expect((await exchange(auth_code, verifier)).status).toBe(200);
    const { rowCount } = await database.pool.query(
      `select from gatehouse.attempts where kind = 'code_verifier' and attempts = 4`,
    );
    expect(rowCount).toBe(0);
  });
});

describe('a code lives five minutes', () => {
  test.each([
    [299, 200],
    [300, 422],
  ])('of a sign-in link from the click on: after %i s it is %i', async (seconds, status) => {
    const ann = await addPerson(app);
    const { auth_code, verifier } = await signInLink(ann);
    clock.advance(seconds);
    const response = await exchange(auth_code, verifier);
    expect(response.status).toBe(status);
    if (status !== 200) expect(response.body.error_code).toBe('flow_state_expired');
  });

  test.each([
    [299, 200],
    [300, 422],
  ])('of a recovery from the request on: after %i s it is %i', async (seconds, status) => {
    const ann = await addPerson(app);
    const flow = newFlow();
    await request.post('/recover').send({ email: ann.email, ...challengeOf(flow) });
    clock.advance(seconds);
    expect((await exchange(await clicked(ann.email), flow.verifier)).status).toBe(status);
  });
});

describe('is refused', () => {
  test.each([
    ['a banned user', `update auth.users set banned_until = '2100-01-01' where id = $1`, 400, 'user_banned'],
    ['a user banned for ever', `update auth.users set banned_until = 'infinity' where id = $1`, 400, 'user_banned'],
    ['a deleted user', 'delete from auth.users where id = $1', 404, 'flow_state_not_found'],
    ['a softly deleted user', 'update auth.users set deleted_at = now() where id = $1', 404, 'flow_state_not_found'],
  ])('the right code and verifier of %s', async (_who, change, status, error_code) => {
    const ann = await addPerson(app);
    const { auth_code, verifier } = await signInLink(ann);
    await database.pool.query(change, [ann.id]);
    const response = await exchange(auth_code, verifier);
    expect(response.body).toMatchObject({ code: status, error_code });
    expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'token_grant_failed', error_code }]);
    expect(await sessionsOf(ann.id)).toEqual([]);
  });

  // CVE class 43: whoever intercepts the link has no verifier. CVE class 17: near is not equal.
  test.each<
    [string, (flow: { auth_code: string; verifier: string; code_challenge: string }) => object, number, string]
  >([
    ['no verifier', ({ auth_code }) => ({ auth_code }), 400, 'validation_failed'],
    ['an empty verifier', ({ auth_code }) => ({ auth_code, code_verifier: '' }), 400, 'validation_failed'],
    ['no code', ({ verifier }) => ({ code_verifier: verifier }), 400, 'validation_failed'],
    [
      'the challenge itself',
      (f) => ({ auth_code: f.auth_code, code_verifier: f.code_challenge }),
      400,
      'bad_code_verifier',
    ],
    [
      'a beginning',
      (f) => ({ auth_code: f.auth_code, code_verifier: f.verifier.slice(0, -1) }),
      400,
      'bad_code_verifier',
    ],
    ['a code nobody has', (f) => ({ auth_code: randomUUID(), code_verifier: f.verifier }), 404, 'flow_state_not_found'],
    [
      'half a code',
      (f) => ({ auth_code: f.auth_code.slice(0, 18), code_verifier: f.verifier }),
      404,
      'flow_state_not_found',
    ],
    ['a number', (f) => ({ auth_code: 7, code_verifier: f.verifier }), 400, 'bad_json'],
  ])('%s, and the code is as good as before', async (_what, body, status, error_code) => {
    const ann = await addPerson(app);
    const flow = await signInLink(ann);
    const response = await request.post('/token?grant_type=pkce').send(body(flow));
    expect(response.body).toMatchObject({ code: status, error_code });
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'token_grant_failed', outcome: 'failure', error_code },
    ]);
    expect((await exchange(flow.auth_code, flow.verifier)).status).toBe(200);
  });

  // CVE class 15.
  test('the code of another flow with this verifier', async () => {
    const [ann, bob] = [await addPerson(app), await addPerson(app)];
    const [hers, his] = [await signInLink(ann), await signInLink(bob)];
    expect((await exchange(hers.auth_code, his.verifier)).body.error_code).toBe('bad_code_verifier');
  });
});
