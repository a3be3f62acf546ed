/** The service as a program on a database of yours: how it starts, how it says that it cannot, how it ends. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { emptyDatabase, freshDatabase, type TestDatabase } from './harness/postgres.ts';
import { endPrograms, freePort, isAlive, type Program, startService } from './harness/program.ts';

// Programs start, some of them three at once, on a machine that may have other work.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const SECRET_KEY = 'a secret of this file, and of nobody else';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());
afterEach(endPrograms);

interface Service extends Program {
  url: string;
  port: number;
}

/** A service that listens. */
async function started(env: Record<string, string> = {}): Promise<Service> {
  const port = await freePort();
  const service = startService({ DATABASE_URL: database.url, SECRET_KEY, PORT: String(port), ...env });
  await service.says(/"msg":"listening"/);
  return { ...service, url: `http://127.0.0.1:${port}`, port };
}

/** How a service ends that cannot start. */
async function refused(env: Record<string, string>) {
  const service = startService({ DATABASE_URL: database.url, SECRET_KEY, PORT: String(await freePort()), ...env });
  const { code } = await service.ended;
  return { code, stderr: service.stderr(), stdout: service.stdout() };
}

/** Asks until the answer is yes; the test's time is the limit. */
async function until(question: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await question())) await delay(10);
}

const portIsFree = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', () => resolve(true));
  });

describe('starts', () => {
  it('on the database that is named, as POSTGRES_* too, and says so as lines of JSON alone', async () => {
    const { hostname, port, username, password, pathname } = new URL(database.url);
    const service = await started({
      DATABASE_URL: '',
      POSTGRES_HOST: hostname,
      POSTGRES_PORT: port,
      POSTGRES_USER: username,
      POSTGRES_PASSWORD: password,
      POSTGRES_DB: pathname.slice(1),
    });
    expect(await (await fetch(`${service.url}/readyz`)).json()).toEqual({ status: 'ready' });
    const lines = service.stdout().trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).msg)).toContain('listening');
    expect(service.log().at(-1)).toMatchObject({ database: `${hostname}:${port}${pathname}`, workers: 1 });
  });

  it('without a secret in anything it writes', async () => {
    const service = await started({ GATEHOUSE_LOG_LEVEL: 'trace', WEB_CONCURRENCY: '2' });
    await fetch(`${service.url}/auth/v1/user`, { headers: { Authorization: `Bearer ${SECRET_KEY}` } });
    service.kill('SIGTERM');
    await service.ended;
    const { password } = new URL(database.url);
    for (const secret of [SECRET_KEY, password]) expect(service.stdout() + service.stderr()).not.toContain(secret);
  });

  it('and tells once what is unknown and what has no effect, however many processes serve', async () => {
    const service = await started({
      GATEHOUSE_PROT: '1',
      GOTRUE_PASSKEY_ENABLED: 'true',
      GOTRUE_TRACING_ENABLED: 'true',
      WEB_CONCURRENCY: '2',
    });
    const told = service.log().filter(({ msg }) => msg === 'settings' || msg === 'unknown setting');
    expect(told).toMatchObject([
      { msg: 'settings', warning: expect.stringMatching(/^GOTRUE_PASSKEY_ENABLED has no effect/) },
      { msg: 'unknown setting', name: 'GATEHOUSE_PROT' },
    ]);
  });

  it('three at once, and each schema change is applied by one of them', async () => {
    const empty = await emptyDatabase();
    try {
      await Promise.all([1, 2, 3].map(() => started({ DATABASE_URL: empty.url })));
      const versions = readdirSync(new URL('../drizzle/', import.meta.url))
        .filter((name) => /^\d{4}_.*\.sql$/.test(name))
        .map((name) => name.slice(0, -'.sql'.length))
        .sort();
      const { rows } = await empty.pool.query('select version from gatehouse.schema_changes order by version');
      expect(rows.map(({ version }) => version)).toEqual(versions);
      const recorded = await empty.pool.query("select details ->> 'version' as version from audit.events order by 1");
      expect(recorded.rows.map(({ version }) => version)).toEqual(versions);
    } finally {
      await endPrograms();
      await empty.drop();
    }
  });

  it('with the partition of every coming month in place', async () => {
    await database.pool.query(`
      do $$ declare name text := to_char(now() + interval '2 months', '"audit.events_"YYYY_MM'); begin
        execute 'drop table ' || name;
      end $$`);
    const service = await started();
    await service.says(/"msg":"audit partition made"/);
    const { rows } = await database.pool.query(
      `select to_regclass(to_char(now() + interval '2 months', '"audit.events_"YYYY_MM')) is not null as is_there`,
    );
    expect(rows).toEqual([{ is_there: true }]);
  });
});

