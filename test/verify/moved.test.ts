/** A portal that `migrate copy` has moved is equal to its source, whatever stays behind on purpose; the result is on record. */
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectionFromUrl } from '../../src/config/connection.ts';
import { type CopyReport, copyPortal } from '../../src/copy/copy.ts';
import { inTransaction } from '../../src/db/database.ts';
import { lockMigrations } from '../../src/migrate/ledger.sql.ts';
import { verifyLedger } from '../../src/migrate/ledger.ts';
import { planPortal } from '../../src/plan/plan.ts';
import { makeReport } from '../../src/report/report.ts';
import { type Verification, verifyPortal } from '../../src/verify/verify.ts';
import { describeVerification } from '../../src/verify/words.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import { killAt, type Moment, seed, survey } from '../harness/moments.ts';
import { adminUrl, emptyDatabase, type TestDatabase } from '../harness/postgres.ts';
import { endPrograms } from '../harness/program.ts';
import type { SupabaseSource } from '../harness/supabase-source.ts';
import { query } from '../migrate/rows.ts';
import { asClient, portalRows } from '../portal/portal-rows.ts';
import { createPortalSource } from '../portal/portal-source.ts';

let source: SupabaseSource;
let target: TestDatabase;
let report: CopyReport;
const sides = () => [{ connectionString: source.url }, { connectionString: target.url }] as const;

beforeAll(async () => {
  source = await createPortalSource({ users: 100, portal: 'without large values' });
  await query(
    source.adminUrl,
    `create function supabase_functions.notify() returns trigger language plpgsql as 'begin return new; end';
     create trigger "tell them" after insert on public.people for each row execute function supabase_functions.notify();
     alter table public.complaints add hook bigint constraint by_hook references supabase_functions.hooks (id);
     alter default privileges for role postgres grant select on tables to anon;
     alter default privileges for role postgres revoke execute on functions from public;
     alter default privileges for role postgres grant execute on functions to authenticated with grant option;
     alter default privileges for role postgres grant usage on schemas to anon;
     alter default privileges for role supabase_storage_admin grant usage on types to anon`,
  );
  target = await emptyDatabase();
  report = await copyPortal(...sides(), { apply: true, env: process.env });
});
afterAll(async () => {
  await target.drop();
  await source.drop();
});

/** What differs, in a word each. */
function differing({ catalogue, tables, users, sequences, large_objects }: Verification): string[] {
  return [
    ...catalogue.drift.map(({ sentence }) => sentence),
    ...[...tables, ...users].filter(({ equal }) => !equal).map(({ table }) => table),
    ...sequences.filter(({ equal }) => !equal).map(({ sequence }) => sequence),
    ...(large_objects.equal ? [] : ['large objects']),
  ];
}

test('it is equal, users and sessions by their own rules; what needs a part of Supabase is listed', async () => {
  const verification = await verifyPortal(...sides(), { operator: 'ops@example.com' });

  expect(differing(verification)).toEqual([]);
  expect(verification.equal).toBe(true);
  expect(verification.users.find(({ table }) => table === 'users')).toMatchObject({ rows: 100, equal: true });
  expect(verification.not_checked.map(({ what }) => what)).toEqual(
    expect.arrayContaining([
      'trigger "tell them" on public.people',
      'table constraint by_hook on public.complaints',
      'the rows of auth.audit_log_entries',
      "Supabase's own publications",
      'default privilege to anon on schemas that postgres makes',
    ]),
  );
});

