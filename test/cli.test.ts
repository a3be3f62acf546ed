/** `gatehouse` as a program: which command, which database, which exit code. */
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { findEmbeddedPostgres, startEmbeddedPostgres } from '../src/db/embedded-postgres.ts';
import { freshDatabase, type TestDatabase } from './harness/postgres.ts';
import { endPrograms, runCommand, startCommand } from './harness/program.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let database: TestDatabase;
/** A data directory as `npm start` leaves it, its database ended. */
let home: string;
/** Nothing is kept here. */
let empty: string;

beforeAll(async () => {
  database = await freshDatabase();
  empty = await mkdtemp(join(tmpdir(), 'gatehouse-cli-'));
  home = await mkdtemp(join(tmpdir(), 'gatehouse-cli-'));
  for (const directory of [empty, home]) await chmod(directory, 0o711);
  await (await startEmbeddedPostgres({ directory: join(home, 'postgres'), settings: { fsync: 'off' } })).stop();
});
afterAll(async () => {
  await database.drop();
  for (const directory of [empty, home]) await rm(directory, { recursive: true, force: true });
});
afterEach(endPrograms);

it('shows no password in the list of processes', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const command = startCommand(['migrate', 'plan', '--from', `postgres://ann:must-not-show@127.0.0.1:${port}/portal`]);
  const [socket] = (await once(silent, 'connection')) as [Socket];
  expect((await readFile(`/proc/${command.pid}/cmdline`, 'utf8')).replaceAll('\0', '')).toBe('gatehouse');
  socket.destroy();
  silent.close();
  expect(await command.exited).not.toBe(0);
  expect(command.stderr()).not.toContain('must-not-show');
});

it('connects as the URL says, whatever the environment has for PostgreSQL’s own programs', async () => {
  const env = {
    PGOPTIONS: '-c statement_timeout=1 -c search_path=nowhere',
    PGHOST: '192.0.2.1',
    PGSSLMODE: 'verify-full',
  };
  const { stdout, stderr } = await runCommand(['migrate', 'report', '--to', database.url, '--json'], env);
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toMatchObject({ ledger: { intact: true } });
});

describe('says what there is', () => {
  it('all commands with what they are for, at --help and without a word', async () => {
    const { code, stdout } = await runCommand(['--help']);
    expect(code).toBe(0);
    for (const name of ['serve', 'migrate users', 'migrate report', 'roles', 'clients', 'keys', 'settings explain']) {
      expect(stdout).toMatch(new RegExp(`^ {2}${name} +\\w`, 'm'));
    }
    expect(stdout).toMatch(/Exit codes/);
    expect(stdout).not.toContain('\u001b');
    expect((await runCommand([])).stdout).toBe(stdout);
  });

  it.each([
    [['serve']],
    [['migrate', 'users']],
    [['migrate', 'report']],
    [['roles']],
    [['clients']],
    [['keys']],
    [['settings', 'explain']],
  ])('each command about itself, whatever the environment: %j', async (words) => {
    const broken = { SECRET_KEY: 'short', DATABASE_URL: 'nonsense' };
    const { code, stdout, stderr } = await runCommand([...words, '--help'], broken);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(new RegExp(`^gatehouse ${words.join(' ')}`));
    expect(stdout).toContain('Exit codes');
  });

  it('as "help" too', async () => {
    expect((await runCommand(['help', 'keys'])).stdout).toMatch(/^gatehouse keys\n/);
  });

  it('which version it is', async () => {
    expect(await runCommand(['--version'])).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^gatehouse \d+\.\d+\.\d+\n$/),
      stderr: '',
    });
  });
});

it.each([
  [['frobnicate'], 'There is no such command. See gatehouse --help.\n'],
  // It could be a URL with its password.
  [['postgres://u:pass-word@db/d'], 'There is no such command. See gatehouse --help.\n'],
  [['migrate'], /^Say which: gatehouse migrate \w+(?:, gatehouse migrate \w+)*\.\n$/],
  [['settings', 'frobnicate'], 'Say which: gatehouse settings explain.\n'],
  [
    ['serve', '--port', '80'],
    'gatehouse serve takes no options: its settings are environment variables. See gatehouse serve --help.\n',
  ],
])('what is no command is one sentence and 2: %j', async (words, stderr) => {
  const expected = typeof stderr === 'string' ? stderr : expect.stringMatching(stderr);
  expect(await runCommand(words)).toEqual({ code: 2, stdout: '', stderr: expected });
});

