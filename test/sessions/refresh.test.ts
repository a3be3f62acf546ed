/** Refresh tokens work once: rotation, lost answers, replays, races, bans, policies, and tokens that Supabase issued. */
import { createHash, createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, it, test } from 'vitest';
import { readRefreshToken, writeRefreshToken } from '../../src/sessions/refresh-token.ts';
import { auditRows, auditRowsOf, startApp } from '../harness/app.ts';
import { addPerson, addSignedInPerson, bearer, claimsOf, type SignedInPerson } from '../harness/people.ts';

const app = await startApp();
afterAll(() => app.close());

let ann: SignedInPerson;
beforeEach(async () => {
  ann = await addSignedInPerson(app);
});

const refresh = (refresh_token: string) => app.request.post('/token?grant_type=refresh_token').send({ refresh_token });

async function refreshed(refresh_token: string): Promise<string> {
  const { status, body } = await refresh(refresh_token);
  expect([status, body.error_code]).toEqual([200, undefined]);
  return body.refresh_token;
}

async function sessionRow(id = ann.session_id) {
  const { rows } = await app.database.pool.query('select * from auth.sessions where id = $1', [id]);
  return rows[0];
}

const isLetIn = async ({ access_token }: SignedInPerson) =>
  (await app.request.get('/user').set(bearer(access_token))).status === 200;

const already = ['refresh_token_already_used', 'Invalid Refresh Token: Already Used'];
const notFound = ['refresh_token_not_found', 'Invalid Refresh Token: Refresh Token Not Found'];

describe('an ordinary refresh', () => {
  it('moves the counter on, tells where it came from, and leaves one event', async () => {
    const answer = await refresh(ann.refresh_token).set('user-agent', 'portal/2');
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'cache-control': 'no-store',
      'sb-auth-user-id': ann.id,
      'sb-auth-session-id': ann.session_id,
      'sb-auth-refresh-token-counter': '1',
      'sb-auth-refresh-token-reuse': 'false',
    });
    expect(readRefreshToken(answer.body.refresh_token)).toMatchObject({ session_id: ann.session_id, counter: 1 });
    expect(await sessionRow()).toMatchObject({
      refresh_token_counter: 1,
      user_agent: 'portal/2',
      refresh_token_hmac_key: null,
    });
    const events = await auditRowsOf(app, answer);
    expect(events).toMatchObject([
      {
        action: 'token_refreshed',
        outcome: 'success',
        subject_id: ann.id,
        session_id: ann.session_id,
        user_agent: 'portal/2',
      },
    ]);
  });

  it('puts the user as they are now into the access token', async () => {
    await app.database.pool.query(
      `update auth.users set role = 'editor', aud = 'partners', raw_app_meta_data = '{"plan": "gold"}' where id = $1`,
      [ann.id],
    );
    const { body } = await refresh(ann.refresh_token);
    expect(claimsOf(body.access_token)).toMatchObject({
      role: 'editor',
      aud: 'partners',
      app_metadata: { plan: 'gold' },
    });
  });
});

