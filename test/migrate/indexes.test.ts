/** The indexes of a table are off while it is filled, and nobody can tell afterwards. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { takeIndexesOff } from '../../src/migrate/indexes.sql.ts';
import type { MigrationEvent } from '../../src/migrate/run.ts';
import { migrateUsers } from '../../src/migrate/users.ts';
import { adminUrl, freshDatabase, type TestDatabase } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';
import { carriedRows, count, expectedRows, query } from './rows.ts';

/** More than a table may have and still be too small for it to be worthwhile. */
const USERS = 1_300;

let source: SupabaseSource;
let target: TestDatabase;
let before: unknown;

beforeAll(async () => {
  source = await createSupabaseSource(adminUrl(), { users: USERS, portal: false });
});
afterAll(() => source.drop());
beforeEach(async () => {
  target = await freshDatabase();
  before = await definitions();
  return () => target.drop();
});

/** What schema auth says of its indexes and constraints: the former in the order in which they are tried. */
async function definitions(): Promise<unknown> {
  const indexes = await query(
    target.url,
    `select x.*, obj_description(format('auth.%I', x.indexname)::regclass, 'pg_class') as comment
       from pg_indexes as x where schemaname = 'auth' order by tablename, format('auth.%I', indexname)::regclass::oid`,
  );
  const constraints = await query(
    target.url,
    `select conrelid::regclass::text as "table", conname, contype, condeferrable, convalidated, conindid::regclass::text as "index",
            pg_get_constraintdef(oid) as definition, obj_description(oid, 'pg_constraint') as comment
       from pg_constraint where connamespace = 'auth'::regnamespace order by 1, 2`,
  );
  return { indexes, constraints };
}

/** Runs as an operator would, and tells what it heard. */
async function migrate(to = target.url) {
  const events: MigrationEvent[] = [];
  const onEvent = (event: MigrationEvent) => events.push(event);
  const report = await migrateUsers(
    { connectionString: source.url },
    { connectionString: to },
    { apply: true, onEvent },
  );
  const indexed = events.flatMap((event) => (event.event === 'indexing' ? [event.table] : []));
  const remarks = events.flatMap((event) => (event.event === 'remark' ? [event.message] : []));
  return { report, indexed, remarks };
}

const asArrived = async () => expect(await carriedRows(target.url)).toEqual(await expectedRows(source.adminUrl));

test('tables that are filled have every index and constraint as it was: name, definition, comment, order', async () => {
  await query(
    target.url,
    `create index "by Name" on auth.users ((raw_user_meta_data ->> 'full_name') desc) where email is not null;
     comment on index auth."by Name" is 'what the portal''s search needs'`,
  );
  before = await definitions();

  const { report, indexed } = await migrate();

  expect(indexed).toEqual(expect.arrayContaining(['users', 'identities', 'sessions', 'refresh_tokens']));
  expect(report.plan.findings).toContainEqual({
    level: 'note',
    message: expect.stringMatching(/^Nobody can sign in or up here until all is done: auth\.users, /),
  });
  expect(await definitions()).toEqual(before);
  await asArrived();
});

test('a rerun, on tables that are full, leaves every index alone', async () => {
  const numbers = () => query(target.url, `select indexrelid::text from pg_index order by indexrelid`);
  await migrate();
  const ours = await numbers();

  const { report, indexed } = await migrate();

  expect(indexed).toEqual([]);
  expect(report.tables.find(({ table }) => table === 'users')).toMatchObject({ unchanged: USERS });
  expect(await numbers()).toEqual(ours);
});

