/** Whatever breaks off a migration, nothing of it is left, and the next run ends as if nothing had happened. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type MigrateUsersOptions, migrateUsers } from '../../src/migrate/users.ts';
import { startLine } from '../harness/line.ts';
import { adminUrl, freshDatabase, type TestDatabase } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';
import { carriedRows, count, expectedRows, query } from './rows.ts';

let source: SupabaseSource;
let target: TestDatabase;

beforeAll(async () => {
  source = await createSupabaseSource(adminUrl(), { users: 300, portal: false });
});
afterAll(() => source.drop());
beforeEach(async () => {
  target = await freshDatabase();
  return () => target.drop();
});

const migrate = (options: MigrateUsersOptions = {}, from = source.url) =>
  migrateUsers({ connectionString: from }, { connectionString: target.url }, { apply: true, ...options });

async function expectNothingLeft(): Promise<void> {
  for (const table of ['auth.users', 'auth.identities', 'auth.sessions', 'gatehouse.migrated_rows']) {
    expect([table, await count(target.url, table)]).toEqual([table, 0]);
  }
}

async function expectRerunToComplete(): Promise<void> {
  await migrate();
  expect(await carriedRows(target.url)).toEqual(await expectedRows(source.adminUrl));
}

describe('killed with -9', () => {
  const moments = [
    ['started', ''],
    ['progress', 'users'],
    ['table', 'users'],
    ['progress', 'refresh_tokens'],
    ['proof', 'users'],
    ['committing', ''],
  ];

  test.each(moments)('at "%s %s" it leaves nothing but its beginning in the ledger', async (...moment) => {
    const script = new URL('broken-off-run.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [script, source.url, target.url, ...moment], { stdio: 'inherit' });
    const [, signal] = await once(child, 'exit');
    expect(signal).toBe('SIGKILL');

    await expectNothingLeft();
    const { plan } = await migrate({ apply: false });
    expect(plan.findings).toContainEqual({ level: 'note', message: expect.stringContaining('was broken off') });
    await expectRerunToComplete();
  });
});

describe('a side that goes away', () => {
  test('the source, by an administrator: one sentence, nothing left', async () => {
    const run = blockedRun();
    const backends = await run.whenBlocked();
    await terminate(backends.source);
    await run.release();

    await expect(run.result).rejects.toMatchObject({
      kind: 'lost',
      message: expect.stringMatching(
        /^The source went away .* Nothing was changed at the target; run the command again\.$/,
      ),
    });
    await expectNothingLeft();
    await expectRerunToComplete();
  });

  test('the target, by an administrator: one sentence, nothing left', async () => {
    const run = blockedRun();
    const backends = await run.whenBlocked();
    await terminate(backends.target);
    await run.release();

    await expect(run.result).rejects.toMatchObject({
      kind: 'lost',
      message: expect.stringMatching(/^The target went/),
    });
    await expectNothingLeft();
    await expectRerunToComplete();
  });

  test('the source, by a cut line', async () => {
    const line = await startLine(source.url);
    const run = migrate(
      {
        onEvent: ({ event }) => {
          if (event === 'table') line.hangUp();
        },
      },
      line.url,
    );
    await expect(run).rejects.toMatchObject({ kind: 'lost', message: expect.stringMatching(/^The source went away/) });
    await line.stop();
    await expectNothingLeft();
    await expectRerunToComplete();
  });

  test('the source, by silence: the run does not wait for ever', async () => {
    const line = await startLine(source.url);
    const run = migrate(
      {
        stall_seconds: 0.2,
        onEvent: ({ event }) => {
          if (event === 'table') line.cut('open ones');
        },
      },
      line.url,
    );
    await expect(run).rejects.toMatchObject({ kind: 'lost' });
    await line.stop();
    await expectNothingLeft();
  });
});

test('two runs at once: the second says so, and the first completes', async () => {
  const first = blockedRun();
  await first.whenBlocked();
  await expect(migrate({ lock_wait_seconds: 0 })).rejects.toMatchObject({
    kind: 'busy',
    message: expect.stringMatching(/^Another migration is at work/),
  });
  await first.release();
  expect((await first.result).applied).toBe(true);
  expect(await carriedRows(target.url)).toEqual(await expectedRows(source.adminUrl));
});

/** A run that stops before its last table until it is released: somebody holds a lock there. */
function blockedRun() {
  const holder = new pg.Client(target.url);
  const held = holder.connect().then(() => holder.query('begin; lock table auth.one_time_tokens in share mode'));
  const result = held.then(() => migrate());
  result.catch(() => {});
  return {
    result,
    async whenBlocked() {
      await held;
      for (;;) {
        const [waiting] = await query<{ pid: number }>(
          target.url,
          `select pid from pg_locks where not granted and relation = 'auth.one_time_tokens'::regclass
              and database = (select oid from pg_database where datname = current_database())`,
        );
        if (!waiting) continue;
        const readers = await query<{ pid: number }>(
          source.adminUrl,
          `select pid from pg_stat_activity where application_name = 'gatehouse migrate' and datname = current_database()`,
        );
        return { target: [waiting.pid], source: readers.map(({ pid }) => pid) };
      }
    },
    async release() {
      await holder.query('rollback');
      await holder.end();
    },
  };
}

async function terminate(pids: number[]): Promise<void> {
  await query(adminUrl(), 'select pg_terminate_backend(pid) from unnest($1::int[]) as pid', [pids]);
}
