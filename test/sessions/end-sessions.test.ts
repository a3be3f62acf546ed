/** Sessions seen and ended: by their user, and by an administrator. What is ended is refused at once, whatever it presents. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { auditRowsOf, startApp, statementsDuring, type TestApp } from '../harness/app.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import { differences } from '../harness/openapi.ts';
import { addSignedInPerson, bearer, mintJwt, type SignedInPerson, serviceKey, signIn } from '../harness/people.ts';

let app: TestApp;
let ann: SignedInPerson;
let bob: SignedInPerson;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());
beforeEach(async () => {
  ann = await addSignedInPerson(app);
  bob = await addSignedInPerson(app);
});

const hers = () => bearer(ann.access_token);
const service = () => bearer(serviceKey(app));
const refresh = (refresh_token: string) => app.request.post('/token?grant_type=refresh_token').send({ refresh_token });

/** What the session's two tokens are still good for. */
async function goesOn({ access_token, refresh_token }: SignedInPerson): Promise<[number, number]> {
  const read = await app.request.get('/user').set(bearer(access_token));
  return [read.status, (await refresh(refresh_token)).status];
}
const GOES_ON = [200, 200];
const ENDED = [403, 400];

async function sessionsOf({ id }: { id: string }): Promise<string[]> {
  const { rows } = await app.database.pool.query('select id from auth.sessions where user_id = $1 order by id', [id]);
  return rows.map((row) => row.id);
}

describe('GET /user/sessions', () => {
  it("lists the user's sessions and nobody else's, the one that asks first, then by last use", async () => {
    app.clock.advance(60);
    const second = await signIn(app, ann);
    app.clock.advance(60);
    const third = await signIn(app, ann);
    app.clock.advance(60);
    await refresh(second.refresh_token);

    const response = await app.request.get('/user/sessions').set(hers());
    expect([response.status, ...differences('GET /user/sessions', response)]).toEqual([200]);
    expect(response.body.sessions.map(({ id }: { id: string }) => id)).toEqual([
      ann.session_id,
      second.session_id,
      third.session_id,
    ]);
    expect(await auditRowsOf(app, response)).toEqual([]);
  });

  it('says when, from where and how each was used, and no more', async () => {
    app.clock.advance(60);
    const { access_token } = (await refresh(ann.refresh_token).set('User-Agent', 'portal/2')).body;
    await app.database.pool.query(
      `insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
       values (gen_random_uuid(), $1, now(), now() + interval '1 day', 'totp')`,
      [ann.session_id],
    );
    const { body } = await app.request.get('/user/sessions').set(bearer(access_token));
    const now = app.clock.now().toISOString();
    expect(body).toEqual({
      sessions: [
        {
          id: ann.session_id,
          created_at: expect.stringMatching(/Z$/),
          updated_at: expect.stringMatching(/Z$/),
          refreshed_at: expect.stringMatching(/Z$/),
          not_after: null,
          aal: 'aal2',
          amr: [
            { method: 'totp', timestamp: expect.any(Number) },
            { method: 'password', timestamp: expect.any(Number) },
          ],
          ip: '127.0.0.1',
          user_agent: 'portal/2',
          current: true,
        },
      ],
    });
    expect(Date.parse(body.sessions[0].refreshed_at)).toBe(Date.parse(now));
  });

  it('has no current one for a token without a session', async () => {
    const exp = Math.floor(app.clock.now().getTime() / 1000) + 60;
    const token = mintJwt({ sub: ann.id, aud: 'authenticated', role: 'authenticated', exp });
    const { body } = await app.request.get('/user/sessions').set(bearer(token));
    expect(body.sessions).toMatchObject([{ id: ann.session_id, current: false }]);
  });

  it('is two statements, token check included', async () => {
    const read = async () => app.request.get('/user/sessions').set(hers());
    expect(await statementsDuring(app.gatehouse, read)).toHaveLength(2);
  });
});

