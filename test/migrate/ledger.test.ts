/** The ledger of migrations is only ever added to, and an entry that was changed behind its back is found. */
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { record } from '../../src/audit/record.ts';
import { occasionOfCommand } from '../../src/command.ts';
import type { Tx } from '../../src/db/database.ts';
import { appendToLedger } from '../../src/migrate/ledger.sql.ts';
import { verifyLedger } from '../../src/migrate/ledger.ts';
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
  expect(await verifyLedger(client)).toMatchObject({
    intact: true,
    entries: 3,
    head: expect.stringMatching(/^[0-9a-f]{64}$/),
    fault: undefined,
  });
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
  [
    'changed details',
    `update gatehouse.migration_ledger set details = '{"n": 2}' where step = 'proved'`,
    /^Entry \d+ \("proved" of run 44444444-.*\) was changed after it was written\.$/,
  ],
  [
    'another time',
    "update gatehouse.migration_ledger set at = at + interval '1 microsecond' where step = 'proved'",
    /\("proved" .*was changed/,
  ],
  [
    'another run',
    "update gatehouse.migration_ledger set run_id = gen_random_uuid() where step = 'started'",
    /\("started" .*was changed/,
  ],
  [
    'a hash made to fit',
    `update gatehouse.migration_ledger set details = '{}', hash = sha256(previous_hash || convert_to(jsonb_build_object(
       'run_id', run_id, 'at', extract(epoch from at), 'step', step, 'details', '{}'::jsonb)::text, 'UTF8')) where step = 'proved'`,
    /\("finished" .*does not follow the entry before it/,
  ],
  [
    'a missing entry',
    "delete from gatehouse.migration_ledger where step = 'proved'",
    /\("finished" .*does not follow the entry before it/,
  ],
  [
    'a missing first entry',
    "delete from gatehouse.migration_ledger where step = 'started'",
    /\("proved" .*does not follow/,
  ],
])('%s, by somebody who can turn the guard off, is found', async (_, statement, fault) => {
  await client.query('alter table gatehouse.migration_ledger disable trigger refuse_ledger_change');
  await client.query(statement);

  expect(await verifyLedger(client)).toMatchObject({ intact: false, fault: expect.stringMatching(fault) });
});

// The chain alone cannot know what came after its last entry: the audit log does.
test.each([
  ['an end that was cut off', "delete from gatehouse.migration_ledger where step = 'finished'"],
  ['a ledger that was emptied', 'delete from gatehouse.migration_ledger'],
])('%s is found by the audit log, which has the head of every finished run', async (_, statement) => {
  const { head } = await verifyLedger(client);
  await recordFinish(head);
  expect(await verifyLedger(client)).toMatchObject({ intact: true, recorded_heads: 1 });

  await client.query('alter table gatehouse.migration_ledger disable trigger refuse_ledger_change');
  await client.query(statement);

  expect(await verifyLedger(client)).toMatchObject({
    intact: false,
    fault: expect.stringMatching(/^The audit log has the end of run 44444444-.* with a hash that the ledger does not/),
  });
});

function recordFinish(ledger_hash: string | undefined) {
  const now = new Date('2026-11-01T12:00:01Z');
  const tx = drizzle(client) as unknown as Tx;
  const details = { run_id: '44444444-4444-4444-8444-444444444444', ledger_hash };
  return record(tx, { action: 'migration_finished', outcome: 'success', details }, occasionOfCommand('migrate', now));
}
