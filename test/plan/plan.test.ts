import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectionFromUrl } from '../../src/config/connection.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts';
import { findPgTools } from '../../src/db/pg-tools.ts';
import { run } from '../../src/plan/plan.command.ts';
import { type PortalPlan, planPortal } from '../../src/plan/plan.ts';
import { outcomeOf } from '../harness/command.ts';
import { adminUrl, emptyDatabase, freshDatabase, type TestDatabase } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';

let source: SupabaseSource;
let target: TestDatabase;
let plan: PortalPlan;

beforeAll(async () => {
  source = await createSupabaseSource(adminUrl(), { users: 100, portal: 'without large values' });
  target = await emptyDatabase();
  plan = await planned();
});

afterAll(async () => {
  await source.drop();
  await target.drop();
});

const planned = (to: string | undefined = target.url) =>
  planPortal(connectionFromUrl(source.url), to === '' ? undefined : connectionFromUrl(to), new Set(), process.env);

async function asAdmin(url: string, statements: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(statements).finally(() => client.end());
}

/** Runs the command in this process and resolves to what it said. */
async function command(
  args: string[],
  findDatabase = async () => undefined as ReturnType<typeof connectionFromUrl> | undefined,
) {
  return outcomeOf((streams) =>
    run(args, { ...streams, secrets: { column_keys: new Map() }, env: process.env, findDatabase }),
  );
}

test('everything that the portal consists of is counted, with what matters of it', () => {
  const lines = Object.fromEntries(
    plan.inventory.map(({ title, count, details }) => [
      title,
      { count, ...Object.fromEntries(details.map(({ what, count }) => [what, count])) },
    ]),
  );
  expect(lines).toMatchObject({
    tables: { partitioned: 1, 'as partitions': 3, forced: 1, 'without primary key': 1 },
    columns: { generated: 2, identity: 4 },
    constraints: { 'to auth.users': 3, 'not validated': 1 },
    policies: { restrictive: 1 },
    triggers: { count: 3, 'on auth': 1, disabled: 1 },
    functions: { 'security definer': 1 },
    views: { count: 2, 'security invoker': 1 },
    'materialized views': { count: 1 },
    types: { enum: 1, domain: 1, composite: 1, range: 1 },
    publications: { count: 1 },
    'default privileges': { count: expect.any(Number) },
    grants: { count: expect.any(Number) },
  });
});

test('both servers, the users, sizes and what it will take are in it', () => {
  expect(plan.source).toMatchObject({
    role: 'postgres',
    superuser: false,
    bypasses_rls: true,
    direct: true,
    tls: null,
  });
  expect(plan.target).toMatchObject({ superuser: true, encoding: 'UTF8' });
  expect(Math.abs(plan.clock_skew_seconds ?? 60)).toBeLessThan(2);
  expect(plan.census.users).not.toEqual([]);
  expect(plan.sizes.table_bytes).toBeGreaterThan(100_000);
  expect(plan.sizes.large_objects).toBe(1);
  expect(plan.estimate.disk_bytes).toBe(2 * (plan.sizes.table_bytes + plan.sizes.index_bytes));
});

/** What stands in the way on a machine whose pg_dump is older than the server of the run. */
async function missingTools(): Promise<PortalPlan['findings']> {
  return findPgTools(Math.floor(plan.source.version_num / 10_000), process.env).then(
    () => [],
    ({ message }) => [{ level: 'stop', message: `For the copy, ${message}` }],
  );
}

test('of an ordinary project into an empty database nothing stands in the way', async () => {
  const missing = await missingTools();
  expect(plan.findings.filter(({ level }) => level === 'stop')).toEqual(missing);
  const { code, stdout } = await command(['--from', source.url, '--to', target.url]);
  expect(stdout).toMatch(
    missing.length > 0
      ? /1 thing stands in the way/
      : /\nNothing stands in the way\. Nothing was changed\. To practise the move: gatehouse migrate rehearse\n$/,
  );
  expect(stdout.split('\n').filter((line) => line.length > 120)).toEqual([]);
  expect(code).toBe(missing.length > 0 ? 9 : 0);
});