describe('what is open in every schema at the source', () => {
  test('is open in those of the portal alone: nothing that gatehouse makes is', async () => {
    const open = await asClient(target.url, async (client) => {
      await client.query('begin; create schema later');
      const { rows } = await client.query<{ schema: string }>(
        "select nspname as schema from pg_namespace where nspname !~ '^(pg_|information_schema$)'",
      );
      const found: string[] = [];
      for (const { schema } of rows) {
        await client.query(`create table ${schema}.newer (); create function ${schema}.newer() returns int return 1`);
        const { rows: rights } = await client.query<{ anon: boolean; authenticated: boolean; everybody: boolean }>(
          `select has_table_privilege('anon', '${schema}.newer', 'select') as anon,
                  has_function_privilege('authenticated', '${schema}.newer()', 'execute') as authenticated,
                  has_function_privilege('anon', '${schema}.newer()', 'execute') and '${schema}' <> 'public' as everybody`,
        );
        found.push(...Object.entries(rights[0] ?? {}).flatMap(([who, may]) => (may ? [`${schema} ${who}`] : [])));
      }
      await client.query('rollback');
      return found.sort();
    });
    const portal = report.plan.schemas.flatMap((schema) => [`${schema} anon`, `${schema} authenticated`]);
    expect(open).toEqual(portal.sort());
    expect(portal).toContain('storage anon');
  });

  test('is said by the plan and the copy, in one sentence that is on record', async () => {
    const sentence =
      "Default privileges for every schema are given in the portal's schemas alone, so that nothing which gatehouse makes is open by them (USAGE to anon on schemas that postgres makes; SELECT to anon on tables that postgres makes; USAGE to anon on types that supabase_storage_admin makes; EXECUTE to authenticated on functions that postgres makes): give them again in a schema that is made later.";
    expect(report.plan.findings).toContainEqual({ level: 'note', message: sentence });
    const planned = await planPortal(connectionFromUrl(source.url), connectionFromUrl(target.url));
    expect(planned.findings).toContainEqual({ level: 'note', message: sentence });
    const { runs } = await makeReport(connectionFromUrl(target.url), { now: new Date(), operator: 'ops@example.com' });
    expect(runs.find(({ command }) => command === 'migrate copy')?.notes).toContainEqual(sentence);
  });

  test.each([
    [
      'open in every schema here, too',
      'grant select on tables to anon',
      'revoke select on tables from anon',
      'Default privilege of SELECT to anon on tables that gatehouse_superuser makes: at the target only.',
    ],
    [
      'lost in one schema',
      'in schema storage revoke select on tables from anon',
      'in schema storage grant select on tables to anon',
      'Default privilege of SELECT to anon on tables that gatehouse_superuser makes in schema storage: not at the target.',
    ],
    [
      'open to everybody again',
      'grant execute on functions to public',
      'revoke execute on functions from public',
      'Default privilege of EXECUTE to its owner on functions that gatehouse_superuser makes: not at the target.',
    ],
  ])('is a difference where it is %s', async (_, change, undo, sentence) => {
    const defaults = 'alter default privileges for role gatehouse_superuser';
    await query(target.url, `${defaults} ${change}`);
    const verification = await verifyPortal(...sides()).finally(() => query(target.url, `${defaults} ${undo}`));
    expect(differing(verification)).toContain(sentence);
  });
});

test('it is equal whoever verifies it; what one object of many belongs to is named', async () => {
  await query(
    target.url,
    `create role verifying_admin superuser login password 'admin';
     alter table public.activity_log owner to verifying_admin`,
  );
  try {
    const admin = new URL(target.url);
    [admin.username, admin.password] = ['verifying_admin', 'admin'];
    const verification = await verifyPortal({ connectionString: source.url }, { connectionString: admin.href });
    expect(differing(verification)).toEqual([
      'Table public.activity_log: owner is gatehouse_superuser at the source and verifying_admin at the target.',
    ]);
    expect(verification.substitutes).toContainEqual({ source: 'postgres', target: 'gatehouse_superuser' });
  } finally {
    await query(
      target.url,
      `alter table public.activity_log owner to gatehouse_superuser; drop owned by verifying_admin; drop role verifying_admin`,
    );
  }
});

