/** The one way into the audit log: what stands in it, and that nothing happens which it does not have. */
import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../src/audit/events.ts';
import { occasionArgs, recorded } from '../../src/audit/record.sql.ts';
import { record, recordRefusal } from '../../src/audit/record.ts';
import { inTransaction } from '../../src/db/database.ts';
import { arg, statement } from '../../src/db/statement.ts';
import { AuthError } from '../../src/errors.ts';
import type { Occasion } from '../../src/http/caller.ts';
import { freshDatabase, type TestDatabase } from '../harness/postgres.ts';

let database: TestDatabase;
let ada: string;

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  ada = randomUUID();
  await database.pool.query(
    `insert into auth.users (id, email, role, raw_user_meta_data) values ($1, $2, 'authenticated', '{"full_name":"Ada"}')`,
    [ada, `${ada}@example.com`],
  );
});

const occasion: Occasion = {
  caller: { request_id: 'a-request', ip: '2001:db8::7', user_agent: 'curl/8', method: 'POST', path: '/token' },
  now: new Date('2026-11-25T12:00:00.123Z'),
};

async function written() {
  const where = `where subject_id = '${ada}'`;
  const { rows: events } = await database.pool.query(
    `select occurred_at, action, outcome, error_code, reason, actor_id, actor_role, actor_name, subject_id, session_id,
            host(ip) as ip, user_agent, request_id, method, path, details
       from audit.events ${where} order by id`,
  );
  const { rows: entries } = await database.pool.query(
    `select payload, created_at, ip_address
       from auth.audit_log_entries where id in (select id from audit.events ${where}) order by id`,
  );
  return { events, entries };
}

const audienceOf = async () =>
  (await database.pool.query('select aud from auth.users where id = $1', [ada])).rows[0]?.aud;

/** Until the test is over, nothing can be added to the log. */
async function closeLog() {
  await database.pool.query('alter table audit.events add constraint closed check (false) not valid');
}
afterEach(() => database.pool.query('alter table audit.events drop constraint if exists closed'));

const login = (): AuditEvent => ({
  action: 'login',
  outcome: 'success',
  actor: { id: ada, role: 'authenticated', username: 'ada@example.com', full_name: 'Ada' },
  subject_id: ada,
  session_id: '11111111-1111-4111-8111-111111111111',
  details: { provider: 'email' },
  remarks: { engine: 'argon2id' },
});

const write = (event: AuditEvent, on: Occasion = occasion) => inTransaction(database.db, (tx) => record(tx, event, on));

describe('an event', () => {
  // CVE class 62: an event is a row of its own, whatever else the request did.
  it('says who, what, whom, from where and when; GoTrue has its own row of it, with traits alone', async () => {
    await write(login());
    expect(await written()).toEqual({
      events: [
        {
          occurred_at: '2026-11-25T12:00:00.123Z',
          action: 'login',
          outcome: 'success',
          error_code: null,
          reason: null,
          actor_id: ada,
          actor_role: 'authenticated',
          actor_name: null,
          subject_id: ada,
          session_id: '11111111-1111-4111-8111-111111111111',
          ip: '2001:db8::7',
          user_agent: 'curl/8',
          request_id: 'a-request',
          method: 'POST',
          path: '/token',
          details: { provider: 'email', engine: 'argon2id' },
        },
      ],
      entries: [
        {
          payload: {
            action: 'login',
            actor_id: ada,
            actor_name: 'Ada',
            actor_username: 'ada@example.com',
            actor_via_sso: false,
            log_type: 'account',
            traits: { provider: 'email' },
          },
          created_at: '2026-11-25T12:00:00.123Z',
          ip_address: '2001:db8::7',
        },
      ],
    });
  });

  it('that GoTrue does not record is not among its entries', async () => {
    await write({ ...login(), action: 'role_granted' });
    await write({ ...login(), outcome: 'failure', error_code: 'user_banned' });
    const { events, entries } = await written();
    expect([events.length, entries.length]).toEqual([2, 0]);
  });

  it('is in our log alone where GoTrue’s is switched off', async () => {
    await write(login(), { ...occasion, without_gotrue_audit: true });
    const { events, entries } = await written();
    expect([events.length, entries.length]).toEqual([1, 0]);
  });

  it('of an actor without id has a name', async () => {
    await write({ ...login(), actor: { role: 'service_role', username: 'service_role' } });
    expect((await written()).events).toMatchObject([
      { actor_id: null, actor_role: 'service_role', actor_name: 'service_role' },
    ]);
  });

  it('is not there when the transaction that it describes did not commit', async () => {
    const work = inTransaction(database.db, async (tx) => {
      await record(tx, login(), occasion);
      throw new Error('later');
    });
    await expect(work).rejects.toThrow('later');
    expect((await written()).events).toEqual([]);
  });

  it('is written before the change it describes is committed, or neither is', async () => {
    await closeLog();
    const before = await audienceOf();
    const work = inTransaction(database.db, async (tx) => {
      await tx.$client.query(`update auth.users set aud = 'changed' where id = $1`, [ada]);
      await record(tx, login(), occasion);
    });
    await expect(work).rejects.toMatchObject({ constraint: 'closed' });
    expect(await audienceOf()).toBe(before);
    expect(await written()).toEqual({ events: [], entries: [] });
  });
});

