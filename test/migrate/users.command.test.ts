/** `gatehouse migrate users` at the terminal: what it prints, what it refuses, how it exits. */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../../src/migrate/users.command.ts';
import { operatorAt, outcomeOf } from '../harness/command.ts';
import { adminUrl, emptyDatabase, freshDatabase, type TestDatabase } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';
import { count, query } from './rows.ts';

const CLEAR_LINE = '\r\u001b[2K';

let source: SupabaseSource;
let empty: TestDatabase;
let target: TestDatabase;

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
  return () => target.drop();
});

/** Runs the command as at a terminal, with the target as DATABASE_URL. */
function gatehouse(args: string[], { isTTY = false } = {}) {
  const secrets = { column_keys: new Map([['held-key', Buffer.alloc(32)]]) };
  return outcomeOf((streams) => run(args, { ...streams, ...operatorAt(target.url), secrets }), { isTTY });
}

describe('carries over', () => {
  test('in plain lines: plan, tables, proof', async () => {
    const { code, stdout, stderr } = await gatehouse(['--from', source.url, '--apply']);

    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^from {2}127\.0\.0\.1:\d+\/supabase_\w+ as postgres, PostgreSQL 1\d/);
    expect(stdout).toMatch(/^users +300 +0$/m);
    expect(stdout).toMatch(/^passwords +\d+ bcrypt \$2a\$10\$, /m);
    expect(stdout).toMatch(/^users: 300 rows, 300 inserted$/m);
    expect(stdout).toMatch(/^equal: [\d,]+ rows of 10 tables; count and checksum of all \d+ columns are the same/m);
    expect(stdout).toMatch(/^done; the ledger ends in [0-9a-f]{64}$/m);
    expect(stdout).not.toContain('\u001b');
  });

  test('on a terminal with a bar that is gone in the end', async () => {
    const { stdout } = await gatehouse(['--from', source.url, '--apply'], { isTTY: true });
    const last = stdout.split('\n').at(-2);
    expect(last?.split(CLEAR_LINE).at(-1)).toMatch(/^done;/);
    expect(stdout).toMatch(/\[[#.]{24}\] \d+ % {2}users/);
  });

  test('in JSON, a line per event', async () => {
    const { code, stdout } = await gatehouse(['--from', source.url, '--apply', '--json']);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).event);
    expect(code).toBe(0);
    expect(events[0]).toBe('plan');
    expect(events.at(-1)).toBe('finished');
  });

  test('nothing without --apply, and says so', async () => {
    const { code, stdout } = await gatehouse(['--from', source.url]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Nothing was changed\. Add --apply to do it\.\n$/);
    expect(await count(target.url, 'auth.users')).toBe(0);
  });

  test('and exits with 7 when rows were changed on both sides', async () => {
    await gatehouse(['--from', source.url, '--apply']);
    const { id } = source.people.bcrypt2b;
    await query(target.url, `update auth.users set updated_at = now() where id = '${id}'`);
    await query(source.adminUrl, `update auth.users set updated_at = now() where id = '${id}'`);

    const { code, stdout } = await gatehouse(['--from', source.url, '--apply']);

    expect(code).toBe(7);
    expect(stdout).toContain(`auth.users ${id}`);
  });
});

test('what must be mended first is 9, looked at or applied, and nothing is changed', async () => {
  await query(target.url, 'alter table auth.identities add column wanted integer not null');
  const looked = await gatehouse(['--from', source.url]);
  expect(looked).toMatchObject({ code: 9, stderr: '' });
  expect(looked.stdout).toMatch(
    /^STOP: .*wanted[\s\S]*\nNothing was changed\. Mend what STOP names, then run again\.\n$/m,
  );
  expect(await gatehouse(['--from', source.url, '--apply'])).toMatchObject({
    code: 9,
    stderr: expect.stringMatching(/wanted/),
  });
  expect(await count(target.url, 'auth.users')).toBe(0);
});

test('--verify exits with 0 when all is equal, and with 6 and the row when it is not', async () => {
  await gatehouse(['--from', source.url, '--apply']);
  expect(await gatehouse(['--from', source.url, '--verify'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^equal: /),
  });

  const { id } = source.people.bcrypt2a06;
  await query(target.url, `update auth.users set encrypted_password = 'x' where id = '${id}'`);
  const { code, stdout } = await gatehouse(['--from', source.url, '--verify']);

  expect(code).toBe(6);
  expect(stdout).toBe(`not equal: auth.users; 1 rows differ:\n  auth.users ${id}: changed (encrypted_password)\n`);
});

