/** What goes together: each gets its own answer and its own event, and nobody waits or fails for another's sake. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { occasionArgs } from '../../src/audit/record.sql.ts';
import type { Rotation } from '../../src/sessions/asked-together.sql.ts';
import { readRefreshToken } from '../../src/sessions/refresh-token.ts';
import { auditRows, startApp, statementsDuring } from '../harness/app.ts';
import { addPerson, addSignedInPerson, bearer, type SignedInPerson, signIn } from '../harness/people.ts';

const app = await startApp();
afterAll(() => app.close());

const CROWD = 18;
let crowd: SignedInPerson[];
beforeEach(async () => {
  crowd = [];
  for (let n = 0; n < CROWD; n++) crowd.push(await addSignedInPerson(app));
});

function presented({ refresh_token }: SignedInPerson, more: Partial<Rotation> = {}): Rotation {
  const token = readRefreshToken(refresh_token);
  if (!token) throw new Error('what we issued is a token');
  const request_id = randomUUID();
  const caller = {
    request_id,
    ip: '203.0.113.9',
    user_agent: `portal of ${request_id}`,
    method: 'POST',
    path: '/token',
  };
  const { session_id, counter } = token;
  return {
    session_id,
    counter,
    refresh_token_hmac_key: null,
    ...occasionArgs({ caller, now: app.clock.now() }),
    ...more,
  };
}

const rotate = (rotations: Rotation[]) => Promise.all(rotations.map(app.gatehouse.askedTogether.rotateRefreshToken));

const refresh = (refresh_token: string) => app.request.post('/token?grant_type=refresh_token').send({ refresh_token });

describe('refreshes at the same time', () => {
  it('are three statements where they are eighteen, and each is answered and recorded as itself', async () => {
    const rotations = crowd.map((person) => presented(person));
    let answers: Awaited<ReturnType<typeof rotate>> = [];
    const statements = await statementsDuring(app.gatehouse, async () => {
      answers = await rotate(rotations);
    });
    // Two at once and alone, then as many as go together.
    expect(statements).toHaveLength(3);

    for (const [n, person] of crowd.entries()) {
      const { session_id, request_id, user_agent, event_id } = rotations[n] as Rotation;
      expect(answers[n]).toMatchObject({ id: person.id, email: person.email, session_id, refresh_token_counter: 1 });
      expect(answers[n]?.identities).toMatchObject([{ user_id: person.id }]);
      expect(await auditRows(app.database, request_id)).toMatchObject([
        { id: event_id, action: 'token_refreshed', subject_id: person.id, session_id, user_agent, ip: '203.0.113.9' },
      ]);
      const { rows } = await app.database.pool.query(
        `select s.user_agent, e.payload ->> 'actor_id' as actor_id
           from auth.sessions as s, auth.audit_log_entries as e where s.id = $1 and e.id = $2`,
        [session_id, event_id],
      );
      expect(rows).toEqual([{ user_agent, actor_id: person.id }]);
    }
  });

  it('over HTTP give every client its own session and a token that works', async () => {
    const answers = await Promise.all(crowd.map(({ refresh_token }) => refresh(refresh_token)));
    for (const [n, { status, body }] of answers.entries()) {
      expect([status, body.user.id]).toEqual([200, crowd[n]?.id]);
      expect(readRefreshToken(body.refresh_token)).toMatchObject({ session_id: crowd[n]?.session_id, counter: 1 });
    }
    const again = await Promise.all(answers.map(({ body }) => refresh(body.refresh_token)));
    expect(new Set(again.map(({ status }) => status))).toEqual(new Set([200]));
  });

  it('of one token let one move on; the others are told nothing here and look under a lock', async () => {
    const [person] = crowd;
    if (!person) throw new Error('there is a crowd');
    const twins = [presented(person), presented(person), presented(person), presented(person)];
    const answers = await rotate(twins);
    expect(answers.filter((answer) => answer)).toHaveLength(1);
    const [moved] = answers.filter((answer) => answer);
    expect(moved).toMatchObject({ session_id: person.session_id, refresh_token_counter: 1 });
    const events = await auditRows(app.database);
    const theirs = events.filter(({ id }) => twins.some(({ event_id }) => event_id === id));
    expect(theirs).toHaveLength(1);
  });

  it('leave out whoever may not go on, and nobody else', async () => {
    const [banned, signedOut, forged] = [2, 3, 4];
    await app.database.pool.query(`update auth.users set banned_until = now() + interval '1 day' where id = $1`, [
      crowd[banned]?.id,
    ]);
    await app.database.pool.query('delete from auth.sessions where id = $1', [crowd[signedOut]?.session_id]);
    const answers = await rotate(
      crowd.map((person, n) => presented(person, n === forged ? { refresh_token_hmac_key: 'a key of their own' } : {})),
    );
    expect(answers.flatMap((answer, n) => (answer ? [] : [n]))).toEqual([banned, signedOut, forged]);
  });

  it('do not wait for a session that somebody holds, however long', async () => {
    const held = crowd.at(-1) as SignedInPerson;
    const client = await app.database.pool.connect();
    onTestFinished(() => client.release());
    await client.query('begin');
    await client.query('select from auth.sessions where id = $1 for update', [held.session_id]);
    const answers = await rotate(crowd.map((person) => presented(person)));
    expect(answers.flatMap((answer, n) => (answer ? [] : [n]))).toEqual([CROWD - 1]);

    // Over HTTP whoever is held waits alone, and goes on when it is over.
    const waiting = refresh(held.refresh_token).then(({ status }) => status);
    const next = await signIn(app, await addPerson(app));
    expect((await refresh(next.refresh_token)).status).toBe(200);
    await client.query('rollback');
    expect(await waiting).toBe(200);
  });

  it('fail alone where PostgreSQL refuses one of them', async () => {
    const broken = 5;
    await app.database.pool.query(`
      create function audit.refuse_one() returns trigger language plpgsql as $$
        begin if new.request_id = 'refused' then raise 'not this one'; end if; return new; end $$;
      create trigger refuse_one before insert on audit.events for each row execute function audit.refuse_one()`);
    onTestFinished(async () => {
      await app.database.pool.query('drop function audit.refuse_one() cascade');
    });
    const rotations = crowd.map((person, n) => presented(person, n === broken ? { request_id: 'refused' } : {}));
    const outcomes = await Promise.allSettled(rotations.map(app.gatehouse.askedTogether.rotateRefreshToken));
    expect(outcomes.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([broken]);
    const { rows } = await app.database.pool.query(
      'select refresh_token_counter::int as n from auth.sessions where id = $1',
      [crowd[broken]?.session_id],
    );
    expect(rows).toEqual([{ n: 0 }]);
  });
});

describe('who is signed in, asked at the same time', () => {
  const ask = (presented: { user_id: string; session_id?: string }[]) =>
    Promise.all(
      presented.map(({ user_id, session_id }) =>
        app.gatehouse.askedTogether.findSignedIn({ user_id, session_id, now: app.clock.now().toISOString() }),
      ),
    );

  it('is three statements where they are eighteen, and each learns of itself', async () => {
    let answers: Awaited<ReturnType<typeof ask>> = [];
    const statements = await statementsDuring(app.gatehouse, async () => {
      answers = await ask(crowd.map(({ id, session_id }) => ({ user_id: id, session_id })));
    });
    expect(statements).toHaveLength(3);
    for (const [n, { id, email }] of crowd.entries()) {
      expect(answers[n]).toMatchObject({ id, email, session_found: true, banned: false, deleted: false });
    }
  });

  it('over HTTP shows everybody themselves', async () => {
    const answers = await Promise.all(
      crowd.map(({ access_token }) => app.request.get('/user').set(bearer(access_token))),
    );
    expect(answers.map(({ status, body }) => [status, body.id])).toEqual(crowd.map(({ id }) => [200, id]));
  });

  it('finds nobody, no session, or somebody who is banned, each in its place', async () => {
    const [ann, bob, cara, dan, eve] = crowd as [
      SignedInPerson,
      SignedInPerson,
      SignedInPerson,
      SignedInPerson,
      SignedInPerson,
    ];
    const until = new Date(app.clock.now().getTime() + 60_000);
    await app.database.pool.query('update auth.users set banned_until = $2 where id = $1', [dan.id, until]);
    await app.database.pool.query('update auth.users set deleted_at = now() where id = $1', [eve.id]);
    const answers = await ask([
      { user_id: ann.id, session_id: ann.session_id },
      { user_id: bob.id, session_id: bob.session_id },
      { user_id: randomUUID(), session_id: ann.session_id },
      { user_id: ann.id, session_id: bob.session_id },
      { user_id: cara.id },
      { user_id: dan.id, session_id: dan.session_id },
      { user_id: eve.id, session_id: eve.session_id },
      { user_id: ann.id, session_id: ann.session_id },
    ]);
    const told = answers.map((row) => row && [row.id, row.session_found, row.banned, row.deleted]);
    expect(told).toEqual([
      [ann.id, true, false, false],
      [bob.id, true, false, false],
      undefined,
      [ann.id, false, false, false],
      [cara.id, false, false, false],
      [dan.id, true, true, false],
      [eve.id, true, false, true],
      [ann.id, true, false, false],
    ]);
  });
});
