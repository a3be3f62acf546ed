/** A source that belongs to somebody who means harm: its names and settings are names and settings, whatever they say. */
import { chmod, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../src/copy/copy.command.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts';
import { run as runPlan } from '../../src/plan/plan.command.ts';
import { run as runVerify } from '../../src/verify/verify.command.ts';
import { operatorAt, outcomeOf } from '../harness/command.ts';
import type { SupabaseSource } from '../harness/supabase-source.ts';
import { ask } from '../portal/portal-rows.ts';
import { createPortalSource } from '../portal/portal-source.ts';

let directory: string;
let server: EmbeddedPostgres;
let source: SupabaseSource;

/** What PostgreSQL takes for one name and an unwary reader for more. */
const INJECTION = 'public;create/**/table/**/public.injected();--';
const names = [
  `o'clock "quoted"`,
  'a\nb; drop table auth.users; --',
  '$(touch injected) `injected` %s %I $1 {0}',
  '\u001b]0;title\u0007\u001b[2Jcleared\u009b31m',
  'separator\u2028of lines\u2029here',
  '\\N\\. \\gexec \\! id',
  'json',
  'system_user',
  'x'.repeat(63),
  'ж'.repeat(31),
  'Twice',
  'twice',
  '<script>alert(1)</script>',
];

const quoted = pg.escapeIdentifier;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-hostile-'));
  await chmod(directory, 0o711);
  server = await startEmbeddedPostgres({ directory, settings: { fsync: 'off', max_connections: '50' }, version: 18 });
  source = await createPortalSource({ users: 100, portal: false });
  const schemas = names.map((name) => {
    const schema = quoted(name);
    const text = pg.escapeLiteral(name);
    const named = (kind: string) => quoted(`${name.slice(0, 20)} ${kind}`);
    const type = `${schema}.${named('type')}`;
    return `
      create schema ${schema};
      create type ${type} as enum (${text}, 'other');
      create function ${schema}.${schema}(${schema} ${type}) returns text
        language sql immutable as ${pg.escapeLiteral(`select ${text}::text`)};
      create table ${schema}.${schema} (
        ${schema} ${type} primary key default ${text}, id serial,
        constraint ${named('check')} check (${schema} in (${text}, 'other')));
      create index on ${schema}.${schema} (${schema}.${schema}(${schema}));
      create policy ${schema} on ${schema}.${schema} using (${schema} = ${text});
      insert into ${schema}.${schema} values (default);
      comment on table ${schema}.${schema} is ${text};
      comment on column ${schema}.${schema}.${schema} is ${text};
      create view ${schema}.${named('view')} as select * from ${schema}.${schema};
      grant usage on schema ${schema} to authenticated;
      grant select (${schema}) on ${schema}.${schema} to authenticated;
      alter schema ${schema} owner to postgres`;
  });
  await ask(
    source.adminUrl,
    `${schemas.join(';\n')};
     do $$ begin
       create role hostile_group nologin; create role hostile_member nologin;
     exception when duplicate_object then null; end $$;
     grant hostile_group to hostile_member;
     create function public.mighty() returns text language sql security definer as 'select current_user::text';
     alter function public.mighty() owner to postgres;
     grant usage on schema public to hostile_group, hostile_member;
     grant usage, create on schema auth to hostile_member;
     -- As no client but SET would write it.
     select set_config('search_path', '${INJECTION}', false);
     alter role hostile_member set search_path from current;
     alter database ${quoted(new URL(source.adminUrl).pathname.slice(1))} set search_path from current`,
  );
});