describe('a token that was used before', () => {
  it('is answered with the current one if it is the one before it, however late', async () => {
    const current = await refreshed(ann.refresh_token);
    app.clock.advance(86_400);
    const answer = await refresh(ann.refresh_token);
    expect(answer.body.refresh_token).toBe(current);
    expect(answer.headers['sb-auth-refresh-token-reuse']).toBe('true');
    expect(await sessionRow()).toMatchObject({ refresh_token_counter: 1 });
    expect((await auditRowsOf(app, answer)).map(({ action, details }) => [action, details])).toEqual([
      ['token_refreshed', { repeated: true }],
    ]);
  });

  it('is answered with the current one if it is older, within the reuse interval', async () => {
    const second = await refreshed(ann.refresh_token);
    const third = await refreshed(second);
    app.clock.advance(9);
    expect(await refreshed(ann.refresh_token)).toBe(third);
  });

  // CVE class 4: the family dies, access token included.
  it('ends the session beyond the interval, and with it every token of it', async () => {
    const second = await refreshed(ann.refresh_token);
    const third = await refreshed(second);
    app.clock.advance(11);
    const replay = await refresh(ann.refresh_token);
    expect([replay.status, replay.body.error_code, replay.body.msg]).toEqual([400, ...already]);
    expect(await sessionRow()).toBeUndefined();
    expect(await isLetIn(ann)).toBe(false);
    const owner = await refresh(third);
    expect([owner.status, owner.body.error_code, owner.body.msg]).toEqual([400, ...notFound]);
    expect(await auditRowsOf(app, replay)).toMatchObject([
      {
        action: 'refresh_token_reused',
        outcome: 'failure',
        error_code: 'refresh_token_already_used',
        reason: 'replayed beyond the reuse interval: session ended',
        subject_id: ann.id,
        session_id: ann.session_id,
      },
    ]);
  });

  // Contract appendix C, "Refresh": GoTrue forgives older tokens for another ten seconds after each repetition.
  it('a repetition of the previous token opens no new interval for older ones', async () => {
    const second = await refreshed(ann.refresh_token);
    await refreshed(second);
    app.clock.advance(11);
    await refreshed(second);
    expect((await refresh(ann.refresh_token)).body.error_code).toBe('refresh_token_already_used');
  });

  it('a stolen one ends its own session and no other', async () => {
    const other = await app.request
      .post('/token?grant_type=password')
      .send({ email: ann.email, password: ann.password });
    const second = await refreshed(ann.refresh_token);
    await refreshed(second);
    app.clock.advance(11);
    expect((await refresh(ann.refresh_token)).status).toBe(400);
    await refreshed(other.body.refresh_token);
  });
});

describe('races', () => {
  // CVE classes 1 and 2.
  it('twenty refreshes of one token at once: one successor, and everybody has it', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(ann.refresh_token)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
    expect(await sessionRow()).toMatchObject({ refresh_token_counter: 1 });
  });

  it('a refresh that races a sign-out brings nobody back', async () => {
    const [, ...refreshes] = await Promise.all([
      app.request.post('/logout').set(bearer(ann.access_token)),
      ...Array.from({ length: 10 }, () => refresh(ann.refresh_token)),
    ]);
    for (const { status, body } of refreshes) {
      if (status === 200) expect((await refresh(body.refresh_token)).body.error_code).toBe('refresh_token_not_found');
      else expect(body.error_code).toBe('refresh_token_not_found');
    }
    expect(await sessionRow()).toBeUndefined();
  });
});