// CVE class 48: what is configured wrongly is no reason to serve without it.
describe('cannot start, and says in one sentence why', () => {
  it('every mistake in the settings at once: 2', async () => {
    const { code, stderr, stdout } = await refused({ SECRET_KEY: 'short', PORT: 'none', WEB_CONCURRENCY: '0' });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr.trimEnd().split('\n')).toEqual([
      'PORT is "none", and must be a whole number from 1 to 65535.',
      'WEB_CONCURRENCY is "0", and must be a whole number from 1 to 256.',
      'SECRET_KEY must be at least 32 bytes long: make one with "openssl rand -base64 48".',
    ]);
  });

  it('a guard that is not there yet: 2', async () => {
    expect(await refused({ GOTRUE_SECURITY_CAPTCHA_ENABLED: 'true' })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^GOTRUE_SECURITY_CAPTCHA_ENABLED asks for captchas, which are not built yet: /),
    });
  });

  it('a database of yours without a key: 2', async () => {
    expect(await refused({ SECRET_KEY: '' })).toEqual({
      code: 2,
      stdout: '',
      stderr: 'SECRET_KEY is missing: it signs access tokens. Make one with "openssl rand -base64 48" and keep it.\n',
    });
  });

  it.each([{ WEB_CONCURRENCY: '1' }, { WEB_CONCURRENCY: '2' }])(
    'a key that is none, found only when it is read, with %o: 2',
    async (env) => {
      const GOTRUE_JWT_KEYS = '[{"kty":"EC","kid":"k1","key_ops":["sign"]}]';
      expect(await refused({ ...env, GOTRUE_JWT_KEYS })).toMatchObject({
        code: 2,
        stderr: 'GATEHOUSE_JWT_KEYS holds a JWK that is no private key: the one with kid k1.\n',
      });
    },
  );

  it('a server that is not there: 4', async () => {
    const port = await freePort();
    expect(await refused({ DATABASE_URL: `postgresql://u:p@127.0.0.1:${port}/d` })).toMatchObject({
      code: 4,
      stderr: `PostgreSQL at 127.0.0.1:${port} cannot be reached (ECONNREFUSED): start it, or correct host and port in DATABASE_URL.\n`,
    });
  });

  it('a wrong password: 4, and the password is not repeated', async () => {
    const url = new URL(database.url);
    url.password = 'guessed';
    expect(await refused({ DATABASE_URL: url.href })).toMatchObject({
      code: 4,
      stderr: `PostgreSQL at ${url.host} refuses the password of role "${url.username}": correct DATABASE_URL.\n`,
    });
  });

  it('a database that is not there: 4', async () => {
    const url = new URL(database.url);
    url.pathname = '/nowhere';
    expect(await refused({ DATABASE_URL: url.href })).toMatchObject({
      code: 4,
      stderr: `PostgreSQL at ${url.host} has no database "nowhere": create it, or correct DATABASE_URL.\n`,
    });
  });

  it('TLS that the server does not speak: 4', async () => {
    const { code, stderr } = await refused({ DATABASE_URL: `${database.url}?sslmode=require` });
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/^PostgreSQL at .* does not speak TLS, .*DATABASE_URL\.\n$/),
    ]);
  });

  it('a database that a newer gatehouse has used: 4', async () => {
    const newer = await freshDatabase();
    await newer.pool.query("insert into gatehouse.schema_changes (version, checksum) values ('9999_later', 'x')");
    expect(await refused({ DATABASE_URL: newer.url })).toMatchObject({
      code: 4,
      stderr:
        'The database has the schema change 9999_later, which this version of gatehouse does not know: start a newer gatehouse.\n',
    });
    await newer.drop();
  });

  it.each([{ WEB_CONCURRENCY: '1' }, { WEB_CONCURRENCY: '2' }])('a port in use, with %o: 5', async (env) => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const { port } = occupant.address() as AddressInfo;
    expect(await refused({ ...env, PORT: String(port) })).toMatchObject({
      code: 5,
      stderr: `Port ${port} on 127.0.0.1 is in use by another program: stop it (another gatehouse?), or set PORT to a free one.\n`,
    });
    occupant.close();
  });

  it('an address that is not of this machine: 5', async () => {
    expect(await refused({ HOST: '192.0.2.1' })).toMatchObject({
      code: 5,
      stderr:
        '192.0.2.1 is no address of this machine (EADDRNOTAVAIL): set HOST to one that is, 127.0.0.1 or 0.0.0.0.\n',
    });
  });
});