describe('a refusal', () => {
  const refusal = () => new AuthError('invalid_credentials', { reason: 'wrong password' });

  it('is recorded with its code and the reason that nobody is told, and knows that it is', async () => {
    const refused = refusal();
    const same = await recordRefusal(database.db, refused, { action: 'login_failed', subject_id: ada }, occasion);
    expect(same).toBe(refused);
    expect(refused.recorded).toBe(true);
    expect((await written()).events).toMatchObject([
      { action: 'login_failed', outcome: 'failure', error_code: 'invalid_credentials', reason: 'wrong password' },
    ]);
  });

  it('is kept, with what it changed, when a transaction returns it', async () => {
    const work = inTransaction(database.db, async (tx) => {
      await tx.$client.query(`update auth.users set aud = 'changed' where id = $1`, [ada]);
      return recordRefusal(tx, refusal(), { action: 'login_failed', subject_id: ada }, occasion);
    });
    await expect(work).rejects.toBeInstanceOf(AuthError);
    expect(await audienceOf()).toBe('changed');
    expect((await written()).events).toHaveLength(1);
  });

  it('that cannot be recorded is a fault, and changes nothing', async () => {
    await closeLog();
    const before = await audienceOf();
    const refused = refusal();
    const work = inTransaction(database.db, async (tx) => {
      await tx.$client.query(`update auth.users set aud = 'changed' where id = $1`, [ada]);
      return recordRefusal(tx, refused, { action: 'login_failed', subject_id: ada }, occasion);
    });
    await expect(work).rejects.toMatchObject({ constraint: 'closed' });
    expect(refused.recorded).toBe(false);
    expect(await audienceOf()).toBe(before);
  });
});

describe('a change that is one statement', () => {
  const change = statement<Record<string, unknown>, { id: string }>(
    'change_and_record',
    sql`
    with changed as (
      update auth.users set aud = ${arg('aud')}::text where id = ${arg('id')}::uuid returning *),
    ${recorded(sql`changed`, { action: 'user_modified', user: sql`changed`, session_id: sql`null::uuid` })}
    select id from changed`,
  );
  const args = (on: Occasion = occasion) => ({ ...occasionArgs(on), id: ada, aud: 'changed' });

  it('has one event in the same statement, and GoTrue’s row', async () => {
    expect(await change(database.db, args())).toEqual([{ id: ada }]);
    expect(await written()).toMatchObject({
      events: [{ action: 'user_modified', outcome: 'success', actor_id: ada, subject_id: ada, ip: '2001:db8::7' }],
      entries: [{ payload: { action: 'user_modified', actor_id: ada, actor_name: 'Ada', log_type: 'user' } }],
    });
  });

  it('has the event alone where GoTrue’s log is switched off', async () => {
    await change(database.db, args({ ...occasion, without_gotrue_audit: true }));
    const { events, entries } = await written();
    expect([events.length, entries.length]).toEqual([1, 0]);
  });

  it('has no event when it changes nothing', async () => {
    expect(await change(database.db, { ...args(), id: randomUUID() })).toEqual([]);
    expect((await written()).events).toEqual([]);
  });

  it('does not happen when its event cannot be written', async () => {
    await closeLog();
    const before = await audienceOf();
    await expect(change(database.db, args())).rejects.toMatchObject({ constraint: 'closed' });
    expect(await audienceOf()).toBe(before);
  });
});