describe('refused, with the session as it was', () => {
  const forged = (session_id: string, counter = 0) =>
    writeRefreshToken(session_id, counter, createSecretKey(randomBytes(32)));
  test.each([
    ['nothing', () => '', 'validation_failed'],
    ['a word', () => 'nonsense', 'validation_failed'],
    ['an access token', () => ann.access_token, 'validation_failed'],
    ['a truncated token', () => ann.refresh_token.slice(0, -2), 'validation_failed'],
    ['one signed by somebody else', () => forged(ann.session_id), 'refresh_token_not_found'],
    ['one of a session that never was', () => forged(randomUUID()), 'refresh_token_not_found'],
    ['a legacy token that never was', () => 'abcdefghijkl', 'refresh_token_not_found'],
    ['one of 22 characters that never was', () => randomBytes(16).toString('base64url'), 'refresh_token_not_found'],
  ])('%s', async (_what, token, error_code) => {
    const before = await sessionRow();
    const answer = await refresh(token());
    expect([answer.status, answer.body.error_code]).toEqual([400, error_code]);
    expect(await auditRowsOf(app, answer)).toMatchObject([
      { action: 'token_refresh_failed', outcome: 'failure', error_code },
    ]);
    expect(await sessionRow()).toEqual(before);
  });

  test('a token from the future', async () => {
    const second = await refreshed(ann.refresh_token);
    await app.database.pool.query('update auth.sessions set refresh_token_counter = 0 where id = $1', [ann.session_id]);
    const { body } = await refresh(second);
    expect([body.error_code, body.msg]).toEqual([
      'validation_failed',
      'Invalid Refresh Token: Not Issued By This Server',
    ]);
  });

  test('a banned user, until the ban is over; the event says whose token it was', async () => {
    await app.database.pool.query('update auth.users set banned_until = $2 where id = $1', [
      ann.id,
      new Date(app.clock.now().getTime() + 3_600_000),
    ]);
    const answer = await refresh(ann.refresh_token);
    expect([answer.status, answer.body.error_code]).toEqual([400, 'user_banned']);
    expect(await auditRowsOf(app, answer)).toMatchObject([{ action: 'token_refresh_failed', subject_id: ann.id }]);
    app.clock.advance(3_601);
    await refreshed(ann.refresh_token);
  });

  test('a user who was deleted softly by a row alone (contract appendix C, *fix*)', async () => {
    await app.database.pool.query('update auth.users set deleted_at = now() where id = $1', [ann.id]);
    expect((await refresh(ann.refresh_token)).body.error_code).toBe('session_not_found');
    expect(await isLetIn(ann)).toBe(false);
  });

  test.each([
    ['past its end', `not_after = '2000-01-01'`, 'Session Expired'],
    ['older than its timebox', `created_at = created_at - interval '2 days'`, 'Session Expired'],
    ['unused for too long', `created_at = created_at - interval '2 hours'`, 'Session Expired (Inactivity)'],
  ])('a session %s', async (_what, change, message) => {
    const strict = await startApp({
      database: app.database,
      mailbox: app.mailbox,
      clock: app.clock,
      settings: { sessions_timebox: 86_400, sessions_inactivity_timeout: 3600 },
    });
    try {
      await app.database.pool.query(`update auth.sessions set ${change} where id = $1`, [ann.session_id]);
      const answer = await strict.request
        .post('/token?grant_type=refresh_token')
        .send({ refresh_token: ann.refresh_token });
      expect([answer.body.error_code, answer.body.msg]).toEqual([
        'session_expired',
        `Invalid Refresh Token: ${message}`,
      ]);
      expect(await sessionRow()).toBeDefined();
    } finally {
      await strict.close();
    }
  });
});