test.each([
  ['progress', 'users'],
  ['indexing', 'users'],
  ['indexing', 'refresh_tokens'],
  ['proof', 'users'],
])('killed with -9 at "%s %s" it leaves the indexes as they were, and the next run completes', async (...moment) => {
  const script = new URL('broken-off-run.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, source.url, target.url, ...moment], { stdio: 'inherit' });
  const [, signal] = await once(child, 'exit');
  expect(signal).toBe('SIGKILL');

  expect(await count(target.url, 'auth.users')).toBe(0);
  expect(await definitions()).toEqual(before);
  await migrate();
  expect(await definitions()).toEqual(before);
  await asArrived();
});

test('an address that is taken is found when its index is made: it is named, and nothing has changed', async () => {
  const { email } = source.people.bcrypt2a10;
  const own = `insert into auth.users (id, email, is_sso_user) values ('11111111-1111-4111-8111-111111111111', '${email}', false)`;
  await query(target.url, own);

  await expect(migrate()).rejects.toMatchObject({ kind: 'target', message: expect.stringContaining(String(email)) });

  expect(await count(target.url, 'auth.users')).toBe(1);
  expect(await count(target.url, 'gatehouse.migrated_rows')).toBe(0);
  expect(await definitions()).toEqual(before);
});

test('an index stays on that a foreign key needs, or that has a mark which its definition does not say', async () => {
  const all = await namesOf('refresh_tokens');
  await query(
    target.url,
    `create table public.notes (token varchar references auth.refresh_tokens (token));
     alter table auth.refresh_tokens cluster on refresh_tokens_updated_at_idx;
     create index refresh_tokens_marked_idx on auth.refresh_tokens ((lower(token)));
     alter index auth.refresh_tokens_marked_idx alter column 1 set statistics 500`,
  );
  const client = new pg.Client(target.url);
  await client.connect();
  await client.query('begin');
  const indexes = await takeIndexesOff(client, { name: 'refresh_tokens', parents: {}, columns: ['id'] }).finally(() =>
    client.end(),
  );

  const stay = ['refresh_tokens_pkey', 'refresh_tokens_token_unique', 'refresh_tokens_updated_at_idx'];
  expect(indexes.map(({ name }) => name).toSorted()).toEqual(all.filter((name) => !stay.includes(name)));
});

async function namesOf(table: string): Promise<string[]> {
  const rows = await query<{ name: string }>(
    target.url,
    `select indexname::text as name from pg_indexes where schemaname = 'auth' and tablename = '${table}' order by 1`,
  );
  return rows.map(({ name }) => name).toSorted();
}

describe('while somebody else is connected', () => {
  let other: pg.Client;
  beforeEach(async () => {
    other = new pg.Client(target.url);
    await other.connect();
    return () => other.end();
  });

  test('nobody signs up before all is there', async () => {
    await other.query('begin; lock table auth.one_time_tokens in share mode');
    const run = migrate();
    for (;;) {
      const [waiting] = await query(
        target.url,
        `select from pg_locks where not granted and relation = 'auth.one_time_tokens'::regclass
            and database = (select oid from pg_database where datname = current_database())`,
      );
      if (waiting) break;
    }
    const signUp = query(
      target.url,
      `set lock_timeout = '50ms'; insert into auth.users (id) values (gen_random_uuid())`,
    );
    await expect(signUp).rejects.toMatchObject({ code: '55P03' });
    await other.query('rollback');

    await run;
    await asArrived();
  });

  test('who reads a table in a long transaction is not waited for: the indexes stay on, and it says so', async () => {
    await other.query('begin; select from auth.sessions');

    const { indexed, remarks } = await migrate();

    expect([indexed, remarks]).toEqual([[], [expect.stringMatching(/^Somebody is at work .* indexes stay on/)]]);
    await asArrived();
  });
});

test('a role that may write and does not own the tables brings everything with the indexes on, and says so', async () => {
  const name = `writer_${new URL(target.url).pathname.slice(1)}`;
  await query(
    target.url,
    `create role ${name} login password 'writer';
     grant usage on schema auth, gatehouse, audit to ${name};
     grant all on all tables in schema auth, gatehouse, audit to ${name};
     grant all on all sequences in schema auth, gatehouse, audit to ${name};
     grant execute on all functions in schema gatehouse, audit to ${name};
     alter role ${name} bypassrls;
     grant set on parameter session_replication_role to ${name}`,
  );
  const url = Object.assign(new URL(target.url), { username: name, password: 'writer' });

  const { report, indexed } = await migrate(url.href);

  expect(indexed).toEqual([]);
  expect(report.plan.findings).toContainEqual({
    level: 'note',
    message: expect.stringMatching(
      /^Role writer_\w+ does not own auth\.users, .* their indexes stay on, and it takes longer\.$/,
    ),
  });
  expect(await definitions()).toEqual(before);
  await asArrived();
});