test('a target that has gatehouse already is asked about its users too', async () => {
  const fresh = await freshDatabase();
  const { findings } = await planned(fresh.url).finally(() => fresh.drop());
  expect(findings.filter(({ level }) => level === 'stop')).toEqual(await missingTools());
});

test('without a target the source alone is planned', async () => {
  const { target, clock_skew_seconds, findings } = await planned('');
  expect([target, clock_skew_seconds]).toEqual([undefined, undefined]);
  expect(findings).toContainEqual({ level: 'note', message: expect.stringMatching(/^No target was named/) });
});

test('--json is the plan as one object', async () => {
  const { code, stdout } = await command(['--from', source.url, '--to', target.url, '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ inventory: plan.inventory, scope: plan.scope, findings: plan.findings });
  expect(stdout).not.toContain('postgres:postgres');
  expect([0, 9]).toContain(code);
});

/** What is done at the source → what is said about it, and how it is undone. */
test.each([
  [
    'stop',
    /^A policy is for a role that does not exist \("for whom" on public\.people\)\. /,
    `create policy "for whom" on public.people to anon using (true);
     update pg_policy set polroles = '{4000000000}' where polname = 'for whom'`,
    "delete from pg_policy where polname = 'for whom'",
  ],
  [
    'warning',
    /^Functions use schema net, which does not come along: public\.call_out\(\)\. /,
    `create schema net; create function public.call_out() returns void language plpgsql as 'begin perform net.http_post(''x''); end'`,
    'drop function public.call_out(); drop schema net',
  ],
  [
    'warning',
    /^Functions call extensions\.sign, which no extension brings: public\.token\(\)\. /,
    `create function public.token() returns text language sql as $$ select extensions.sign('{}', 'secret') $$`,
    'drop function public.token()',
  ],
  [
    'warning',
    /^Schema cron does not move\. Its jobs run inside PostgreSQL/,
    'create schema cron; create table cron.job (id int); insert into cron.job values (1); grant usage on schema cron to postgres',
    'drop schema cron cascade',
  ],
  [
    'warning',
    /^pg_cron has 2 jobs: /,
    'create schema cron; create table cron.job (id int); insert into cron.job values (1), (2); grant usage on schema cron to postgres',
    'drop schema cron cascade',
  ],
  [
    'warning',
    /^Supabase Vault has 1 secrets /,
    `insert into vault.secrets (secret) values ('x'); grant usage on schema vault to postgres`,
    'truncate vault.secrets',
  ],
  [
    'warning',
    /^Built only in part at the source: public\.portfolios_owner_idx\. /,
    `update pg_index set indisvalid = false where indexrelid = 'public.portfolios_owner_idx'::regclass`,
    `update pg_index set indisvalid = true where indexrelid = 'public.portfolios_owner_idx'::regclass`,
  ],
  [
    'warning',
    /^Not enforced at the source: funds_p/,
    'alter table public.funds disable trigger all',
    'alter table public.funds enable trigger all',
  ],
  [
    'warning',
    /^Everybody may create objects in schema public/,
    'grant create on schema public to public',
    'revoke create on schema public from public',
  ],
  [
    'warning',
    /^Rows are elsewhere: public\.far\. The definition moves; make its server/,
    'create foreign data wrapper afar; create server there foreign data wrapper afar; create foreign table public.far (id int) server there',
    'drop foreign data wrapper afar cascade',
  ],
  [
    'stop',
    /^Foreign table public\.far is on server there, which the target does not have: /,
    'create foreign data wrapper afar; create server there foreign data wrapper afar; create foreign table public.far (id int) server there',
    'drop foreign data wrapper afar cascade',
  ],
  [
    'warning',
    /^A user mapping holds a password, and does not move: of postgres on foreign server there\. [^']*$/,
    `create foreign data wrapper afar; create server there foreign data wrapper afar;
     create user mapping for postgres server there options (password 'do-not-show-this')`,
    'drop foreign data wrapper afar cascade',
  ],
  [
    'warning',
    /^A language of no extension does not move: spoken\. /,
    'create language spoken handler plpgsql_call_handler',
    'drop language spoken',
  ],
  [
    'warning',
    /^Security labels do not move: of anon on table public\.people\. /,
    `insert into pg_seclabel (classoid, objoid, objsubid, provider, label)
     values ('pg_class'::regclass, 'public.people'::regclass, 0, 'anon', 'MASKED')`,
    "delete from pg_seclabel where provider = 'anon'",
  ],
  [
    'warning',
    /^Subscriptions do not move: from_the_bank\. /,
    `create subscription from_the_bank connection 'password=do-not-show-this' publication accounts with (connect = false)`,
    'alter subscription from_the_bank set (slot_name = none); drop subscription from_the_bank',
  ],
  ['note', /^Filled anew at the target from what it is made of: public\.firm_totals\. /, 'select 1', 'select 1'],
  ['note', /^Without primary key: public\.activity_log\. /, 'select 1', 'select 1'],
  ['note', /^Never validated: cash_is_not_negative on public\.portfolios\. /, 'select 1', 'select 1'],
  ['note', /^Published to others: supabase_realtime\. /, 'select 1', 'select 1'],
])('%s: %s', async (level, message, done, undone) => {
  await asAdmin(source.adminUrl, done);
  const { findings } = await planned().finally(() => asAdmin(source.adminUrl, undone));
  expect(findings).toContainEqual({ level, message: expect.stringMatching(message) });
});

/** A role of this test alone: `postgres` is shared with all sources of the cluster. */
async function asReader(rights: string): Promise<PortalPlan> {
  const reader = new URL(source.url);
  reader.username = 'plan_reader';
  await asAdmin(
    source.adminUrl,
    `drop role if exists plan_reader; create role plan_reader login password 'postgres'; ${rights}`,
  );
  try {
    return await planPortal(connectionFromUrl(reader.href), connectionFromUrl(target.url));
  } finally {
    await asAdmin(source.adminUrl, 'drop owned by plan_reader; drop role plan_reader');
  }
}

test('rows that the role would not see stand in the way', async () => {
  const { findings } = await asReader(`
    alter role plan_reader bypassrls;
    grant usage on schema auth, public, storage to plan_reader;
    grant select on all tables in schema auth, public, storage to plan_reader;
    revoke select on public.funds from plan_reader`);
  expect(findings).toContainEqual({
    level: 'stop',
    message:
      'Role plan_reader may not read public.funds, supabase_migrations.schema_migrations at the source. Use the role `postgres` of the project.',
  });
});

test('users that row level security hides are not planned for at all', async () => {
  await expect(asReader('grant pg_read_all_data to plan_reader')).rejects.toThrow(
    /^Row level security hides rows of auth\..* from role plan_reader\. Use the role `postgres` of the project/,
  );
});

test('a target whose role is no superuser: what it cannot make, and what it will not see', async () => {
  await asAdmin(
    source.adminUrl,
    `create function public.watch() returns event_trigger language plpgsql as 'begin end';
     create event trigger plan_watches on ddl_command_end execute function public.watch();
     create operator family public.plan_family using hash`,
  );
  const owned = await emptyDatabase();
  await asAdmin(
    owned.url,
    `create role plan_owner login createrole password 'postgres';
     do $$ begin execute format('alter database %I owner to plan_owner', current_database()); end $$`,
  );
  const url = new URL(owned.url);
  url.username = 'plan_owner';
  url.password = 'postgres';
  try {
    const { findings, target } = await planned(url.href);
    expect(target).toMatchObject({ role: 'plan_owner', superuser: false, bypasses_rls: false, may_create_roles: true });
    const warnings = findings.filter(({ level }) => level === 'warning').map(({ message }) => message);
    expect(warnings).toContainEqual(expect.stringMatching(/^Only a superuser may make event triggers: plan_watches /));
    expect(findings).toContainEqual({
      level: 'stop',
      message:
        'Only a superuser may make operator family public.plan_family for hash. Copy as one, or drop it at the source.',
    });
    expect(warnings).toContainEqual(
      expect.stringMatching(/^Row security holds for the owner, too, of public\.portfolios; /),
    );
  } finally {
    await owned.drop();
    await asAdmin(
      source.adminUrl,
      'drop event trigger plan_watches; drop function public.watch(); drop operator family public.plan_family using hash; drop role plan_owner',
    );
  }
});

test('a source with few connections is warned of', async () => {
  const { findings } = await asReader(
    'alter role plan_reader bypassrls connection limit 5; grant pg_read_all_data to plan_reader',
  );
  expect(findings).toContainEqual({
    level: 'warning',
    message: 'The source allows 5 connections, and a copy takes up to six.',
  });
});

/** Each is one sentence and an exit code, and no password is in it. */
test.each([
  [
    'a wrong password',
    3,
    () => ['--from', source.url.replace(':postgres@', ':s3cret@')],
    /refuses the password of role postgres/,
  ],
  [
    'no such database',
    3,
    () => ['--from', source.url.replace(/\/\w+$/, '/nowhere')],
    /there is no database of that name/,
  ],
  ['nobody there', 3, () => ['--from', 'postgres://postgres:s3cret@127.0.0.1:1/postgres'], /cannot be reached/],
  ['no TLS where it is required', 3, () => ['--from', `${source.url}?sslmode=require`], /does not speak TLS/],
  ['no Supabase database', 3, () => ['--from', target.url], /is not a Supabase database/],
  [
    'a target that nobody answers at',
    4,
    () => ['--from', source.url, '--to', 'postgres://x:s3cret@127.0.0.1:1/y'],
    /^The target cannot be used/,
  ],
  ['no URL at all', 2, () => ['--from', 's3cret'], /^--from must be postgresql:/],
  ['a URL without its option', 2, () => ['postgres://x:s3cret@y/z'], /^Every URL belongs to an option/],
  ['nothing', 2, () => [], /^Say where the portal is: --from/],
])('%s', async (_, code, args, sentence) => {
  const words = args();
  const answer = await command(words.includes('--to') || code !== 3 ? words : [...words, '--to', target.url]);
  expect(answer.stderr).toMatch(sentence);
  expect(answer.stderr.trim().split('\n')).toHaveLength(1);
  expect(answer.stderr + answer.stdout).not.toContain('s3cret');
  expect(answer.code).toBe(code);
});

test('a target that is not empty stands in the way, and so does the source itself', async () => {
  await target.pool.query('create table public.mine (id int)');
  const busy = await command(['--from', source.url, '--to', target.url]).finally(() =>
    target.pool.query('drop table public.mine'),
  );
  expect(busy.stdout).toMatch(/The target is not empty: it has table public\.mine/);
  expect(busy.stdout).toMatch(/ in the way\. Nothing was changed\.\n$/);
  expect(busy.code).toBe(9);
  expect((await command(['--from', source.url, '--to', source.url])).code).toBe(9);
});

test('the help names every option and exit code', async () => {
  const { code, stdout } = await command(['--help']);
  for (const word of ['--from', '--to', '--json', '9 something']) expect(stdout).toContain(word);
  expect(code).toBe(0);
});

test('a plan writes nothing: not a byte to the log of either cluster', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-plan-'));
  await chmod(directory, 0o711);
  // Nobody else writes: no autovacuum, no note of running transactions.
  const settings = { fsync: 'off', autovacuum: 'off', wal_level: 'minimal', max_wal_senders: '0' };
  let cluster: EmbeddedPostgres | undefined;
  try {
    cluster = await startEmbeddedPostgres({ directory, settings });
    const there = await createSupabaseSource(cluster.url, { users: 100, portal: 'without large values' });
    await asAdmin(cluster.url, 'create database portal');
    const here = new URL(cluster.url);
    here.pathname = '/portal';
    // What a first reader would tidy up is tidy.
    for (const url of [there.adminUrl, here.href, cluster.url]) {
      await asAdmin(url, 'vacuum (freeze, analyze)');
      await asAdmin(url, 'vacuum (freeze)');
    }
    await asAdmin(cluster.url, 'checkpoint');
    const watcher = new pg.Client(cluster.url);
    await watcher.connect();
    const position = async () => (await watcher.query('select pg_current_wal_insert_lsn()::text as lsn')).rows[0].lsn;
    const before = await position();
    await planPortal(connectionFromUrl(there.url), connectionFromUrl(here.href));
    expect(await position()).toBe(before);
    // The measure itself: whoever writes moves it.
    await watcher.query('create table written (id int)');
    expect(await position()).not.toBe(before);
    await watcher.end();
  } finally {
    await cluster?.stop();
    await rm(directory, { recursive: true, force: true });
  }
});
