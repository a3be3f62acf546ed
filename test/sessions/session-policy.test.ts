/** When a session may not be refreshed any more (contract §4.4), to the second: nothing lives longer than the setting says. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditRowsOf, type StartOptions, startApp, type TestApp } from '../harness/app.ts';
import { addPerson, addSignedInPerson, bearer, claimsOf, type SignedInPerson, signIn } from '../harness/people.ts';

const HOUR = 3600;

/** An app with these settings, and what its people do. */
function withSettings(settings: StartOptions['settings']) {
  const at = { app: undefined as unknown as TestApp };
  beforeAll(async () => {
    at.app = await startApp(settings ? { settings } : {});
  });
  afterAll(() => at.app.close());
  return {
    person: () => addSignedInPerson(at.app),
    again: (person: SignedInPerson) => signIn(at.app, person),
    later: (seconds: number) => at.app.clock.advance(seconds),
    refresh: ({ refresh_token }: Pick<SignedInPerson, 'refresh_token'>) =>
      at.app.request.post('/token?grant_type=refresh_token').send({ refresh_token }),
    read: ({ access_token }: Pick<SignedInPerson, 'access_token'>) =>
      at.app.request.get('/user').set(bearer(access_token)),
    auditRowsOf: (response: { headers: Record<string, string> }) => auditRowsOf(at.app, response),
    query: async (text: string, ...values: unknown[]) => (await at.app.database.pool.query(text, values)).rows,
    at,
  };
}

const refused = (why: string) => [400, 'session_expired', `Invalid Refresh Token: ${why}`];
const answer = ({ status, body }: { status: number; body: { error_code?: string; msg?: string } }) => [
  status,
  body.error_code,
  body.msg,
];

describe('a timebox', () => {
  const { person, later, refresh, read, auditRowsOf: rowsOf } = withSettings({ sessions_timebox: HOUR });

  // Class 37: boundaries, so that nothing drifts.
  it('ends refreshing at its last second, however lively the session was', async () => {
    const ann = await person();
    later(HOUR - 1);
    const last = await refresh(ann);
    expect(last.status).toBe(200);
    later(1);
    const response = await refresh(last.body);
    expect(answer(response)).toEqual(refused('Session Expired'));
    expect(await rowsOf(response)).toMatchObject([
      { action: 'token_refresh_failed', error_code: 'session_expired', subject_id: ann.id, session_id: ann.session_id },
    ]);
    expect((await read(last.body)).status).toBe(200);
  });
});

describe('a limit to inactivity', () => {
  const { person, later, refresh } = withSettings({ sessions_inactivity_timeout: HOUR });

  it('counts from the last refresh', async () => {
    const ann = await person();
    later(HOUR - 1);
    const first = await refresh(ann);
    later(HOUR - 1);
    const second = await refresh(first.body);
    expect([first.status, second.status]).toEqual([200, 200]);
    later(HOUR);
    expect(answer(await refresh(second.body))).toEqual(refused('Session Expired (Inactivity)'));
  });
});

// Class 30: whoever has a second factor does not stay at the first level.
describe('a limit to low levels', () => {
  const { person, later, refresh, query, at } = withSettings({ sessions_allow_low_aal: 600 });
  const addFactor = ({ id }: { id: string }, status = 'verified') =>
    query(
      `insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
       values (gen_random_uuid(), $1, 'totp', $2, now(), now())`,
      id,
      status,
    );
  const raise = ({ session_id }: SignedInPerson, method: string) =>
    query(
      `insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
       values (gen_random_uuid(), $1, now(), now(), $2)`,
      session_id,
      method,
    );
  const lowAal = refused('Session Expired (Low AAL: User Needs MFA Verification)');

  it('ends the session of somebody with a factor who did not show it, at its last second', async () => {
    const ann = await person();
    await addFactor(ann);
    later(599);
    const last = await refresh(ann);
    expect(last.status).toBe(200);
    later(1);
    expect(answer(await refresh(last.body))).toEqual(lowAal);
  });

  it('ends the access token as well', async () => {
    const ann = await addPerson(at.app);
    await addFactor(ann);
    const { access_token, session } = await signIn(at.app, ann);
    const { exp, iat } = claimsOf(access_token) as { exp: number; iat: number };
    expect(exp - iat).toBeLessThanOrEqual(600);
    expect(session.expires_in).toBeLessThanOrEqual(600);
  });

  it.each(['totp', 'mfa/phone', 'mfa/webauthn'])('leaves a session alone that showed one: %s', async (method) => {
    const ann = await person();
    await addFactor(ann);
    await raise(ann, method);
    later(HOUR);
    expect((await refresh(ann)).status).toBe(200);
  });

  it('is not for people without a factor, nor with one that they never verified', async () => {
    const ann = await person();
    const bob = await person();
    await addFactor(bob, 'unverified');
    later(HOUR);
    expect([(await refresh(ann)).status, (await refresh(bob)).status]).toEqual([200, 200]);
  });

  it('is for the level of the session, whatever its row says', async () => {
    const ann = await person();
    await addFactor(ann);
    await query(`update auth.sessions set aal = 'aal2' where id = $1`, ann.session_id);
    later(600);
    expect(answer(await refresh(ann))).toEqual(lowAal);
  });
});

describe('one session per user', () => {
  const { person, again, later, refresh, read, query } = withSettings({
    sessions_single_per_user: true,
    sessions_timebox: HOUR,
  });
  const superseded = refused('Session Expired (Revoked by Newer Login)');

  it('is the one used last; the others are refused and stay', async () => {
    const first = await person();
    later(1);
    const second = await again(first);
    expect(answer(await refresh(first))).toEqual(superseded);
    expect((await read(first)).status).toBe(200);
    expect((await refresh(second)).status).toBe(200);
    const rows = await query('select id from auth.sessions where user_id = $1', first.id);
    expect(rows).toHaveLength(2);
  });

  it("is nobody else's business", async () => {
    const ann = await person();
    later(1);
    await person();
    expect((await refresh(ann)).status).toBe(200);
  });

  it('may be an older one again once the newer has ended', async () => {
    const first = await person();
    later(1);
    const second = await again(first);
    await query('delete from auth.sessions where id = $1', second.session_id);
    expect((await refresh(first)).status).toBe(200);
  });

  it('is not one that is past its own end', async () => {
    const first = await person();
    later(1);
    const second = await again(first);
    await query(`update auth.sessions set not_after = created_at where id = $1`, second.session_id);
    expect((await refresh(first)).status).toBe(200);
  });
});
