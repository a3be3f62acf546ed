/** `npm start` on a machine that has nothing: what a newcomer reads, what is kept, and that nothing is left running. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseEnv, promisify } from 'node:util';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectionFromUrl } from '../../src/config/connection.ts';
import { findEmbeddedPostgres } from '../../src/db/embedded-postgres.ts';
import { endPrograms, freePort, isAlive, type Program, startService } from '../harness/program.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');

/** What the first start has made, for this file and, as a copy, for each test that starts again. */
let made: string;
let first: { service: Program; url: string; screen: string };

beforeAll(async () => {
  made = await temporaryDirectory();
  first = await start(made);
});
afterAll(async () => {
  await endPrograms();
  await rm(made, { recursive: true, force: true });
});

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-home-'));
  // As root the database is another account's, which has to get through here.
  await chmod(directory, 0o711);
  return directory;
}

const homeIn = (directory: string) => join(directory, '.gatehouse');
const secretsIn = (directory: string) => parseEnv(readFileSync(join(homeIn(directory), 'secrets.env'), 'utf8'));
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

async function start(directory: string, env: Record<string, string> = {}) {
  const port = await freePort();
  const service = startService({ GATEHOUSE_DATA_DIRECTORY: homeIn(directory), PORT: String(port), ...env });
  await service.says(/"msg":"listening"/);
  const screen = service.stdout().slice(0, service.stdout().indexOf('{"level"'));
  return { service, url: `http://127.0.0.1:${port}`, screen };
}

function signIn(url: string, email: string, password: string): Promise<Response> {
  return fetch(`${url}/auth/v1/token?grant_type=password`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email, password }),
  });
}

async function session(response: Response): Promise<{ refresh_token: string; user: { id: string } }> {
  return (await response.json()) as { refresh_token: string; user: { id: string } };
}

/** A question to the database of a gatehouse that runs, as its superuser. */
async function ask(directory: string, question: string): Promise<Record<string, unknown>[]> {
  const running = await findEmbeddedPostgres(join(homeIn(directory), 'postgres'));
  if (!running) throw new Error('no database runs there');
  const client = new pg.Client(connectionFromUrl(running.url));
  await client.connect();
  const { rows } = await client.query(question);
  await client.end();
  return rows;
}