describe('sessions that came from Supabase', () => {
  /** A session as Supabase leaves it, with what it holds of its refresh token. */
  async function carriedOver(columns: { key?: string; counter?: number } = {}): Promise<string> {
    const id = randomUUID();
    const now = app.clock.now();
    await app.database.pool.query(
      `insert into auth.sessions (id, user_id, created_at, updated_at, aal, refresh_token_hmac_key, refresh_token_counter)
       values ($1, $2, $3, $3, 'aal1', $4, $5)`,
      [id, ann.id, now, columns.key ?? null, columns.counter ?? null],
    );
    await app.database.pool.query(
      `insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
       values (gen_random_uuid(), $1, $2, $2, 'password')`,
      [id, now],
    );
    return id;
  }

  async function addLegacyToken(session_id: string | null, token: string, { revoked = false, hashed = true } = {}) {
    await app.database.pool.query(
      `insert into auth.refresh_tokens (instance_id, token, user_id, revoked, created_at, updated_at, session_id)
       values ('00000000-0000-0000-0000-000000000000', $1, $2, $3, $4, $4, $5)`,
      [hashed ? createHash('sha256').update(token).digest('hex') : token, ann.id, revoked, app.clock.now(), session_id],
    );
  }
  const legacyToken = () => randomBytes(6).toString('hex');

  it('a counter token that Supabase signed goes on with the key it has', async () => {
    const bytes = randomBytes(32);
    const key = createSecretKey(bytes);
    const id = await carriedOver({ key: bytes.toString('base64url'), counter: 4 });
    const next = await refreshed(writeRefreshToken(id, 4, key));
    expect(next).toBe(writeRefreshToken(id, 5, key));
    expect(await refreshed(next)).toBe(writeRefreshToken(id, 6, key));
    // The derived key has no power over it.
    const derived = writeRefreshToken(id, 6, createSecretKey(randomBytes(32)));
    expect((await refresh(derived)).body.error_code).toBe('refresh_token_not_found');
  });

  test.each([
    ['12 characters, kept as SHA-256', legacyToken, true],
    ['12 characters, in clear, in a database that was adopted', legacyToken, false],
    ['22 characters', () => randomBytes(16).toString('base64url'), true],
  ])('a legacy token works, of %s, and is replaced by a counter token', async (_what, make, hashed) => {
    const id = await carriedOver();
    const token = make();
    await addLegacyToken(id, token, { hashed });
    const next = await refreshed(token);
    expect(readRefreshToken(next)).toMatchObject({ session_id: id, counter: 0 });
    expect(await refreshed(token)).toBe(next);
    await refreshed(next);
    const { rows } = await app.database.pool.query(
      'select count(*)::int as active from auth.refresh_tokens where session_id = $1 and not revoked',
      [id],
    );
    expect(rows).toEqual([{ active: 0 }]);
  });

  it('the SHA-256 of a token, which a reader of the database knows, is no token', async () => {
    const token = legacyToken();
    await addLegacyToken(await carriedOver(), token);
    const stored = createHash('sha256').update(token).digest('hex');
    expect((await refresh(stored)).body.error_code).toBe('validation_failed');
  });

  it('a legacy token replayed after its session has moved on ends the session', async () => {
    const id = await carriedOver();
    const token = legacyToken();
    await addLegacyToken(id, token);
    await refreshed(await refreshed(token));
    app.clock.advance(11);
    expect((await refresh(token)).body.error_code).toBe('refresh_token_already_used');
    expect(await sessionRow(id)).toBeUndefined();
  });

  it('one that Supabase revoked long ago, with two after it, betrays a thief', async () => {
    const id = await carriedOver();
    const [oldest, parent, active] = [legacyToken(), legacyToken(), legacyToken()];
    await addLegacyToken(id, oldest, { revoked: true });
    await addLegacyToken(id, parent, { revoked: true });
    await addLegacyToken(id, active);
    app.clock.advance(11);
    expect((await refresh(oldest)).body.error_code).toBe('refresh_token_already_used');
    expect((await refresh(active)).body.error_code).toBe('refresh_token_not_found');
  });

  it('the parent of the active one still works, however late', async () => {
    const id = await carriedOver();
    const [parent, active] = [legacyToken(), legacyToken()];
    await addLegacyToken(id, parent, { revoked: true });
    await addLegacyToken(id, active);
    app.clock.advance(86_400);
    const next = await refreshed(parent);
    expect(await refreshed(active)).toBe(next);
  });

  it('twenty refreshes of one legacy token at once: one successor', async () => {
    const id = await carriedOver();
    const token = legacyToken();
    await addLegacyToken(id, token);
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(token)));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.refresh_token}`)).size).toBe(1);
    expect(await sessionRow(id)).toMatchObject({ refresh_token_counter: 0 });
  });

  it('a token from before there were sessions is refused once, and gone', async () => {
    const token = legacyToken();
    await addLegacyToken(null, token);
    expect((await refresh(token)).body.error_code).toBe('session_not_found');
    expect((await refresh(token)).body.error_code).toBe('refresh_token_not_found');
  });
});

test('the secret of the tokens is in no row, and no token in the log or the audit log', async () => {
  const person = await addPerson(app);
  const { body } = await app.request
    .post('/token?grant_type=password')
    .send({ email: person.email, password: person.password });
  const second = await refreshed(body.refresh_token);
  await refresh(second.slice(0, -1));
  const everything = JSON.stringify(await auditRows(app.database)) + app.log.written();
  for (const token of [body.refresh_token, body.access_token, second]) expect(everything).not.toContain(token);
});