test('each run is in the ledger and in the audit log, with what was found and without any value', async () => {
  const { id } = source.people.bcrypt2a06;
  const secret = 'do-not-show-this';
  await query(target.url, `update auth.users set encrypted_password = '${secret}' where id = '${id}'`);
  await query(
    target.url,
    `set session_replication_role = replica; update public.products set name = '${secret}' where id = 7`,
  );
  const verified = await verifyPortal(...sides(), { operator: 'ops@example.com' });
  const { run_id, ledger_hash, equal } = verified;
  const { encrypted_password } =
    (await query(source.adminUrl, `select encrypted_password from auth.users where id = '${id}'`))[0] ?? {};
  await query(target.url, `update auth.users set encrypted_password = $1 where id = '${id}'`, [encrypted_password]);
  await query(
    target.url,
    "set session_replication_role = replica; update public.products set name = 'Fund no. 7' where id = 7",
  );

  expect(equal).toBe(false);
  const entries = await query<{ step: string; details: { [part: string]: unknown }; hash: string }>(
    target.url,
    "select step, details, encode(hash, 'hex') as hash from gatehouse.migration_ledger where run_id = $1 order by id",
    [run_id],
  );
  expect(entries.map(({ step }) => step)).toEqual(['started', 'proved', 'finished']);
  expect(entries[0]?.details).toMatchObject({ command: 'migrate verify', operator: 'ops@example.com' });
  expect(entries[1]?.details).toMatchObject({
    tables: expect.arrayContaining([
      expect.objectContaining({
        table: 'public.products',
        equal: false,
        differing: [{ row: 'id=7', difference: 'changed', columns: ['name'] }],
      }),
    ]),
    proofs: expect.arrayContaining([
      expect.objectContaining({ table: 'users', equal: false, differing: [expect.objectContaining({ key: id })] }),
    ]),
  });
  expect(entries[2]).toMatchObject({ details: { equal: false }, hash: ledger_hash });
  const events = await query(
    target.url,
    "select action, outcome, reason, actor_role, actor_name, path, details from audit.events where details ->> 'run_id' = $1",
    [run_id],
  );
  const addresses = { source: verified.source.address, target: verified.target.address };
  expect(events).toEqual([
    {
      action: 'migration_verified',
      outcome: 'failure',
      reason: 'not equal',
      actor_role: 'operator',
      actor_name: 'ops@example.com',
      path: 'migrate verify',
      details: { run_id, ...addresses, rows: verified.rows, ledger_hash },
    },
  ]);
  expect(JSON.stringify([entries, events])).not.toContain(secret);
});

test('an end of the ledger that is cut off behind a verification is found by what the audit log has of it', async () => {
  const { run_id } = await verifyPortal(...sides());
  const client = await target.pool.connect();
  try {
    expect(await verifyLedger(client)).toMatchObject({ intact: true });
    await client.query('begin');
    await client.query('alter table gatehouse.migration_ledger disable trigger all');
    await client.query('delete from gatehouse.migration_ledger where run_id = $1', [run_id]);
    expect(await verifyLedger(client)).toMatchObject({ intact: false, fault: expect.stringContaining(run_id) });
    await client.query('rollback');
  } finally {
    client.release();
  }
});

/** All rows of the target but the ledger's, and beside them what is on record. */
async function rows() {
  const { 'gatehouse.migration_ledger': ledger, ...others } = await fingerprint(target);
  const [recorded] = await query(
    target.url,
    "select count(*) as events, count(*) filter (where action = 'migration_verified') as verified from audit.events",
  );
  return { ledger, recorded, others: { ...others, ...(await portalRows(target.url)) } };
}

test('nothing but the ledger and one event is written', async () => {
  const before = await rows();
  await verifyPortal(...sides());
  const after = await rows();
  expect(after.others).toEqual(before.others);
  expect(after.ledger).not.toBe(before.ledger);
  const more = (of: 'events' | 'verified') => Number(after.recorded?.[of]) - Number(before.recorded?.[of]);
  expect([more('events'), more('verified')]).toEqual([1, 1]);
});