afterAll(async () => {
  await ask(source.adminUrl, 'alter role hostile_member reset all');
  await source.drop();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Runs a command as at a terminal. */
const gatehouse = (command: typeof run | typeof runPlan | typeof runVerify, args: string[], url: string) =>
  outcomeOf((streams) => command(args, { ...streams, ...operatorAt(url) }), { isTTY: true });

async function makeTarget(name: string): Promise<string> {
  await ask(server.url, `create database ${name} template template0`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return url.href;
}

/** What is left of what a command wrote to a terminal without the marks by which it draws itself. */
const MARKS = /[\r]?\p{Cc}\[(?:2K|\d\d?m)/gu;
const shown = (text: string) => text.replace(MARKS, '');
/** What would steer the terminal, or look like a line of the command's own. */
const STEERING = /[^\P{Cc}\n]|[\u2028\u2029]|^b; drop/mu;

describe('a copy stops that would give to who is nobody at the source', () => {
  test.each([
    [
      'a superuser’s rights',
      'create role hostile_group superuser nologin',
      'drop role hostile_group',
      /^Role hostile_group is an ordinary one at the source and a superuser at the target/,
    ],
    [
      'the rights of who copies',
      "create role hostile_group createrole login password 'hostile'; alter database stopped owner to hostile_group",
      'alter database stopped owner to gatehouse_superuser; drop role hostile_group',
      /^Role hostile_group has members at the source, and is the one of --to/,
    ],
  ])('%s', async (_, make, unmake, sentence) => {
    await ask(server.url, 'drop database if exists stopped');
    const to = new URL(await makeTarget('stopped'));
    await ask(server.url, make);
    if (make.includes('password')) [to.username, to.password] = ['hostile_group', 'hostile'];
    try {
      const refused = await gatehouse(run, ['--from', source.url, '--apply'], to.href);
      expect(refused).toMatchObject({ code: 9, stderr: expect.stringMatching(sentence) });
      expect(await ask(server.url, "select from pg_roles where rolname = 'hostile_member'")).toEqual([]);
    } finally {
      await ask(server.url, unmake);
    }
  });

  test('the rights of gatehouse itself', async () => {
    const name = `gatehouse_hostile_${process.pid}`;
    await ask(source.adminUrl, `create role ${name} nologin; grant usage on schema public to ${name}`);
    try {
      const refused = await gatehouse(run, ['--from', source.url, '--apply'], await makeTarget('reserved'));
      expect(refused).toMatchObject({ code: 9, stderr: expect.stringMatching(`^Role ${name}: gatehouse has roles`) });
    } finally {
      await ask(source.adminUrl, `drop owned by ${name}; drop role ${name}`);
    }
  });
});

test('what functions could do with the rights of a superuser is said before they have them', async () => {
  const looked = await gatehouse(run, ['--from', source.url], await makeTarget('looked'));
  expect(looked.code).toBe(0);
  expect(looked.stdout).toMatch(
    /^warning: gatehouse_superuser is a superuser, and will own what `postgres` owned, which is none: a function that runs with its owner/m,
  );
});

/** Of Supabase Auth's old audit log: what json takes and jsonb does not, times and addresses that are none. */
const history = [
  [String.raw`{"action":"login","actor_name":"\\u0000"}`, '2026-01-01'],
  [String.raw`{"action":"login","actor_name":"\ud800"}`, '2026-01-02'],
  ['{"action":"login","traits":1e999999}', '2026-01-03'],
  ['"no object"', '2026-01-04'],
  [`{"traits":${'['.repeat(3000)}${']'.repeat(3000)}}`, 'infinity'],
  ['{"action":7,"actor_id":"; drop table audit.events"}', '0044-03-15 BC'],
] as const;

test('names of every kind arrive as they are, and a setting is not more than a list of names', async () => {
  const to = await makeTarget('named');
  for (const [payload, at] of history) {
    await ask(
      source.adminUrl,
      'insert into auth.audit_log_entries (id, payload, created_at, ip_address) values (gen_random_uuid(), $1, $2, $3)',
      [payload, at, '1.2.3.4, $(id)'],
    );
  }
  const planned = await gatehouse(runPlan, ['--from', source.url], to);
  expect(shown(planned.stdout)).not.toMatch(STEERING);
  const leading = join(tmpdir(), `gatehouse-copy-${2 ** 31 - 1}-planted`);
  await symlink(directory, leading);
  const copied = await gatehouse(run, ['--from', source.url, '--apply'], to);
  // What a killed copy left would be gone; this is no directory of ours.
  await rm(leading);
  expect(copied).toMatchObject({ code: 0, stderr: '' });
  expect(shown(copied.stdout)).not.toMatch(STEERING);
  expect(copied.stdout).toContain(String.raw`"\u001b]0;title\u0007\u001b[2Jcleared\u009b31m": 1 row`);
  const verified = await gatehouse(runVerify, ['--from', source.url, '--json'], to);
  const [{ entries } = { entries: '' }] = await ask<{ entries: string }>(
    to,
    `select (select count(*) from audit.events where details ? 'imported_from') || ' of ' || $1 as entries`,
    [(await ask(source.adminUrl, 'select from auth.audit_log_entries where created_at is not null')).length],
  );
  expect(entries).toMatch(/^(\d+) of \1$/);

  expect(verified.stdout).not.toMatch(STEERING);
  expect(shown((await gatehouse(runVerify, ['--from', source.url], to)).stdout)).not.toMatch(STEERING);
  const { verification } = JSON.parse(verified.stdout.trim().split('\n').at(-1) ?? '');
  expect(verification.tables.filter(({ equal }: { equal: boolean }) => !equal)).toEqual([]);
  // Their text is not the same, and that is said.
  expect(verification.catalogue.drift.map(({ sentence }: { sentence: string }) => sentence)).toEqual([
    expect.stringMatching(/^The database: search_path/),
    expect.stringMatching(/^Role hostile_member: settings/),
  ]);

  const rows = await ask<{ table: string }>(
    to,
    `select n.nspname as "table" from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
      where c.relname = n.nspname and c.relkind = 'r' and obj_description(c.oid, 'pg_class') = n.nspname`,
  );
  expect(rows.map(({ table }) => table).sort()).toEqual([...names].sort());
  expect(await ask(to, "select from pg_class where relname = 'injected'")).toEqual([]);
  const may =
    "select has_schema_privilege('hostile_member', 'auth', privilege) as may from unnest(array['usage', 'create']) as privilege";
  expect(await ask(to, may)).toEqual([{ may: true }, { may: false }]);
  const settings = await ask<{ setting: string }>(
    to,
    `select unnest(setconfig) as setting from pg_db_role_setting as s left join pg_roles as r on r.oid = s.setrole
      where rolname = 'hostile_member' or setdatabase = (select oid from pg_database where datname = current_database())`,
  );
  expect(new Set(settings.map(({ setting }) => setting))).toEqual(new Set([`search_path="${INJECTION}"`]));
});