describe('DELETE /user/sessions/{session_id}', () => {
  const end = (id: string, token = ann.access_token) => app.request.delete(`/user/sessions/${id}`).set(bearer(token));

  it('ends another session of the user and leaves this one, on record as a sign-out of the one that ended', async () => {
    const phone = await signIn(app, ann);
    const response = await end(phone.session_id);

    expect([response.status, response.text]).toEqual([204, '']);
    expect(await goesOn(phone)).toEqual(ENDED);
    expect(await goesOn(ann)).toEqual(GOES_ON);
    expect(await auditRowsOf(app, response)).toMatchObject([
      {
        action: 'logout',
        outcome: 'success',
        actor_id: ann.id,
        subject_id: ann.id,
        session_id: phone.session_id,
        details: { by_session: ann.session_id },
      },
    ]);
    const { rows } = await app.database.pool.query(
      `select payload from auth.audit_log_entries
        where payload ->> 'actor_id' = $1 and payload ->> 'action' = 'logout'`,
      [ann.id],
    );
    expect(rows).toHaveLength(1);
  });

  it('ends the session that asks', async () => {
    expect((await end(ann.session_id)).status).toBe(204);
    expect(await goesOn(ann)).toEqual(ENDED);
  });

  it('is two statements, token check and audit row included', async () => {
    const phone = await signIn(app, ann);
    expect(await statementsDuring(app.gatehouse, async () => end(phone.session_id))).toHaveLength(2);
  });

  // Class 26: what is somebody else's looks as if it did not exist.
  it.each([
    ["another user's session", () => bob.session_id],
    ['a session that never was', () => randomUUID()],
    ["one's own id", () => ann.id],
  ])('knows no session for %s', async (_, id) => {
    const before = await fingerprint(app.database);
    const response = await end(id());
    expect([response.status, response.body]).toEqual([
      404,
      { code: 404, error_code: 'validation_failed', msg: 'Session not found' },
    ]);
    expect(await fingerprint(app.database)).toEqual(before);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'logout_failed', outcome: 'failure', error_code: 'validation_failed', actor_id: ann.id },
    ]);
    expect(differences('DELETE /user/sessions/{session_id}', response)).toEqual([]);
  });

  // Class 27: no other spelling of an id leads to another route or to a query.
  it.each(['x', '%20', '..%2f..%2fadmin', `{${randomUUID()}}`, "'--", randomUUID().replaceAll('-', '')])(
    'says that %s is no id',
    async (id) => {
      const response = await end(id);
      expect([response.status, response.body.msg]).toEqual([404, 'session_id must be an UUID']);
    },
  );

  it('of twenty parallel ends of one session records one', async () => {
    const phone = await signIn(app, ann);
    const answers = await Promise.all(Array.from({ length: 20 }, () => end(phone.session_id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array(19).fill(404)]);
    const { rows } = await app.database.pool.query(
      `select action, count(*) as n from audit.events where subject_id = $1 and session_id = $2 and action = 'logout'
        group by 1`,
      [ann.id, phone.session_id],
    );
    expect(rows).toEqual([{ action: 'logout', n: 1 }]);
  });
});

describe('an administrator', () => {
  it('sees the sessions of a user', async () => {
    const phone = await signIn(app, ann);
    const response = await app.request.get(`/admin/users/${ann.id}/sessions`).set(service());
    expect([response.status, ...differences('GET /admin/users/{user_id}/sessions', response)]).toEqual([200]);
    const ids = response.body.sessions.map(({ id }: { id: string }) => id);
    expect(ids.toSorted()).toEqual([ann.session_id, phone.session_id].sort());
    expect(response.body.sessions[0]).not.toHaveProperty('current');
    expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'users_read', subject_id: ann.id }]);
  });

  it("ends every session of a user, and nobody else's", async () => {
    const phone = await signIn(app, ann);
    const response = await app.request.delete(`/admin/users/${ann.id}/sessions`).set(service());

    expect([response.status, response.body]).toEqual([200, { ended: 2 }]);
    expect(await goesOn(ann)).toEqual(ENDED);
    expect(await goesOn(phone)).toEqual(ENDED);
    expect(await goesOn(bob)).toEqual(GOES_ON);
    expect(await auditRowsOf(app, response)).toMatchObject([
      {
        action: 'sessions_revoked',
        outcome: 'success',
        actor_id: null,
        actor_name: 'service_role',
        subject_id: ann.id,
        session_id: null,
        details: { sessions: 2 },
      },
    ]);
    const again = await app.request.delete(`/admin/users/${ann.id}/sessions`).set(service());
    expect(again.body).toEqual({ ended: 0 });
    expect(await auditRowsOf(app, again)).toHaveLength(1);
  });

  it('ends one session of a user', async () => {
    const phone = await signIn(app, ann);
    const response = await app.request.delete(`/admin/users/${ann.id}/sessions/${phone.session_id}`).set(service());
    expect([response.status, response.text]).toEqual([204, '']);
    expect(await sessionsOf(ann)).toEqual([ann.session_id]);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'sessions_revoked', subject_id: ann.id, session_id: phone.session_id, details: { sessions: 1 } },
    ]);
  });

  it.each([
    ["another user's session", () => `/admin/users/${ann.id}/sessions/${bob.session_id}`, 'validation_failed'],
    ['no session', () => `/admin/users/${ann.id}/sessions/${randomUUID()}`, 'validation_failed'],
    ['no id of a session', () => `/admin/users/${ann.id}/sessions/x`, 'validation_failed'],
    ['nobody', () => `/admin/users/${randomUUID()}/sessions/${ann.session_id}`, 'user_not_found'],
    ['nobody at all', () => `/admin/users/${randomUUID()}/sessions`, 'user_not_found'],
    ['no id', () => `/admin/users/x/sessions`, 'validation_failed'],
  ])('is told of %s that there is none', async (_, path, error_code) => {
    const before = await fingerprint(app.database);
    const response = await app.request.delete(path()).set(service());
    expect([response.status, response.body.error_code]).toEqual([404, error_code]);
    expect(await fingerprint(app.database)).toEqual(before);
    expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'admin_request_failed', error_code }]);
  });

  it('ends a session that begins at the same time, or it begins afterwards', async () => {
    const ends = () => app.request.delete(`/admin/users/${ann.id}/sessions`).set(service());
    const [begun, ended] = await Promise.all([signIn(app, ann), ends()]);
    const left = await sessionsOf(ann);
    expect([begun.session_id, ...left]).toHaveLength(ended.body.ended === 2 ? 1 : 2);
  });
});

