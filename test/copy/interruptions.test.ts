/** Whatever breaks off a copy, it does not pass for complete, and the next run ends as if nothing had happened. */
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CopyEvent, type CopyReport, copyPortal } from '../../src/copy/copy.ts';
import { verifyPortal } from '../../src/verify/verify.ts';
import { killAt, type Moment, seed, survey } from '../harness/moments.ts';
import { emptyDatabase, type TestDatabase } from '../harness/postgres.ts';
import { endPrograms } from '../harness/program.ts';
import type { SupabaseSource } from '../harness/supabase-source.ts';
import { carriedRows, expectedRows } from '../migrate/rows.ts';
import { asClient, ask, portalRows } from '../portal/portal-rows.ts';
import { createPortalSource } from '../portal/portal-source.ts';

let source: SupabaseSource;
let target: TestDatabase;

beforeAll(async () => {
  source = await createPortalSource({ users: 200, portal: 'without large values' });
});
afterAll(() => source.drop());
beforeEach(async () => {
  target = await emptyDatabase();
  return () => target.drop();
});
afterEach(endPrograms);

const copy = (onEvent: (event: CopyEvent) => unknown = () => {}, options = {}): Promise<CopyReport> =>
  copyPortal(
    { connectionString: source.url },
    { connectionString: target.url },
    { apply: true, env: process.env, onEvent, ...options },
  );

/** A copy that an event breaks off, by an error that this process itself makes. */
async function brokenOffAt(isThere: (event: CopyEvent) => boolean): Promise<void> {
  const stop = new Error('stop');
  await expect(
    copy((event) => {
      if (isThere(event)) throw stop;
    }),
  ).rejects.toBe(stop);
}

async function expectEqual(): Promise<void> {
  expect(await portalRows(target.url)).toEqual(await portalRows(source.adminUrl));
  expect(await carriedRows(target.url)).toEqual(await expectedRows(source.adminUrl));
  const made = `select (select count(*)::int from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n') as constraints,
      (select count(*)::int from pg_indexes where schemaname = 'public') as indexes, (select count(*)::int from pg_largeobject_metadata) as large_objects,
      (select count(*)::int from pg_policies where schemaname = 'public') as policies,
      (select count(*)::int from pg_trigger as t join pg_class as c on c.oid = tgrelid
        where relnamespace in ('public'::regnamespace, 'auth'::regnamespace) and not tgisinternal) as triggers,
      (select jsonb_agg(jsonb_build_array(sequencename, last_value) order by sequencename) from pg_sequences where schemaname = 'public') as sequences`;
  const [[here], [there]] = await Promise.all([ask(target.url, made), ask(source.adminUrl, made)]);
  expect(here).toEqual(there);
  const [history] = await ask<{ n: number }>(
    target.url,
    "select count(*)::int as n from audit.events where details ? 'imported_from'",
  );
  const [entries] = await ask<{ n: number }>(source.adminUrl, 'select count(*)::int as n from auth.audit_log_entries');
  expect(history).toEqual(entries);
}

const isComplete = async () => {
  const [made] = await ask<{ made: boolean }>(
    target.url,
    "select to_regclass('gatehouse.portal_copies') is not null as made",
  );
  if (!made?.made) return false;
  return (await ask(target.url, 'select from gatehouse.portal_copies where finished_at is not null')).length > 0;
};

describe(`killed with -9 (GATEHOUSE_TEST_SEED=${seed})`, () => {
  const into = ({ url }: TestDatabase) => ['migrate', 'copy', '--from', source.url, '--to', url, '--apply', '--json'];
  const CHAINS = 4;
  const KILLS = 4;
  let moments: Moment[];
  beforeAll(async () => {
    const undisturbed = await emptyDatabase();
    const { code, randomMoments } = await survey(
      into(undisturbed),
      [source.adminUrl, undisturbed.url],
      ({ event }) => event === 'step',
    );
    expect(code).toBe(0);
    await undisturbed.drop();
    moments = randomMoments(CHAINS * KILLS);
  });

  test.each(Array.from({ length: CHAINS }, (_, chain) => chain))(
    'at four random moments (%i), one run after the other: not complete before it is, and equal in the end',
    async (chain) => {
      const pids: number[] = [];
      for (const moment of moments.slice(chain * KILLS, (chain + 1) * KILLS)) {
        let at = moment;
        for (let killed = false; !killed; at = { ...moment, statements: 0 }) {
          const run = await killAt(into(target), at, [source.adminUrl, target.url]);
          expect(run.stderr, JSON.stringify(at)).toBe('');
          pids.push(run.pid);
          killed = run.killed;
          if (!(await isComplete())) continue;
          await expectEqual();
          await target.drop();
          target = await emptyDatabase();
        }
      }
      await copy();
      expect(await isComplete()).toBe(true);
      await expectEqual();
      expect(await verifyPortal({ connectionString: source.url }, { connectionString: target.url })).toMatchObject({
        equal: true,
      });
      expect((await readdir(tmpdir())).filter((name) => pids.some((pid) => name.includes(`copy-${pid}-`)))).toEqual([]);
    },
    // Starts of a program, on whatever machine.
    180_000,
  );
});