describe('finds its database', () => {
  it('by DATABASE_URL, and acts as the account that runs it', async () => {
    const { code, stdout } = await runCommand(['clients', 'create', 'portal-api'], { DATABASE_URL: database.url });
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^client_id {6}[0-9a-f-]{36}\n/)]);
    const { rows } = await database.pool.query(
      "select actor_role, actor_name, method, path from audit.events where action = 'client_created'",
    );
    expect(rows).toEqual([
      { actor_role: 'operator', actor_name: userInfo().username, method: 'COMMAND', path: 'clients create' },
    ]);
  });

  it('under .gatehouse, where it is started for the command and ended with it', async () => {
    const { code, stdout, stderr } = await runCommand(['roles', 'list'], { GATEHOUSE_DATA_DIRECTORY: home });
    expect([code, stdout]).toEqual([0, 'Nobody has a role.\n']);
    // Its schema was not there yet.
    expect(stderr).toMatch(/^(?:schema change \w+ applied\n)+$/);
    expect(await findEmbeddedPostgres(join(home, 'postgres'))).toBeUndefined();
  });

  it('under .gatehouse, where it runs already and goes on', async () => {
    const running = await startEmbeddedPostgres({ directory: join(home, 'postgres'), settings: { fsync: 'off' } });
    const { code, stdout } = await runCommand(['clients', 'list'], { GATEHOUSE_DATA_DIRECTORY: home });
    expect([code, stdout]).toEqual([0, expect.stringMatching(/./)]);
    expect((await findEmbeddedPostgres(join(home, 'postgres')))?.port).toBe(running.port);
    await running.stop();
  });

  it('as the target of a migration too', async () => {
    const source = 'postgresql://postgres:pass-word@127.0.0.1:1/postgres';
    const { code, stderr } = await runCommand(['migrate', 'users', '--from', source], {
      GATEHOUSE_DATA_DIRECTORY: home,
    });
    // It came as far as the source, which is not there.
    expect([code, stderr]).toEqual([
      3,
      expect.stringMatching(/^The source cannot be used: 127\.0\.0\.1:1\/postgres cannot be reached/),
    ]);
    expect(await findEmbeddedPostgres(join(home, 'postgres'))).toBeUndefined();
  });

  it('nowhere: one sentence and 4', async () => {
    expect(await runCommand(['roles', 'list'], { GATEHOUSE_DATA_DIRECTORY: empty })).toEqual({
      code: 4,
      stdout: '',
      stderr: `There is no database: set DATABASE_URL, or run "npm start" once, which makes one in ${empty}.\n`,
    });
  });

  it('where it cannot be reached: one sentence and 4', async () => {
    const { code, stderr } = await runCommand(['roles', 'list'], { DATABASE_URL: 'postgresql://u:p@127.0.0.1:1/d' });
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/^PostgreSQL at 127\.0\.0\.1:1 cannot be reached [^\n]*\n$/),
    ]);
  });

  it('where it is broken: one sentence and 4', async () => {
    await mkdir(join(empty, 'broken/postgres/data'), { recursive: true });
    const { code, stderr } = await runCommand(['roles', 'list'], { GATEHOUSE_DATA_DIRECTORY: join(empty, 'broken') });
    expect([code, stderr]).toEqual([4, expect.stringMatching(/is not a PostgreSQL data directory[^\n]*\n$/)]);
  });

  it('only with an environment without mistakes, which are all told: 2', async () => {
    const { code, stderr } = await runCommand(['roles', 'list'], { DATABASE_URL: 'nonsense', PORT: 'none' });
    expect([code, stderr.trimEnd().split('\n')]).toEqual([
      2,
      [expect.stringMatching(/^PORT is "none"/), expect.stringMatching(/^DATABASE_URL must be postgresql:/)],
    ]);
  });
});

it('a reader that has seen enough ends it without a word', async () => {
  const command = startCommand(['settings', 'explain']);
  command.stopReading();
  expect((await command.ended).code).toBe(141);
  expect(command.stderr()).toBe('');
});
