/** The ledger of migrations is only ever added to, and an entry that was changed behind its back is found. */
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { appendToLedger, findBrokenEntry } from '../../src/migrate/ledger.sql.ts';
import { freshDatabase, type TestDatabase } from '../harness/postgres.ts';

let database: TestDatabase;
let client: pg.Client;

beforeEach(async () => {
  database = await freshDatabase();
  client = new pg.Client(database.url);
  await client.connect();
  for (const step of ['started', 'proved', 'finished'] as const) {
    const run_id = '44444444-4444-4444-8444-444444444444';
    await appendToLedger(client, { run_id, at: new Date('2026-11-01T12:00:00.123Z'), step, details: { step, n: 1.5 } });
  }
});
afterEach(async () => {
  await client.end();
  await database.drop();
});

test('an untouched ledger holds together, whatever time zone it is read in', async () => {
  await client.query("set timezone = 'Asia/Kathmandu'");
  expect(await findBrokenEntry(client)).toBeUndefined();
});

test.each([
  ['an update', "update gatehouse.migration_ledger set step = 'failed'"],
  ['a delete', 'delete from gatehouse.migration_ledger'],
  ['a truncate', 'truncate gatehouse.migration_ledger'],
])('%s is refused', async (_, statement) => {
  await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' });
  await client.query('set session_replication_role = replica');
  await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' });
});

test.each([
  ['changed details', `update gatehouse.migration_ledger set details = '{"n": 2}' where id = 2`, '2'],
  ['another time', "update gatehouse.migration_ledger set at = at + interval '1 microsecond' where id = 2", '2'],
  ['another run', 'update gatehouse.migration_ledger set run_id = gen_random_uuid() where id = 1', '1'],
  ['a missing entry', 'delete from gatehouse.migration_ledger where id = 2', '3'],
  ['a missing first entry', 'delete from gatehouse.migration_ledger where id = 1', '2'],
])('%s, by somebody who can turn the guard off, is found', async (_, statement, broken) => {
  await client.query('alter table gatehouse.migration_ledger disable trigger refuse_ledger_change');
  await client.query(statement);
  expect(await findBrokenEntry(client)).toBe(broken);
});
