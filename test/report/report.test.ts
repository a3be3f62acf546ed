/** `gatehouse migrate report`: says what the ledger and the target show, and claims nothing that they do not. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectionFromUrl } from '../../src/config/connection.ts';
import { appendToLedger, type LedgerEntry } from '../../src/migrate/ledger.sql.ts';
import { migrateUsers } from '../../src/migrate/users.ts';
import { run } from '../../src/report/report.command.ts';
import type { MigrationRecord } from '../../src/report/report.ts';
import { operatorAt, outcomeOf } from '../harness/command.ts';
import { adminUrl, emptyDatabase, freshDatabase, type TestDatabase } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';
import { query } from '../migrate/rows.ts';

let source: SupabaseSource;
let empty: TestDatabase;
let target: TestDatabase;
let directory: string;

beforeAll(async () => {
  source = await createSupabaseSource(adminUrl(), { users: 300, portal: false });
  empty = await emptyDatabase();
});
afterAll(async () => {
  await empty.drop();
  await source.drop();
});
beforeEach(async () => {
  target = await freshDatabase();
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-report-'));
  return async () => {
    await target.drop();
    await rm(directory, { recursive: true });
  };
});

/** Runs the command as at a terminal, with the target as DATABASE_URL. */
function gatehouse(args: string[], { operator = 'ops@example.com', url = target.url } = {}) {
  const clock = () => new Date('2026-11-02T08:00:00Z');
  return outcomeOf((streams) => run(args, { ...streams, ...operatorAt(url), operator, clock }));
}

async function report(): Promise<{ code: number; record: MigrationRecord }> {
  const { code, stdout } = await gatehouse(['--json']);
  return { code, record: JSON.parse(stdout) };
}

const verdicts = ({ criteria }: MigrationRecord) => Object.fromEntries(criteria.map((of) => [of.name, of.verdict]));

/** Writes a run into the ledger as a command does. */
async function writeRun(run_id: string, steps: [LedgerEntry['step'], object][]): Promise<void> {
  const client = new pg.Client(target.url);
  await client.connect();
  try {
    await client.query('begin');
    for (const [n, [step, details]] of steps.entries()) {
      const at = new Date(Date.parse('2026-11-01T12:00:00Z') + n * 1000);
      await appendToLedger(client, { run_id, at, step, details: { ...details } });
    }
    await client.query('commit');
  } finally {
    await client.end();
  }
}

const COPY = '11111111-1111-4111-8111-111111111111';
const VERIFY = '22222222-2222-4222-8222-222222222222';