describe('where it may not be written down, it is compared all the same, and that is said', () => {
  const password = 'only-to-read';
  const readers = ['verifying_reader', 'verifying_half'];
  const as = (role: string) => {
    const url = new URL(target.url);
    [url.username, url.password] = [role, password];
    return { connectionString: url.href };
  };
  beforeAll(async () => {
    for (const role of readers) {
      await query(target.url, `create role ${role} login bypassrls password '${password}' in role pg_read_all_data`);
    }
    await query(target.url, 'grant insert on gatehouse.migration_ledger to verifying_half');
  });
  afterAll(async () => {
    for (const role of readers) await query(target.url, `drop owned by ${role}; drop role ${role}`);
  });

  test.each([
    ['a role that may only read', 'verifying_reader', 'audit.events and gatehouse.migration_ledger'],
    ['a role that may write the ledger and not the audit log', 'verifying_half', 'audit.events'],
  ])('%s', async (_, role, closed) => {
    const before = await rows();
    const verification = await verifyPortal({ connectionString: source.url }, as(role));
    expect(differing(verification)).toEqual([]);
    expect(verification.users.find(({ table }) => table === 'users')).toMatchObject({ rows: 100, equal: true });
    expect(describeVerification(verification)).toMatch(
      new RegExp(`; not on record: role ${role} may not write to ${closed} at the target$`),
    );
    expect(await rows()).toEqual(before);
  });

  test('a target whose disk is full in the end, or where another migration is at work', async () => {
    await query(
      target.url,
      `create function audit.disk_is_full() returns trigger language plpgsql as $$
       begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$;
       create trigger disk_is_full before insert on audit.events for each row execute function audit.disk_is_full()`,
    );
    const full = await verifyPortal(...sides());
    await query(target.url, 'drop function audit.disk_is_full cascade');
    expect(differing(full)).toEqual([]);
    expect(describeVerification(full)).toMatch(
      /^equal: .*; not on record: The target cannot be used: its disk is full\. Make room there, and run again$/m,
    );

    const other = await target.pool.connect();
    await other.query('begin');
    try {
      const busy = await verifyPortal(...sides(), {
        onEvent: async ({ event }) => {
          if (event === 'rows_begin') await lockMigrations(other, 1);
        },
      });
      expect(describeVerification(busy)).toMatch(/^equal: .*; not on record: Another migration is at work on /m);
    } finally {
      await other.query('rollback');
      other.release();
    }
  });

  test('a target that is read-only', async () => {
    const name = new URL(target.url).pathname.slice(1);
    await query(adminUrl(), `alter database ${name} set default_transaction_read_only = on`);
    try {
      const verification = await verifyPortal(...sides());
      expect(differing(verification)).toEqual([]);
      expect(describeVerification(verification)).toMatch(/; not on record: the target is read-only$/);
    } finally {
      await query(adminUrl(), `alter database ${name} reset default_transaction_read_only`);
    }
  });
});

