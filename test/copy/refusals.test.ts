/** What stands in a copy's way is said in one sentence, and what was done before it is not lost. */
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../../src/copy/copy.command.ts';
import { refuseSharedBackends } from '../../src/portal/pooler.ts';
import { operatorAt, outcomeOf } from '../harness/command.ts';
import { emptyDatabase, type TestDatabase } from '../harness/postgres.ts';
import type { SupabaseSource } from '../harness/supabase-source.ts';
import { ask, portalRows } from '../portal/portal-rows.ts';
import { createPortalSource } from '../portal/portal-source.ts';

const CLEAR_LINE = '\r\u001b[2K';

let source: SupabaseSource;
let target: TestDatabase;

beforeAll(async () => {
  source = await createPortalSource({ users: 100, portal: 'without large values' });
  await ask(
    source.adminUrl,
    `create function public.has_room() returns boolean language plpgsql as $$
     begin
       if current_setting('test.disk', true) = 'full' then
         raise exception 'could not extend file' using errcode = 'disk_full';
       end if;
       return true;
     end $$;
     create table public.growing (id int primary key check (public.has_room()));
     insert into public.growing select generate_series(1, 100)`,
  );
});
afterAll(() => source.drop());
beforeEach(async () => {
  target = await emptyDatabase();
  return () => target.drop();
});

/** Runs the command as at a terminal, with the target as DATABASE_URL. */
function gatehouse(args: string[], { isTTY = false } = {}) {
  return outcomeOf((streams) => run(args, { ...streams, ...operatorAt(target.url) }), { isTTY });
}

test('on a terminal with a bar that is gone in the end; in JSON a line per event; and not without --apply', async () => {
  const looked = await gatehouse(['--from', source.url]);
  expect(looked).toMatchObject({ code: 0, stderr: '' });
  expect(looked.stdout).toMatch(/Nothing was changed\. Add --apply to do it\.\n$/);
  expect(await ask(target.url, "select from pg_namespace where nspname in ('gatehouse', 'storage')")).toEqual([]);

  const applied = await gatehouse(['--from', source.url, '--apply'], { isTTY: true });
  expect(applied).toMatchObject({ code: 0, stderr: '' });
  expect(applied.stdout).toContain('indexes and keys …');
  expect(applied.stdout.split('\n').at(-2)?.split(CLEAR_LINE).at(-1)).toMatch(
    /^complete after \d+ s; the ledger ends in [0-9a-f]{64}\./,
  );

  const again = await gatehouse(['--from', source.url, '--apply', '--json']);
  expect(again.code).toBe(0);
  expect(JSON.parse(again.stdout)).toMatchObject({ event: 'plan', plan: { complete_since: expect.any(String) } });
});

test('help names every exit code', async () => {
  const { code, stdout } = await gatehouse(['--help']);
  expect(code).toBe(0);
  expect(stdout).toContain('Exit codes: 0 done');
});

describe('is refused before anything is changed', () => {
  const at = (url: string, change: (parts: URL) => void) => {
    const parts = new URL(url);
    change(parts);
    return parts.href;
  };
  const cases: [what: string, prepare: string, from: () => string, code: number, sentence: RegExp][] = [
    [
      'a target with a table of its own',
      'create table public."Mine" ()',
      () => source.url,
      9,
      /^The target is not empty: it has table public\."Mine", which this command did not make\. Remove/,
    ],
    [
      'a target with large objects',
      'select lo_create(0)',
      () => source.url,
      9,
      /^The target has large objects already/,
    ],
    ['one database as both', '', () => target.url, 9, /^Source and target are the same database/],
    [
      'a database that is no project of Supabase',
      '',
      () =>
        at(source.url, (url) => {
          url.pathname = '/postgres';
        }),
      3,
      /^The source is not a Supabase database: .* has no auth\.users, .*\. Check the database name\./,
    ],
    [
      'a wrong password',
      '',
      () =>
        at(source.url, (url) => {
          url.password = 'wrong-must-not-show';
        }),
      3,
      /^The source cannot be used: .* refuses the password of role postgres\. Check the URL\./,
    ],
    [
      'a port where nobody listens',
      '',
      () =>
        at(source.url, (url) => {
          url.port = '1';
        }),
      3,
      /^The source cannot be used: .* cannot be reached \(ECONNREFUSED\)/,
    ],
  ];
  test.each(cases)('%s', async (_, prepare, from, code, sentence) => {
    if (prepare) await ask(target.url, prepare);
    const looked = await gatehouse(['--from', from()]);
    expect(looked.code).toBe(code);
    if (code === 9)
      expect(looked.stdout).toMatch(/^STOP: [\s\S]*\nNothing was changed\. Mend what STOP names, then run again\.\n$/m);
    const refused = await gatehouse(['--from', from(), '--apply']);
    expect(refused).toMatchObject({ code, stderr: expect.stringMatching(sentence) });
    expect(refused.stderr.trim().split('\n')).toHaveLength(1);
    expect(refused.stderr).not.toContain('must-not-show');
    expect(await ask(target.url, "select from pg_namespace where nspname in ('gatehouse', 'storage')")).toEqual([]);
  });
});

