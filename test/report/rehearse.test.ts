/** `gatehouse migrate rehearse`: the whole move into a scratch database that is gone afterwards. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { run } from '../../src/report/rehearse.command.ts';
import { operatorAt, outcomeOf } from '../harness/command.ts';
import { adminUrl } from '../harness/postgres.ts';
import type { SupabaseSource } from '../harness/supabase-source.ts';
import { query } from '../migrate/rows.ts';
import { createPortalSource } from '../portal/portal-source.ts';

vi.setConfig({ testTimeout: 120_000 });

let source: SupabaseSource;
let directory: string;

beforeAll(async () => {
  source = await createPortalSource({ users: 150, portal: 'without large values' });
});
afterAll(() => source.drop());
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-rehearse-'));
  return () => rm(directory, { recursive: true });
});

/** Runs the command as at a terminal, with the server of the run as DATABASE_URL. */
function gatehouse(args: string[]) {
  return outcomeOf((streams) => run(args, { ...streams, ...operatorAt(adminUrl()) }));
}

async function scratchDatabases(): Promise<string[]> {
  const rows = await query<{ datname: string }>(
    adminUrl(),
    "select datname from pg_database where datname like '%rehearsal%' order by 1",
  );
  return rows.map(({ datname }) => datname);
}

test('moves everything, proves it equal, reports on it, and leaves nothing but the report', async () => {
  await query(adminUrl(), 'create database gatehouse_rehearsal_of_one_that_was_killed');

  const { code, stdout, stderr } = await gatehouse(['--from', source.url, '--out', directory]);

  expect([code, stderr]).toEqual([0, '']);
  const steps = [...stdout.matchAll(/^ {2}✓ ([a-z -]+?) {2,}[\d.]+ s {2}(.+)$/gm)].map(([, step, seen]) => [
    step,
    seen,
  ]);
  expect(steps).toEqual([
    ['scratch database', expect.stringMatching(/^gatehouse_rehearsal_[0-9a-f]{8}; 1 of earlier rehearsals removed$/)],
    ['plan', expect.stringMatching(/^nothing stands in the way; /)],
    ['copy', expect.stringMatching(/ rows of \d+ tables, .* rows of users and sessions$/)],
    ['verify', expect.stringMatching(/^equal: [\d,]+ definitions, [\d,]+ rows, every column$/)],
    ['report', expect.stringMatching(/ 0 not met; the ledger's \d+ entries hold together$/)],
    ['clean-up', 'the scratch database is gone'],
  ]);
  expect(stdout).toMatch(
    /^ {2}Copy and verification took .*: for so long, and a little more, the portal has to stand still\.$/m,
  );
  expect(await readdir(directory)).toEqual(['migration-report.html', 'migration-report.json']);
  expect(await scratchDatabases()).toEqual([]);
});

test('is of one moment, whatever is written at the source meanwhile', async () => {
  let over = false;
  let written = 0;
  async function live(): Promise<void> {
    const client = new pg.Client(source.url);
    await client.connect();
    try {
      while (!over) {
        await client.query("insert into public.activity_log (what) values ('written meanwhile')");
        await client.query("update public.products set name = name || '.' where id = 1");
        await client.query('update auth.users set updated_at = clock_timestamp() where id = $1', [
          source.people.bcrypt2b.id,
        ]);
        await client.query("select nextval('public.document_number')");
        written += 1;
      }
    } finally {
      await client.end();
    }
  }
  const living = live();
  const { code, stdout, stderr } = await gatehouse(['--from', source.url]);
  over = true;
  await living;

  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/✓ verify .*equal: /);
  expect(written).toBeGreaterThan(10);
});

test('with --keep leaves the portal to be tried, and no later rehearsal takes it away', async () => {
  const { code, stdout } = await gatehouse(['--from', source.url, '--keep', '--json']);
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { kept } = events.at(-1);
  try {
    expect(code).toBe(0);
    expect(events.map(({ step, event }) => step ?? event)).toEqual([
      ...['scratch database', 'plan', 'copy', 'verify', 'report'],
      'finished',
    ]);
    const url = new URL(adminUrl());
    url.pathname = `/${kept}`;
    expect(await query(url.href, 'select count(*)::int as users from auth.users')).toEqual([{ users: 150 }]);

    const refused = await gatehouse(['--from', 'postgres://postgres@127.0.0.1:1/none']);
    expect(refused.code).toBe(3);
    expect(await scratchDatabases()).toEqual([kept]);
  } finally {
    await query(adminUrl(), `drop database if exists "${kept}" with (force)`);
  }
});

test('ends at the first step that does not hold, says which, and leaves no scratch database', async () => {
  const { code, stdout, stderr } = await gatehouse(['--from', 'postgres://postgres:hidden-word@127.0.0.1:1/none']);

  expect(code).toBe(3);
  expect(stdout).toMatch(/^ {2}✓ scratch database .*\n {2}✗ plan\n$/);
  expect(stderr).toMatch(/^The source cannot be used: 127\.0\.0\.1:1\/none cannot be reached/);
  expect(stdout + stderr).not.toContain('hidden-word');
  expect(await scratchDatabases()).toEqual([]);
});

test('what is not equal stays with --keep, under a name that is said, and goes without', async () => {
  await query(source.adminUrl, 'create language rehearsal_speech handler plpgsql_call_handler');
  try {
    const kept = await gatehouse(['--from', source.url, '--keep']);
    expect([kept.code, kept.stdout]).toEqual([6, expect.stringMatching(/\n {2}✗ verify\n$/)]);
    const [, name] =
      /rehearsal_speech .* The scratch database stays: (\w+)\. With it in the URL of --to, /.exec(kept.stderr) ?? [];
    expect(await scratchDatabases()).toEqual([name]);
    await query(adminUrl(), `drop database "${name}"`);

    const { code, stderr } = await gatehouse(['--from', source.url]);
    expect([code, stderr]).toEqual([
      6,
      expect.stringMatching(/rehearsal_speech .* Rehearse with --keep to look at it\.\n$/),
    ]);
    expect(await scratchDatabases()).toEqual([]);
  } finally {
    await query(source.adminUrl, 'drop language rehearsal_speech');
  }
});

test('a report that cannot be written is known before anything is made', async () => {
  const { code, stdout, stderr } = await gatehouse(['--from', source.url, '--out', '/dev/null/report']);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toBe('The report cannot be written to /dev/null/report (ENOTDIR): name another --out.\n');
});

test('refuses a role that may not create databases, in a sentence', async () => {
  await query(adminUrl(), "create role rehearsal_reader login password 'reader'");
  try {
    const url = new URL(adminUrl());
    url.username = 'rehearsal_reader';
    url.password = 'reader';
    const { code, stderr } = await gatehouse(['--from', source.url, '--to', url.href]);
    expect(code).toBe(4);
    expect(stderr).toBe(
      'The target cannot be used: role rehearsal_reader may not create databases. As a superuser: alter role "rehearsal_reader" createdb.\n',
    );
  } finally {
    await query(adminUrl(), 'drop role rehearsal_reader');
  }
});