describe(`killed with -9 (GATEHOUSE_TEST_SEED=${seed})`, () => {
  const command = () => ['migrate', 'verify', '--from', source.url, '--to', target.url, '--json'];
  const KILLS = 16;
  const change = (name: string) =>
    query(
      target.url,
      `set session_replication_role = replica; update public.products set name = '${name}' where id = 7`,
    );
  /** What a verification says, but for what is of its run alone. */
  function said({
    run_id: _,
    snapshot: __,
    started_at: ___,
    seconds: ____,
    ledger_hash: _____,
    ...verdict
  }: Verification) {
    return verdict;
  }
  let undisturbed: ReturnType<typeof said>;
  let moments: Moment[];
  beforeAll(async () => {
    await change('not what it was');
    const { code, events, randomMoments } = await survey(command(), [source.adminUrl, target.url], ({ event }) =>
      /^(?:comparing|rows_begin)$/.test(String(event)),
    );
    expect(code).toBe(6);
    undisturbed = said(events.at(-1)?.verification as Verification);
    moments = randomMoments(KILLS);
  });
  afterAll(() => change('Fund no. 7'));
  afterEach(endPrograms);

  const left = (url: string) =>
    query(
      url,
      `select from pg_stat_activity where datname = current_database() and application_name like 'gatehouse migrate%'`,
    );

  test.each(Array.from({ length: KILLS }, (_, kill) => kill))(
    'at a random moment (%i): nothing is left of it but that it began, and the next one says what an undisturbed one says',
    async (kill) => {
      const { others } = await rows();
      let at = moments[kill] ?? { line: 1, statements: 0 };
      for (let killed = false; !killed; at = { ...at, statements: 0 }) {
        const run = await killAt(command(), at, [source.adminUrl, target.url]);
        expect(run.stderr, JSON.stringify(at)).toBe('');
        killed = run.killed;
      }
      for (const url of [source.adminUrl, target.url]) while ((await left(url)).length > 0);
      expect((await rows()).others).toEqual(others);
      await inTransaction(target.db, async (tx) => {
        expect(await lockMigrations(tx.$client, 1)).toBe(true);
        expect(await verifyLedger(tx.$client)).toMatchObject({ intact: true });
      });
      const [last] = await query<{ step: string }>(
        target.url,
        'select step from gatehouse.migration_ledger order by id desc limit 1',
      );
      expect(['started', 'finished']).toContain(last?.step);

      const again = await verifyPortal(...sides());
      expect(said(again)).toEqual(undisturbed);
    },
    // Starts of a program, on whatever machine.
    120_000,
  );
});

describe('when something happens meanwhile', () => {
  // Connected beforehand, so that what they do is done while there is much left to compare.
  let others: { source: pg.Client; target: pg.Client };
  beforeAll(async () => {
    others = { source: new pg.Client(source.adminUrl), target: new pg.Client(target.url) };
    await Promise.all([others.source.connect(), others.target.connect()]);
  });
  afterAll(async () => {
    await Promise.all([others.source.end(), others.target.end()]);
  });
  /** Does something as soon as rows are compared. */
  async function meanwhile(work: () => Promise<unknown>): Promise<Verification> {
    let done: Promise<unknown> | undefined;
    try {
      return await verifyPortal(...sides(), {
        onEvent: ({ event }) => {
          if (event === 'rows_begin') done = work();
        },
      });
    } finally {
      await done;
    }
  }

  test.each(['source', 'target'] as const)(
    'a %s that goes away is named in one sentence, and on record',
    async (side) => {
      const endBackends = () =>
        others[side].query(
          `select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'gatehouse migrate verify' and datname = current_database()`,
        );
      const sentence = new RegExp(`^The ${side} went away`);
      await expect(meanwhile(endBackends)).rejects.toMatchObject({
        kind: 'lost',
        message: expect.stringMatching(sentence),
      });
      const [last] = await query(
        target.url,
        'select step, details from gatehouse.migration_ledger order by id desc limit 1',
      );
      expect(last).toMatchObject({ step: 'failed', details: { reason: expect.stringMatching(sentence) } });
      const [event] = await query(
        target.url,
        'select action, outcome, reason from audit.events order by occurred_at desc, id desc limit 1',
      );
      expect(event).toMatchObject({
        action: 'migration_verified',
        outcome: 'failure',
        reason: expect.stringMatching(sentence),
      });
    },
  );

  test('no table can be emptied or altered under it', async () => {
    const refusal = (client: pg.Client, change: string) =>
      client.query(`set lock_timeout = '1ms'; ${change}`).then(
        () => 'done',
        ({ code }) => code,
      );
    const refusals: string[] = [];
    const { equal } = await meanwhile(async () => {
      refusals.push(
        ...(await Promise.all([
          refusal(others.source, 'truncate public.activity_log'),
          refusal(others.target, 'alter table public.products add more int'),
        ])),
      );
    });
    expect(refusals).toEqual(['55P03', '55P03']);
    expect(equal).toBe(true);
  });
});