describe('of users who were moved', () => {
  beforeEach(async () => {
    await migrateUsers(connectionFromUrl(source.url), connectionFromUrl(target.url), {
      apply: true,
      operator: 'dba@example.com',
    });
  });

  test('takes the source that the other steps take, and no other', async () => {
    expect(await gatehouse(['--from', source.url, '--json'])).toMatchObject({ code: 0, stderr: '' });
    const other = await gatehouse(['--from', empty.url, '--out', directory]);
    expect(other).toMatchObject({ code: 2, stdout: '' });
    expect(other.stderr).toMatch(/^Nothing came from \S+ to \S+: leave --from out for a report of what did\.\n$/);
    expect(other.stderr).not.toContain(new URL(empty.url).password);
  });

  test('says what moved, by whom, when, how long, and what was compared', async () => {
    const { code, record } = await report();

    expect(code).toBe(0);
    expect(record.runs).toMatchObject([
      {
        command: 'migrate users',
        operator: 'dba@example.com',
        outcome: 'finished',
        seconds: expect.any(Number),
        source: { address: expect.stringMatching(/^127\.0\.0\.1:\d+\/supabase_/), role: 'postgres' },
        differences: [],
      },
    ]);
    expect(record.runs[0]?.moved).toContainEqual({ table: 'auth.users', rows: 300, remarks: '300 inserted' });
    expect(record.runs[0]?.checks).toContainEqual({ what: 'auth.users', rows: 300, equal: true });
    expect(record.ledger).toMatchObject({ intact: true, recorded_heads: 1 });
  });

  test('shows what is shown, and no more', async () => {
    const { record } = await report();
    expect(verdicts(record)).toEqual({
      'No data lost': 'in part',
      'Integrity and completeness': 'not shown',
      'Nobody is signed out': 'shown',
      Downtime: 'not shown',
      Performance: 'not shown',
      'All features work': 'not shown',
      'Backup and restore': 'not shown',
      Retention: 'not shown',
      'Encrypted connections': 'not shown',
      'Not on the internet': 'not shown',
      'Audit log': 'shown',
      'This record itself': 'shown',
      'A way back': 'not shown',
      'Quiet afterwards': 'not shown',
    });
    for (const { name, evidence } of record.criteria) expect(evidence.length, name).toBeGreaterThan(0);
  });

  test.each([
    ['made and not restored', undefined, 0, 'in part', /None has been restored yet/],
    ['restored and equal', 'success', 0, 'shown', /was restored in 4\.5 s and compared on .*: equal\.$/],
    ['restored and not equal', 'failure', 0, 'not met', /: not equal\.$/],
    ['of before the move', 'success', -86_400_000, 'in part', /prove one that was made since\.$/],
  ])('of a backup that was %s says so', async (_, outcome, age, verdict, sentence) => {
    const at = new Date(Date.now() + age + 60_000).toISOString();
    const event =
      'insert into audit.events (id, occurred_at, action, outcome, details) values (gen_random_uuid(), now(), $1, $2, $3)';
    await query(target.url, event, ['backup_finished', 'success', { id: 'b1', snapshot_at: at }]);
    if (outcome) await query(target.url, event, ['backup_verified', outcome, { id: 'b1', restore_seconds: 4.5 }]);

    const { code, record } = await report();

    const backup = record.criteria.find(({ name }) => name === 'Backup and restore');
    expect(backup).toMatchObject({ verdict });
    expect(backup?.evidence.at(-1)).toMatch(sentence);
    expect(code).toBe(verdict === 'not met' ? 6 : 0);
  });

  test('of a backup that has expired says nothing, but that there is a rule', async () => {
    const event =
      "insert into audit.events (id, occurred_at, action, outcome, details) values (gen_random_uuid(), now(), $1, 'success', $2)";
    await query(target.url, event, ['backup_finished', { id: 'b1', snapshot_at: '2026-11-01T00:00:00Z' }]);
    await query(target.url, event, ['backup_expired', { ids: ['b1'] }]);
    const { record } = await report();
    expect(verdicts(record)).toMatchObject({ 'Backup and restore': 'not shown', Retention: 'shown' });
  });

  test('writes two files that nobody else may read, over whatever was there, and says their headline first', async () => {
    await writeFile(join(directory, 'migration-report.html'), 'older', { mode: 0o644 });

    const { code, stdout } = await gatehouse(['--out', directory]);

    expect(code).toBe(0);
    expect(stdout).toMatch(/^The users are moved, and equal on both sides\.\n\n. No data lost /);
    for (const ending of ['html', 'json']) {
      const path = join(directory, `migration-report.${ending}`);
      expect(stdout).toContain(`${path}\n`);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
    }
    const json: MigrationRecord = JSON.parse(await readFile(join(directory, 'migration-report.json'), 'utf8'));
    expect(json.made).toMatchObject({ at: '2026-11-02T08:00:00.000Z', by: 'ops@example.com' });
  });

  test('is not written through what somebody has put in its place, and where it cannot be written that is said', async () => {
    const precious = join(directory, 'precious');
    await writeFile(precious, 'precious');
    for (const ending of ['html', 'json']) {
      for (const name of [`migration-report.${ending}`, `migration-report.${ending}.${process.pid}.partial`]) {
        await symlink(precious, join(directory, name));
      }
    }
    expect((await gatehouse(['--out', directory])).code).toBe(0);
    expect(await readFile(precious, 'utf8')).toBe('precious');

    const refused = await gatehouse(['--out', precious]);
    expect(refused).toMatchObject({
      code: 2,
      stderr: `The report cannot be written to ${precious} (EEXIST): name another --out.\n`,
    });
  });

  test.each([
    ['a fifo', 'fifo', 'EEXIST'],
    ['a file', 'file', 'EEXIST'],
    ['below a file', 'file/below/it', 'ENOTDIR'],
    ['a link that leads nowhere', 'link', 'ENOENT'],
    ['where nobody can make anything', '/proc/report', 'ENOENT'],
    ['below that', '/proc/report/of/today', 'ENOENT'],
  ])('is refused in one sentence where --out is %s', async (_, name, code) => {
    await writeFile(join(directory, 'file'), '');
    execFileSync('mkfifo', [join(directory, 'fifo')]);
    await symlink('nowhere', join(directory, 'link'));
    const out = resolve(directory, name);
    expect(await gatehouse(['--out', out])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: `The report cannot be written to ${out} (${code}): name another --out.\n`,
    });
  });

  test('is a page that needs nothing else, and holds no password', async () => {
    await gatehouse(['--out', directory]);
    const page = await readFile(join(directory, 'migration-report.html'), 'utf8');

    expect(page).toMatch(/^<!doctype html>/);
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
    expect(page).not.toMatch(/<script|<img|<link|<iframe|src=|href=|url\(|@import|javascript:/i);
    const secrets = [new URL(target.url).password, new URL(source.adminUrl).password];
    for (const secret of secrets) expect(page).not.toContain(secret);
    expect(page).not.toContain('postgres:postgres');
  });

  test.each([
    [
      'an edited entry',
      `update gatehouse.migration_ledger set details = details || '{"rows": 1}' where step = 'table_copied' and details ->> 'table' = 'users'`,
    ],
    ['an end that was cut off', "delete from gatehouse.migration_ledger where step = 'finished'"],
  ])('exits with 6 for %s of the ledger, and says so before all else', async (_, tampering) => {
    await query(target.url, 'alter table gatehouse.migration_ledger disable trigger refuse_ledger_change');
    await query(target.url, tampering);
    await query(target.url, 'alter table gatehouse.migration_ledger enable always trigger refuse_ledger_change');

    const { code, stdout } = await gatehouse(['--out', directory]);
    const page = await readFile(join(directory, 'migration-report.html'), 'utf8');

    expect(code).toBe(6);
    expect(stdout).toMatch(/^The ledger is broken\. /);
    expect(page).toContain('The record of this migration was changed');
    expect(page).toContain('Do not rely on what follows');
  });

  test('exits with 6 where a guard is switched off, though nothing was changed', async () => {
    await query(target.url, 'alter table gatehouse.migration_ledger disable trigger refuse_ledger_change');
    const { code, record } = await report();
    expect(code).toBe(6);
    expect(verdicts(record)).toMatchObject({ 'Audit log': 'not met', 'This record itself': 'shown' });
  });
});