describe('refuses in one sentence, and changes nothing', () => {
  const at = (url: string, change: (parts: URL) => void) => {
    const parts = new URL(url);
    change(parts);
    return parts.href;
  };
  const password = 'hunter2-must-not-show';
  const asRole = (role: string) => (parts: URL) => {
    parts.username = role;
    parts.password = password;
  };
  const reader = 'migration_reader';
  beforeAll(async () => {
    await query(adminUrl(), `create role ${reader} login password '${password}'`);
  });

  const cases: [what: string, args: () => string[], code: number, sentence: RegExp][] = [
    ['no --from', () => ['--apply'], 2, /^Say where the users are/],
    ['a URL that is none', () => ['--from', `not a url ${password}`], 2, /^--from must be postgresql:/],
    ['a URL without its option', () => [`postgres://postgres:${password}@db/x`], 2, /^Every URL belongs to an option/],
    ['an option that does not exist', () => ['--from', source.url, '--aply'], 2, /--aply/],
    [
      'a URL that lets anybody listen in',
      () => ['--from', `postgres://postgres:${password}@db.example/x?sslmode=prefer`],
      2,
      /^--from must be a URL whose sslmode is/,
    ],
    ['--apply with --verify', () => ['--from', source.url, '--apply', '--verify'], 2, /^Choose one/],
    [
      'a port where nobody listens',
      () => [
        '--from',
        at(source.url, (parts) => {
          parts.port = '1';
        }),
        '--apply',
      ],
      3,
      /^The source cannot be used: 127\.0\.0\.1:1\/supabase_\w+ cannot be reached \(ECONNREFUSED\)\. Check host and port\.$/,
    ],
    [
      'a wrong password',
      () => [
        '--from',
        at(source.url, (parts) => {
          parts.password = password;
        }),
        '--apply',
      ],
      3,
      /refuses the password of role postgres\. Check the URL\.$/,
    ],
    [
      'a database that does not exist',
      () => [
        '--from',
        at(source.url, (parts) => {
          parts.pathname = '/nowhere';
        }),
        '--apply',
      ],
      3,
      /there is no database of that name/,
    ],
    [
      'a database that is no Supabase project',
      () => ['--from', empty.url, '--apply'],
      3,
      /^The source is not a Supabase database: .* has no auth\.users, auth\.identities/,
    ],
    [
      'a role that may not read',
      () => ['--from', at(source.url, asRole(reader)), '--apply'],
      3,
      /^Role migration_reader may not read auth\.users, .* Use the role `postgres` of the project\.$/,
    ],
    [
      'a target without our schema',
      () => ['--from', source.url, '--to', empty.url, '--apply'],
      4,
      /^The target has no users, .*gatehouse\.migration_ledger.*: it makes its tables\.$/,
    ],
    [
      'a target role that may not write',
      () => ['--from', source.url, '--to', at(target.url, asRole(reader)), '--apply'],
      4,
      /^Role migration_reader may not write to users, /,
    ],
    ['one database as both', () => ['--from', target.url, '--apply'], 2, /^Source and target are the same database/],
  ];

  test.each(cases)('%s', async (_, args, code, sentence) => {
    const ran = await gatehouse(args());

    expect([ran.code, ran.stderr.trim()]).toEqual([code, expect.stringMatching(sentence)]);
    expect(ran.stderr.trim().split('\n')).toHaveLength(1);
    expect(ran.stdout + ran.stderr).not.toContain(password);
    expect(await count(target.url, 'auth.users')).toBe(0);
    expect(await count(target.url, 'gatehouse.migration_ledger')).toBe(0);
  });

  // Row level security without a policy hides every row from a role that is let in by a grant alone.
  test('a role from which row security hides the rows', async () => {
    await query(
      source.adminUrl,
      `grant usage on schema auth to ${reader}; grant select on all tables in schema auth to ${reader}`,
    );
    const { code, stderr } = await gatehouse(['--from', at(source.url, asRole(reader)), '--apply']);
    expect([code, stderr]).toEqual([3, expect.stringMatching(/row-level security/)]);
  });

  test('a target whose connections are all taken', async () => {
    const name = new URL(target.url).pathname.slice(1);
    const role = 'lonely_owner';
    await query(target.url, `create role ${role} login password '${password}'; grant gatehouse_owner to ${role}`);
    const url = at(target.url, asRole(role));
    await query(adminUrl(), `alter database ${name} connection limit 1`);
    const only = new pg.Client(url);
    await only.connect();
    try {
      const { code, stderr } = await gatehouse(['--from', source.url, '--to', url, '--apply']);
      expect([code, stderr]).toEqual([4, expect.stringMatching(/has no connection left/)]);
    } finally {
      await only.end();
    }
  });
});
