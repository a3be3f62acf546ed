/** The ledger of migrations is only ever added to, and an entry that was changed behind its back is found. */
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { appendToLedger, findBrokenEntry } from '../../src/migrate/ledger.sql.ts';
import { freshDatabase, type TestDatabase } from '../harness/postgres.ts';

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  client = new pg.Client(database.url);
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});
beforeEach(async () => {
  await client.query('begin');
  for (const step of ['started', 'proved', 'finished'] as const) {
    const run_id = '44444444-4444-4444-8444-444444444444';
    await appendToLedger(client, { run_id, at: new Date('2026-11-01T12:00:00.123Z'), step, details: { step, n: 1.5 } });
  }
});
afterEach(() => client.query('rollback'));

test('an untouched ledger holds together, whatever time zone it is read in', async () => {
  await client.query("set local timezone = 'Asia/Kathmandu'");
  expect(await findBrokenEntry(client)).toBeUndefined();
});

test.each([
  ['an update', "update gatehouse.migration_ledger set step = 'failed'"],
  ['a delete', 'delete from gatehouse.migration_ledger'],
  ['a truncate', 'truncate gatehouse.migration_ledger'],
])('%s is refused', async (_, statement) => {
  await client.query('savepoint before');
  await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' });
  await client.query('rollback to before; set local session_replication_role = replica');
  await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' });
});

test.each([
  ['changed details', `update gatehouse.migration_ledger set details = '{"n": 2}' where step = 'proved'`, 'proved'],
  [
    'another time',
    "update gatehouse.migration_ledger set at = at + interval '1 microsecond' where step = 'proved'",
    'proved',
  ],
  ['another run', "update gatehouse.migration_ledger set run_id = gen_random_uuid() where step = 'started'", 'started'],
  ['a missing entry', "delete from gatehouse.migration_ledger where step = 'proved'", 'finished'],
  ['a missing first entry', "delete from gatehouse.migration_ledger where step = 'started'", 'proved'],
])('%s, by somebody who can turn the guard off, is found', async (_, statement, broken) => {
  await client.query('alter table gatehouse.migration_ledger disable trigger refuse_ledger_change');
  await client.query(statement);

  const id = await findBrokenEntry(client);

  const { rows } = await client.query('select step from gatehouse.migration_ledger where id = $1', [id]);
  expect(rows).toEqual([{ step: broken }]);
});