test('a full disk at the target stops the copy; with room there the next run goes on', async () => {
  const name = new URL(target.url).pathname.slice(1);
  await ask(target.url, `alter database ${name} set test.disk = 'full'`);
  const full = await gatehouse(['--from', source.url, '--apply']);
  expect(full).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(
      /^The target cannot be used: its disk is full or fails\. Make room there\. The copy is not complete; run the command again, and it goes on where it stopped\.\n$/,
    ),
  });
  await ask(target.url, `alter database ${name} reset test.disk`);
  expect(await gatehouse(['--from', source.url, '--apply'])).toMatchObject({ code: 0 });
  expect(await portalRows(target.url)).toEqual(await portalRows(source.adminUrl));
});

test('what only a superuser may make is named before anything is changed, where the role of --to is none', async () => {
  await ask(
    source.adminUrl,
    `create operator family public.a_family using hash;
     create function public.tight(int) returns boolean language sql leakproof as 'select true'`,
  );
  await ask(
    target.url,
    `create role copying_owner login createrole password 'owner';
     do $$ begin execute format('alter database %I owner to copying_owner', current_database()); end $$`,
  );
  const to = new URL(target.url);
  [to.username, to.password] = ['copying_owner', 'owner'];
  const sentence =
    'Only a superuser may make function public.tight(integer), operator family public.a_family for hash. Copy as one, or drop it at the source.';
  try {
    const looked = await gatehouse(['--from', source.url, '--to', to.href]);
    expect(looked).toMatchObject({ code: 9, stdout: expect.stringContaining(`STOP: ${sentence}\n`) });
    const refused = await gatehouse(['--from', source.url, '--to', to.href, '--apply']);
    expect(refused).toMatchObject({ code: 9, stderr: `${sentence}\n` });
    expect(await ask(target.url, "select from pg_namespace where nspname in ('gatehouse', 'storage')")).toEqual([]);
  } finally {
    await ask(source.adminUrl, 'drop operator family public.a_family using hash; drop function public.tight');
    await ask(
      target.url,
      `do $$ begin execute format('alter database %I owner to gatehouse_superuser', current_database()); end $$;
       drop role copying_owner`,
    );
  }
});

test('event triggers and foreign servers of the portal are named, and a table that is on one stops the copy', async () => {
  await ask(
    source.adminUrl,
    `create function public.watch() returns event_trigger language plpgsql as 'begin end';
     create event trigger watch on ddl_command_end execute function public.watch();
     create foreign data wrapper nowhere; create server remote foreign data wrapper nowhere`,
  );
  const looked = await gatehouse(['--from', source.url]);
  expect(looked.stdout).toMatch(
    /^warning: Event trigger watch comes along: from then on its function runs with the rights of whoever/m,
  );
  expect(looked.stdout).toMatch(/^note: Foreign server remote stays behind/m);

  await ask(source.adminUrl, 'create foreign table public.far (id int) server remote');
  expect(await gatehouse(['--from', source.url, '--apply'])).toMatchObject({
    code: 9,
    stderr: expect.stringMatching(/^Foreign table public\.far is on server remote, which the target does not have:/),
  });
  await ask(
    source.adminUrl,
    'drop server remote cascade; drop foreign data wrapper nowhere; drop event trigger watch; drop function public.watch',
  );
});