describe('of a whole portal', () => {
  const side = { address: 'db.example.com:5432/postgres', role: 'postgres', server_version: '15.8' };
  const compared = (table: string, equal: boolean, more: object = {}) => {
    const rows = { rows: 7, checksum: 'ab' };
    return {
      table,
      key: ['id'],
      columns: 3,
      shape: [],
      equal,
      source: rows,
      target: rows,
      differing: [],
      more: false,
      ...more,
    };
  };
  const copied: [LedgerEntry['step'], object][] = [
    ['started', { command: 'migrate copy', source: side, target: side }],
    ['table_copied', { table: 'public.people', rows: 7 }],
    ['finished', {}],
  ];

  test('that was verified, no data lost and integrity are shown, with what was not compared', async () => {
    await writeRun(COPY, copied);
    const proof = {
      tables: [compared('public.people', true)],
      drift: [],
      not_checked: [{ what: 'the rows of x', why: 'they are elsewhere' }],
    };
    await writeRun(VERIFY, [
      ['started', { command: 'migrate verify', source: side }],
      ['proved', proof],
      ['finished', {}],
    ]);

    const { code, record } = await report();

    expect(code).toBe(0);
    expect(verdicts(record)).toMatchObject({ 'No data lost': 'shown', 'Integrity and completeness': 'shown' });
    expect(record.criteria[0]?.evidence.at(-1)).toBe('One thing was not compared: it is named below.');
    expect(record.runs.at(-1)?.not_checked).toEqual(['the rows of x: they are elsewhere']);
    expect(record.last_comparison).toBe(VERIFY);
  });

  test('that differs, both are not met, and every difference is named', async () => {
    const row = { difference: 'changed', row: 'id=5', columns: ['full_name'] };
    const proof = {
      tables: [compared('public.people', false, { differing: [row] }), compared('public.funds', true)],
      sequences: [{ sequence: 'public.people_id_seq', equal: false, differences: ['3 behind the source'] }],
      large_objects: { equal: true, count: 2, bytes: 9, differing: [], more: false, not_checked: [] },
      drift: [
        {
          number: 20,
          name: 'policy lost',
          kind: 'policy',
          object: '"own" on public.people',
          sentence: 'Policy "own" on public.people is missing at the target.',
        },
      ],
    };
    await writeRun(VERIFY, [
      ['started', { command: 'migrate verify', source: side }],
      ['proved', proof],
      ['failed', { reason: 'not equal' }],
    ]);

    const { code, record } = await report();

    expect(code).toBe(6);
    expect(verdicts(record)).toMatchObject({ 'No data lost': 'not met', 'Integrity and completeness': 'not met' });
    expect(record.runs[0]?.differences).toEqual([
      'Policy "own" on public.people is missing at the target.',
      'public.people id=5: changed (full_name)',
      'sequence public.people_id_seq: 3 behind the source',
    ]);
  });

  test('every value of which is escaped on the page', async () => {
    const planted = `<script>alert("x")</script>'&`;
    await writeRun(COPY, [
      ['started', { command: planted, source: { address: planted, role: planted, server_version: planted } }],
      ['table_copied', { table: planted, rows: 1 }],
      ['proved', { tables: [compared(planted, false)], not_checked: [{ what: planted, why: planted }] }],
      ['failed', { reason: planted }],
    ]);

    await gatehouse(['--out', directory], { operator: planted });
    const page = await readFile(join(directory, 'migration-report.html'), 'utf8');

    expect(page).not.toContain('<script');
    expect(page).toContain('&#60;script&#62;alert(&#34;x&#34;)&#60;/script&#62;&#39;&#38;');
  });

  test.each([
    ['nothing at all', {}],
    [
      'other types',
      {
        command: 7,
        source: [],
        tables: 'many',
        drift: {},
        rows: null,
        proofs: [null, 3, { equal: 'yes' }],
        not_checked: {},
      },
    ],
    ['more nesting', { tables: { equal: true }, catalogue: { drift: [null] }, sequences: [[]], differing: 'all' }],
  ])('whose ledger says %s is still reported', async (_, details) => {
    await writeRun(COPY, [
      ['started', details],
      ['table_copied', details],
      ['proved', details],
      ['failed', details],
    ]);
    const { code } = await gatehouse(['--out', directory]);
    expect([0, 6]).toContain(code);
  });

  test('and of one that was broken off, whose end is not on record', async () => {
    await writeRun(COPY, copied.slice(0, 2));
    const { record } = await report();
    expect(record.runs).toMatchObject([{ command: 'migrate copy', outcome: 'broken off' }]);
    expect(record.runs[0]?.ended_at).toBeUndefined();
    expect(verdicts(record)).toMatchObject({ 'No data lost': 'not shown', Downtime: 'not shown' });
  });
});

test('a database to which nothing was moved has a report that shows nothing', async () => {
  const { code, record } = await report();
  expect(code).toBe(0);
  expect(record.runs).toEqual([]);
  expect(verdicts(record)).toMatchObject({ 'No data lost': 'not shown', 'This record itself': 'not shown' });
});

test.each([
  [
    'a database that is not of gatehouse',
    () => empty.url,
    4,
    /^The target has no ledger of migrations .*nothing was moved there\.\n$/,
  ],
  [
    'no database',
    () => 'postgres://nobody:hidden-word@127.0.0.1:1/none',
    4,
    /^The target cannot be used: 127\.0\.0\.1:1\/none cannot be reached/,
  ],
])('%s is refused in a sentence', async (_, makeUrl, code, sentence) => {
  const refused = await gatehouse(['--out', directory, '--to', makeUrl()]);
  expect(refused).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(sentence) });
  expect(refused.stderr).not.toContain('hidden-word');
});