function postmasterPid(directory: string): number {
  return Number(readFileSync(join(homeIn(directory), 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0]);
}

describe('the first start', () => {
  it('says first what it does, then what a newcomer needs, and only then begins its log', () => {
    const { ADMIN_PASSWORD = '', ANON_KEY = '', SERVICE_ROLE_KEY = '' } = secretsIn(made);
    expect(first.service.stdout()).toMatch(/^gatehouse \S+: the first start makes a database in /);
    for (const needed of [
      first.url,
      ADMIN_PASSWORD,
      ANON_KEY,
      SERVICE_ROLE_KEY,
      homeIn(made),
      `${first.url}/mailbox`,
      'DATABASE_URL',
      'Ctrl-C',
    ]) {
      expect(first.screen).toContain(needed);
    }
    const log = first.service.stdout().slice(first.screen.length).trimEnd().split('\n');
    expect(log.every((line) => line.startsWith('{"level"'))).toBe(true);
  });

  it('shows a curl command that signs in as it stands', async () => {
    const [command = ''] = /^ *curl .*\n(?:.+\n)+/m.exec(first.screen) ?? [];
    // As the shell reads it; the machine may have no curl.
    const { stdout } = await run('sh', ['-c', `curl() { printf '%s\\n' "$@"; }; ${command}`]);
    const [url = '', , header = '', , body = ''] = stdout.split('\n');
    const [name = '', value = ''] = header.split(': ');
    const response = await fetch(url, { method: 'POST', headers: { [name]: value }, body });
    expect(await response.json()).toMatchObject({ token_type: 'bearer', user: { email: 'admin@localhost' } });
  });

  it('shows JavaScript that signs in as it stands', async () => {
    const [program = ''] = /import \{ createClient \}.*\n(?:.+\n)+/.exec(first.screen) ?? [];
    const shows = 'console.log(JSON.stringify((await supabase.auth.getUser()).data.user.email)); process.exit()';
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', `${program}\n${shows}`], {
      cwd: root,
    });
    expect(JSON.parse(stdout)).toBe('admin@localhost');
  });

  it('makes keys that are what they say: anon may not administer, service_role may', async () => {
    const { ANON_KEY, SERVICE_ROLE_KEY } = secretsIn(made);
    const list = (key: string | undefined) =>
      fetch(`${first.url}/auth/v1/admin/users`, { headers: { Authorization: `Bearer ${key}` } });
    expect((await list(ANON_KEY)).status).toBe(403);
    expect((await list(SERVICE_ROLE_KEY)).status).toBe(200);
  });

  it('makes an administrator and auditor, on record', async () => {
    expect(await ask(made, 'select role from gatehouse.role_grants order by role')).toEqual([
      { role: 'admin' },
      { role: 'auditor' },
    ]);
    expect(
      await ask(
        made,
        `select action, actor_role, actor_name, path, details ->> 'role' as role from audit.events
          where action in ('user_signedup', 'role_granted') order by id`,
      ),
    ).toEqual([
      {
        action: 'user_signedup',
        actor_role: 'operator',
        actor_name: 'gatehouse',
        path: 'npm start',
        role: 'authenticated',
      },
      { action: 'role_granted', actor_role: 'operator', actor_name: 'gatehouse', path: 'npm start', role: 'auditor' },
      { action: 'role_granted', actor_role: 'operator', actor_name: 'gatehouse', path: 'npm start', role: 'admin' },
    ]);
  });

  it('keeps secrets from everybody else', () => {
    expect(modeOf(join(homeIn(made), 'secrets.env'))).toBe('600');
    expect(modeOf(join(homeIn(made), 'postgres/password'))).toBe('600');
    expect(modeOf(join(homeIn(made), 'mail'))).toBe('700');
    expect(modeOf(join(homeIn(made), 'postgres/data'))).toBe('700');
  });

  it('writes no secret into its log', () => {
    const log = first.service.stdout().slice(first.screen.length) + first.service.stderr();
    for (const [name, secret = ''] of Object.entries(secretsIn(made))) {
      if (name !== 'ADMIN_EMAIL') expect(log, name).not.toContain(secret);
    }
  });

  it('serves as a role that can change no schema and no audit event', async () => {
    const serving = await ask(
      made,
      "select distinct usename from pg_stat_activity where application_name like 'gatehouse%'",
    );
    expect(serving).toEqual([{ usename: 'gatehouse_app' }]);
    expect(
      await ask(
        made,
        `select rolsuper, has_schema_privilege(oid, 'auth', 'create') as ddl,
                has_table_privilege(oid, 'audit.events', 'update, delete, truncate') as edits
           from pg_roles where rolname = 'gatehouse_app'`,
      ),
    ).toEqual([{ rolsuper: false, ddl: false, edits: false }]);
  });

  it('puts mail where it says', async () => {
    const response = await fetch(`${first.url}/auth/v1/signup`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ email: 'new@example.com', password: 'correct horse battery' }),
    });
    expect(response.status).toBe(200);
    const mail = join(homeIn(made), 'mail');
    let letters: string[] = [];
    while (letters.length === 0) {
      await delay(20);
      letters = (await readdir(mail)).filter((name) => name.endsWith('.txt'));
    }
    expect(readFileSync(join(mail, letters[0] ?? ''), 'utf8')).toMatch(/^To: new@example\.com\n/);
    expect(await (await fetch(`${first.url}/mailbox`)).text()).toContain('new@example.com');
  });
});