describe('ends', () => {
  /** A request that waits inside a transaction until it is let go. */
  async function requestUnderWay({ url }: Service) {
    const holder = new pg.Client(database.url);
    await holder.connect();
    await holder.query('begin; lock table audit.events in access exclusive mode');
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname).setEncoding('utf8');
    let answer = '';
    socket.on('data', (text) => {
      answer += text;
    });
    const ended = once(socket, 'close');
    const body = JSON.stringify({ email: 'nobody@example.com', password: 'guessed' });
    socket.write(
      `POST /token?grant_type=password HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await until(async () => {
      const { rows } = await database.pool.query(
        `select from pg_locks where relation = 'audit.events'::regclass and not granted`,
      );
      return rows.length > 0;
    });
    return {
      socket,
      answer: () => answer,
      ended,
      letGo: async () => {
        await holder.query('rollback');
        await holder.end();
      },
    };
  }

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'at %s: not ready, no new connections, requests under way finish, and the exit code is 0',
    async (signal) => {
      const service = await started();
      const request = await requestUnderWay(service);
      service.kill(signal);
      await until(() => portIsFree(service.port));
      request.socket.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n');
      await request.letGo();
      await request.ended;
      expect(request.answer()).toMatch(
        /^HTTP\/1\.1 400 [\s\S]*"invalid_credentials"[\s\S]*HTTP\/1\.1 503 [\s\S]*"draining"/,
      );
      expect(await service.ended).toEqual({ code: 0, signal: null });
      expect(service.log().map(({ msg }) => msg)).toEqual(expect.arrayContaining(['stopping', 'stopped']));
    },
  );

  it('with the last answer, though its connection was to be kept', async () => {
    // Longer than this test may take, as is the time for which a connection is kept (75 s).
    const service = await started({ GATEHOUSE_DRAIN_SECONDS: '600' });
    const request = await requestUnderWay(service);
    const idle = connect(service.port, '127.0.0.1');
    idle.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(idle, 'data');
    service.kill('SIGTERM');
    await once(idle, 'close');
    await request.letGo();
    await request.ended;
    expect(request.answer()).toMatch(/^HTTP\/1\.1 400 /);
    expect((await service.ended).code).toBe(0);
  }, 60_000);

  it('requests that do not finish in time are cut off', async () => {
    const service = await started({ GATEHOUSE_DRAIN_SECONDS: '0' });
    const request = await requestUnderWay(service);
    service.kill('SIGTERM');
    await request.ended;
    await request.letGo();
    expect(request.answer()).toBe('');
    expect((await service.ended).code).toBe(0);
    expect(service.log()).toContainEqual(expect.objectContaining({ msg: 'requests cut off', requests: 1 }));
  });

  it('at once at a second Ctrl-C: 130', async () => {
    const service = await started();
    const request = await requestUnderWay(service);
    let over = false;
    void service.ended.then(() => {
      over = true;
    });
    await until(() => {
      service.kill('SIGINT');
      return over;
    });
    expect((await service.ended).code).toBe(130);
    await request.letGo();
  });

  it('although nobody reads what it says, said before or in the end', async () => {
    const service = await started();
    service.stopReading();
    for (let count = 0; count < 5; count++) expect((await fetch(`${service.url}/livez`)).status).toBe(200);
    service.kill('SIGTERM');
    expect((await service.ended).code).toBe(0);
  });

  it('although nobody reads its last lines', async () => {
    const service = await started();
    service.stopReading();
    service.kill('SIGTERM');
    expect((await service.ended).code).toBe(0);
  });

  it('although somebody holds its output and does not read', async () => {
    const service = await started();
    service.pauseReading();
    // More lines than a pipe holds.
    const ask = () => Promise.all(Array.from({ length: 100 }, () => fetch(`${service.url}/livez`)));
    for (let count = 0; count < 20; count++) await ask();
    service.kill('SIGTERM');
    expect(await service.exited).toBe(0);
  });
});

describe('several processes', () => {
  const pids = (service: Service) =>
    service
      .log()
      .filter(({ msg }) => msg === 'worker listens')
      .map(({ pid }) => Number(pid));

  it('serve one port, and all of them end', async () => {
    const service = await started({ WEB_CONCURRENCY: '2' });
    expect(pids(service)).toHaveLength(2);
    const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`${service.url}/readyz`)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    service.kill('SIGTERM');
    expect(await service.ended).toEqual({ code: 0, signal: null });
    expect(pids(service).filter(isAlive)).toEqual([]);
    expect(await portIsFree(service.port)).toBe(true);
  });

  it('one that is killed is replaced, and the port is served meanwhile', async () => {
    const service = await started({ WEB_CONCURRENCY: '2' });
    const [victim = 0] = pids(service);
    process.kill(victim, 'SIGKILL');
    await service.says(/(?:"msg":"worker listens"[\s\S]*){3}/);
    expect(pids(service).filter(isAlive)).toHaveLength(2);
    expect(service.log()).toContainEqual(
      expect.objectContaining({ msg: 'worker died', pid: victim, signal: 'SIGKILL' }),
    );
    for (let count = 0; count < 10; count++) expect((await fetch(`${service.url}/livez`)).status).toBe(200);
  });

  it('do not outlive the one that started them', async () => {
    const service = await started({ WEB_CONCURRENCY: '2' });
    service.kill('SIGKILL');
    await until(() => pids(service).every((pid) => !isAlive(pid)));
    expect(await portIsFree(service.port)).toBe(true);
  });
});