test('a large object that the role may not read is named before anything is changed', async () => {
  const [{ id } = { id: 0 }] = await ask<{ id: number }>(source.adminUrl, "select lo_from_bytea(0, 'x') as id");
  try {
    const refused = await gatehouse(['--from', source.url, '--apply']);
    expect(refused.code).toBe(9);
    expect(refused.stderr).toMatch(
      new RegExp(
        `^Role postgres may not read large objects at the source: ${id} \\(of gatehouse_superuser\\)\\. As their owners: `,
      ),
    );
    expect(await ask(target.url, "select from pg_namespace where nspname in ('gatehouse', 'storage')")).toEqual([]);
  } finally {
    await ask(source.adminUrl, 'select lo_unlink($1)', [id]);
  }
});

test('a policy for a role that does not exist is named before anything is changed', async () => {
  await ask(source.adminUrl, 'create policy "for whom" on public.people using (true)');
  const to = (role: number) => `update pg_policy set polroles = '{${role}}' where polname = 'for whom'`;
  await ask(source.adminUrl, to(4_000_000_000));
  try {
    expect(await gatehouse(['--from', source.url, '--apply'])).toMatchObject({
      code: 9,
      stderr: expect.stringMatching(/^A policy is for a role that does not exist \("for whom" on public\.people\)\. /),
    });
    expect(await ask(target.url, "select from pg_namespace where nspname in ('gatehouse', 'storage')")).toEqual([]);
  } finally {
    await ask(source.adminUrl, to(0));
    await ask(source.adminUrl, 'drop policy "for whom" on public.people');
  }
});

test('rows that break a foreign key are named by it; once they are mended the next run completes', async () => {
  await ask(
    source.adminUrl,
    "set session_replication_role = replica; insert into public.people (client_group_id, full_name) values (gen_random_uuid(), 'Nobody')",
  );
  const broken = await gatehouse(['--from', source.url, '--apply']);
  expect(broken).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(/violates foreign key constraint "people_client_group_id_fkey"/),
  });
  expect(broken.stderr.trim().split('\n')).toHaveLength(1);
  await ask(source.adminUrl, "delete from public.people where full_name = 'Nobody'");
  expect(await gatehouse(['--from', source.url, '--apply'])).toMatchObject({ code: 0 });
  expect(await portalRows(target.url)).toEqual(await portalRows(source.adminUrl));
});

test('an unfinished copy of another database is not gone on with', async () => {
  const name = new URL(target.url).pathname.slice(1);
  await ask(target.url, `alter database ${name} set test.disk = 'full'`);
  await gatehouse(['--from', source.url, '--apply']);
  const other = await createPortalSource({ users: 100, portal: false });
  try {
    expect(await gatehouse(['--from', other.url, '--apply'])).toMatchObject({
      code: 9,
      stderr: expect.stringMatching(
        /^The target holds an unfinished copy of .*, begun .*: end that one, or use another database\./,
      ),
    });
  } finally {
    await other.drop();
  }
});

describe('a pooler', () => {
  /** A connection through one: what it says of its process is made up, and who serves a statement is asked of `backend`. */
  const through = (backend: () => number) =>
    ({
      processID: 1,
      query: async () => ({ rows: [{ pid: backend() }] }),
      end: async () => {},
    }) as unknown as pg.Client;

  test('in transaction mode is refused, whichever process it hands out next', async () => {
    const next = [
      [10, 20],
      [20, 20],
    ];
    for (const [busy = 0, after = 0] of next) {
      const served = [10, after].values();
      const refused = refuseSharedBackends(
        through(() => served.next().value ?? 0),
        async () => through(() => busy),
      );
      await expect(refused).rejects.toThrow(/^The source is reached through a pooler in transaction mode/);
    }
  });

  test('in session mode is not', async () => {
    await refuseSharedBackends(
      through(() => 10),
      async () => through(() => 20),
    );
  });
});