describe('later', () => {
  let directory: string;

  /** What an ended first start has left, with its owners. */
  let ended: string;
  beforeAll(async () => {
    ended = await temporaryDirectory();
    const { service } = await start(ended);
    const postmaster = postmasterPid(ended);
    service.kill('SIGTERM');
    expect(await service.ended).toEqual({ code: 0, signal: null });
    // The first of all guarantees: nothing is left running.
    expect(isAlive(postmaster)).toBe(false);
    expect(existsSync(join(homeIn(ended), 'postgres/data/postmaster.pid'))).toBe(false);
  });
  afterAll(() => rm(ended, { recursive: true, force: true }));

  beforeEach(async () => {
    directory = await temporaryDirectory();
    await run('cp', ['-a', homeIn(ended), directory]);
  });
  afterEach(async () => {
    for (const program of started.splice(0)) {
      program.kill('SIGTERM');
      await program.ended;
    }
    await rm(directory, { recursive: true, force: true });
  });

  const started: Program[] = [];
  async function again(env: Record<string, string> = {}) {
    const service = await start(directory, env);
    started.push(service.service);
    return service;
  }
  async function refused(env: Record<string, string> = {}) {
    const service = startService({
      GATEHOUSE_DATA_DIRECTORY: homeIn(directory),
      PORT: String(await freePort()),
      ...env,
    });
    const { code } = await service.ended;
    return { code, stderr: service.stderr() };
  }

  it('a start finds everything as it was, and shows less, no secret among it', async () => {
    const before = readFileSync(join(homeIn(directory), 'secrets.env'), 'utf8');
    const { url, screen } = await again();
    const { ADMIN_EMAIL = '', ADMIN_PASSWORD = '', ...keys } = secretsIn(directory);
    expect((await signIn(url, ADMIN_EMAIL, ADMIN_PASSWORD)).status).toBe(200);
    expect(readFileSync(join(homeIn(directory), 'secrets.env'), 'utf8')).toBe(before);
    expect(screen).toContain(url);
    expect(screen).toContain('secrets.env');
    expect(screen.split('\n').length).toBeLessThan(first.screen.split('\n').length / 2);
    for (const secret of [ADMIN_PASSWORD, ...Object.values(keys)]) expect(screen).not.toContain(secret);
  });

  it('a session goes on', async () => {
    const { ADMIN_EMAIL = '', ADMIN_PASSWORD = '' } = secretsIn(directory);
    const one = await again();
    const { refresh_token } = await session(await signIn(one.url, ADMIN_EMAIL, ADMIN_PASSWORD));
    one.service.kill('SIGTERM');
    await one.service.ended;
    const two = await again();
    const refreshed = await fetch(`${two.url}/auth/v1/token?grant_type=refresh_token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ refresh_token }),
    });
    expect(refreshed.status).toBe(200);
  });

  it('no second administrator is made, whatever became of the first', async () => {
    const { service, url } = await again();
    const { SERVICE_ROLE_KEY, ADMIN_EMAIL = '', ADMIN_PASSWORD = '' } = secretsIn(directory);
    const headers = { Authorization: `Bearer ${SERVICE_ROLE_KEY}` };
    const { user } = await session(await signIn(url, ADMIN_EMAIL, ADMIN_PASSWORD));
    const deleted = await fetch(`${url}/auth/v1/admin/users/${user.id}`, { method: 'DELETE', headers });
    expect(deleted.status).toBe(200);
    service.kill('SIGTERM');
    await service.ended;

    const next = await again();
    expect(next.screen).not.toContain(ADMIN_PASSWORD);
    expect((await signIn(next.url, ADMIN_EMAIL, ADMIN_PASSWORD)).status).toBe(400);
  });

  it('a key of yours goes before the one that is kept', async () => {
    const { url } = await again({ SECRET_KEY: 'a key of mine, longer than thirty-two bytes' });
    const { SERVICE_ROLE_KEY } = secretsIn(directory);
    const list = await fetch(`${url}/auth/v1/admin/users`, {
      headers: { Authorization: `Bearer ${SERVICE_ROLE_KEY}` },
    });
    expect(list.status).toBe(403);
  });

  it('several processes serve, one database under them, and all of it ends', async () => {
    const { service, url } = await again({ WEB_CONCURRENCY: '2' });
    const { ADMIN_EMAIL = '', ADMIN_PASSWORD = '' } = secretsIn(directory);
    expect((await signIn(url, ADMIN_EMAIL, ADMIN_PASSWORD)).status).toBe(200);
    const workers = service.log().flatMap(({ msg, pid }) => (msg === 'worker listens' ? [Number(pid)] : []));
    const all = [...workers, postmasterPid(directory)];
    expect(all.filter(isAlive)).toHaveLength(3);
    service.kill('SIGINT');
    expect(await service.ended).toEqual({ code: 0, signal: null });
    expect(all.filter(isAlive)).toEqual([]);
  });

  it('a gatehouse whose database is killed says so and ends: 4', async () => {
    const { service } = await again();
    process.kill(postmasterPid(directory), 'SIGKILL');
    expect((await service.ended).code).toBe(4);
    expect(service.stderr()).toMatch(/^The PostgreSQL in .* has ended \(.*\): gatehouse ends as well\.\n$/);
  });

  it('a second gatehouse on the same directory is refused: 4', async () => {
    await again();
    expect(await refused()).toEqual({
      code: 4,
      stderr: expect.stringMatching(/^\S+data is in use by the PostgreSQL process \d+: /),
    });
  });

  it('a broken data directory: 4', async () => {
    await truncate(join(homeIn(directory), 'postgres/data/global/pg_control'), 10);
    expect(await refused()).toEqual({
      code: 4,
      stderr: expect.stringMatching(/^PostgreSQL does not start on [^\n]*pg_control[^\n]*\n$/),
    });
  });

  it('a data directory of another PostgreSQL: 4', async () => {
    await writeFile(join(homeIn(directory), 'postgres/data/PG_VERSION'), '14\n');
    expect(await refused()).toEqual({ code: 4, stderr: expect.stringMatching(/was made by PostgreSQL 14[^\n]*\n$/) });
  });

  it('a file of secrets without its key: 4', async () => {
    await writeFile(join(homeIn(directory), 'secrets.env'), 'ANON_KEY=x\n');
    expect(await refused()).toEqual({
      code: 4,
      stderr: `${homeIn(directory)}/secrets.env cannot be used: SECRET_KEY is missing. Restore it, or move ${homeIn(directory)} away to begin anew.\n`,
    });
  });

  it('a file where the directory should be: 4', async () => {
    await rename(homeIn(directory), `${homeIn(directory)}.away`);
    await writeFile(homeIn(directory), '');
    expect(await refused()).toEqual({
      code: 4,
      stderr: expect.stringMatching(/\.gatehouse is no directory: [^\n]*\n$/),
    });
  });

  it('a taken port of the database: 4', async () => {
    const { port } = new URL(first.url);
    expect(await refused({ GATEHOUSE_EMBEDDED_POSTGRES_PORT: port })).toEqual({
      code: 4,
      stderr: `Port ${port} on 127.0.0.1 is in use by another program: stop it, or choose another port.\n`,
    });
  });
});

it('an interrupted first start is finished by the next one', async () => {
  const directory = await temporaryDirectory();
  const port = String(await freePort());
  const broken = startService({ GATEHOUSE_DATA_DIRECTORY: homeIn(directory), PORT: port });
  await broken.says(/the first start makes a database/);
  while (!existsSync(join(homeIn(directory), 'secrets.env'))) await delay(5);
  broken.kill('SIGKILL');
  await broken.ended;
  const before = secretsIn(directory);

  const { service, url, screen } = await start(directory);
  expect(secretsIn(directory)).toEqual(before);
  expect(screen).toContain(before.ADMIN_PASSWORD);
  expect((await signIn(url, before.ADMIN_EMAIL ?? '', before.ADMIN_PASSWORD ?? '')).status).toBe(200);
  service.kill('SIGTERM');
  await service.ended;
  await rm(directory, { recursive: true, force: true });
});

it('Ctrl-C during the first start ends it in order', async () => {
  const directory = await temporaryDirectory();
  const service = startService({ GATEHOUSE_DATA_DIRECTORY: homeIn(directory), PORT: String(await freePort()) });
  await service.says(/the first start makes a database/);
  service.kill('SIGINT');
  expect(await service.ended).toEqual({ code: 0, signal: null });
  expect(service.stderr()).toBe('');
  await rm(directory, { recursive: true, force: true });
});