test('a copy that was broken off is not compared but told of, until it is complete', async () => {
  const verify = () => verifyPortal({ connectionString: source.url }, { connectionString: target.url });
  await brokenOffAt(({ event, ...of }) => event === 'step' && (of as { step: string }).step === 'indexes and keys');
  await expect(verify()).rejects.toMatchObject({
    kind: 'unequal',
    message: expect.stringMatching(
      /^The copy of 127\.0\.0\.1:\d+\/supabase_\w+ that began 20\S+ \S+ is not complete, so the two are not equal: run gatehouse migrate copy --apply, which goes on where it stopped, and verify again\.$/,
    ),
  });
  const events = await ask<{ reason: string }>(
    target.url,
    "select reason from audit.events where action = 'migration_verified' and outcome = 'failure'",
  );
  expect(events).toEqual([{ reason: expect.stringMatching(/ is not complete, /) }]);

  await copy();
  expect(await verify()).toMatchObject({ equal: true });
});

describe('run again', () => {
  test('it does not copy tables again that have not changed', async () => {
    await brokenOffAt((event) => event.event === 'step' && event.step === 'indexes and keys');
    const again = await copy();
    expect(again.plan.resumes).toBe(true);
    expect(again.tables.every(({ kept }) => kept)).toBe(true);
    await expectEqual();
  });

  test('it copies the tables again that have changed, by an insert, an update or a delete', async () => {
    await brokenOffAt((event) => event.event === 'step' && event.step === 'indexes and keys');
    await ask(
      source.adminUrl,
      `insert into public.complaints (text) values ('late');
       update public.products set name = name || '!' where id = (select min(id) from public.products);
       delete from public.funds where ctid = (select min(ctid) from public.funds)`,
    );
    const again = await copy();
    const copied = again.tables.filter(({ kept }) => !kept).map(({ table }) => table);
    expect(copied.sort()).toEqual(['public.complaints', 'public.funds', 'public.products']);
    await expectEqual();
  });

  test('it begins anew where a table that it made was dropped at the target', async () => {
    await brokenOffAt((event) => event.event === 'step' && event.step === 'indexes and keys');
    await ask(target.url, 'drop table public."Order" cascade');
    const again = await copy();
    expect(again.tables.some(({ kept }) => kept)).toBe(false);
    await expectEqual();
  });

  test('it begins anew where rows have changed under keys that are made, or definitions have', async () => {
    await brokenOffAt((event) => event.event === 'step' && event.step === 'history');
    await ask(source.adminUrl, "insert into public.complaints (text) values ('later')");
    await brokenOffAt((event) => event.event === 'step' && event.step === 'history');
    await ask(source.adminUrl, 'set role postgres; alter table public.complaints add column about uuid');
    const again = await copy();
    expect(again.tables.some(({ kept }) => kept)).toBe(false);
    await expectEqual();
  });
});

test('great tables arrive in parts, whole again after a run that was broken off between two of them', async () => {
  const page = { part_bytes: 8192 };
  const stop = new Error('stop');
  const broken = copy((event) => {
    if (event.event === 'progress' && event.rows > 800) throw stop;
  }, page);
  await expect(broken).rejects.toBe(stop);
  const again = await copy(undefined, page);
  expect(again.plan.resumes).toBe(true);
  await expectEqual();
});

describe('a side that goes away', () => {
  const terminate = (url: string, name: string) =>
    ask(
      url,
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = $1 and pid <> pg_backend_pid()`,
      [name],
    );

  test.each([
    ['source', () => source.adminUrl],
    ['target', () => target.url],
  ])('the %s: one sentence, and the next run completes', async (side, url) => {
    let ended: Promise<unknown> | undefined;
    const run = copy((event) => {
      if (event.event === 'table') ended ??= terminate(url(), 'gatehouse migrate copy');
    });
    await expect(run).rejects.toMatchObject({
      kind: 'lost',
      message: expect.stringMatching(
        new RegExp(`^The ${side} went away .* run the command again, and it goes on where it stopped\\.$`),
      ),
    });
    await ended;
    expect(await isComplete()).toBe(false);
    await copy();
    await expectEqual();
  });
});

test('two copies at once: the second says so, and the first completes', async () => {
  let second: Promise<unknown> | undefined;
  await copy((event) => {
    if (event.event === 'started') second = copy().catch((error) => error);
    return undefined;
  });
  const outcome = await second;
  // Either it came while the first was at work, or after it had ended.
  if (outcome instanceof Error) expect(outcome).toMatchObject({ kind: 'busy', message: /^Another copy is at work/ });
  await expectEqual();
});

test('tables cannot be dropped or altered while they are copied: whoever tries waits', async () => {
  let tried: Promise<unknown> | undefined;
  await copy((event) => {
    if (event.event !== 'step' || event.step !== 'rows') return;
    tried = asClient(source.adminUrl, async (client) => {
      await client.query("set lock_timeout = '10ms'");
      return client.query('drop table public.complaints').catch((error) => error);
    });
  });
  expect(await tried).toMatchObject({ code: '55P03' });
  await expectEqual();
});