describe('DELETE /admin/sessions', () => {
  const everyone = (body: object | undefined) => app.request.delete('/admin/sessions').set(service()).send(body);

  it.each([
    ['nothing', undefined, 'bad_json'],
    ['an empty body', {}, 'validation_failed'],
    ['a word', { confirm: 'yes' }, 'validation_failed'],
    ['true', { confirm: true }, 'bad_json'],
  ])('signs nobody out for %s', async (_, body, error_code) => {
    const before = await fingerprint(app.database);
    const response = await everyone(body);
    expect([response.status, response.body.error_code]).toEqual([400, error_code]);
    expect(await fingerprint(app.database)).toEqual(before);
    expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'admin_request_failed', error_code }]);
  });

  it('signs everyone out, and says so in one event', async () => {
    const { rows } = await app.database.pool.query('select count(*) as n from auth.sessions');
    const response = await everyone({ confirm: 'sign out everyone' });
    expect([response.status, response.body]).toEqual([200, { ended: rows[0].n }]);
    expect(differences('DELETE /admin/sessions', response)).toEqual([]);
    expect(await goesOn(ann)).toEqual(ENDED);
    expect(await goesOn(bob)).toEqual(ENDED);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'everyone_signed_out', subject_id: null, actor_name: 'service_role', details: { sessions: rows[0].n } },
    ]);
    expect(await goesOn(await signIn(app, ann))).toEqual(GOES_ON);
  });

  // Without the lock it would not see a session whose sign-in has yet to be committed, and leave it.
  it('ends a session that is about to be there, and is waited for by what comes after it', async () => {
    const holder = await app.database.pool.connect();
    const waiting = async () => (await app.database.pool.query(WAITING)).rows[0].n;
    try {
      await holder.query('begin');
      const { rows } = await holder.query(
        `insert into auth.sessions (id, user_id, created_at, updated_at, refresh_token_counter)
         values (gen_random_uuid(), $1, now(), now(), 0) returning id`,
        [bob.id],
      );
      const ended = everyone({ confirm: 'sign out everyone' }).then((answer) => answer);
      await expect.poll(waiting, { timeout: 10_000 }).toBe(1);
      const late = refresh(ann.refresh_token).then((answer) => answer);
      await expect.poll(waiting, { timeout: 10_000 }).toBe(2);
      await holder.query('commit');
      expect((await ended).status).toBe(200);
      expect((await late).body.error_code).toBe('refresh_token_not_found');
      expect(await sessionsOf(bob)).not.toContain(rows[0].id);
    } finally {
      holder.release();
    }
  });
  const WAITING = `select count(*) as n from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock'`;
});

// Class 26 (IDOR): who may end whose session. Class 35: nobody ends one without a proof of who they are.
describe('actor × object', () => {
  type Actor = 'ann' | 'bob' | 'nobody' | 'service';
  const tokens = {
    ann: () => ann.access_token,
    bob: () => bob.access_token,
    nobody: () => '',
    service: () => serviceKey(app),
  };
  const routes: [path: () => string, mayEnd: Actor[]][] = [
    [() => `/user/sessions/${ann.session_id}`, ['ann']],
    [() => `/user/sessions/${bob.session_id}`, ['bob']],
    [() => `/admin/users/${ann.id}/sessions/${ann.session_id}`, ['service']],
    [() => `/admin/users/${ann.id}/sessions`, ['service']],
    [() => `/admin/users/${bob.id}/sessions`, ['service']],
  ];

  test.each(routes)('%s', async (path, mayEnd) => {
    for (const actor of ['ann', 'bob', 'nobody', 'service'] as const) {
      [ann, bob] = [await addSignedInPerson(app), await addSignedInPerson(app)];
      const before = await fingerprint(app.database);
      const { status } = await app.request.delete(path()).set(bearer(tokens[actor]()));
      const changed = JSON.stringify(await fingerprint(app.database)) !== JSON.stringify(before);
      expect([actor, status < 300, changed]).toEqual([actor, mayEnd.includes(actor), mayEnd.includes(actor)]);
    }
  });
});
