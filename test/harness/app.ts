/** A whole gatehouse for a test: its own database, a mail server, a clock, a listening server. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Express } from 'express';
import type pg from 'pg';
import supertest from 'supertest';
import { createApp } from '../../src/app.ts';
import { readConfig, type Settings } from '../../src/config.ts';
import { createGatehouse, type Gatehouse } from '../../src/gatehouse.ts';
import type { Route } from '../../src/http/routes.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { createPasswords, type Passwords } from '../../src/passwords/passwords.ts';
import { memoryLog } from '../http/small-app.ts';
import { createClock, type TestClock } from './clock.ts';
import { type Mailbox, openMailbox } from './mailbox.ts';
import { freshDatabase, type TestDatabase } from './postgres.ts';

/** Of every gatehouse of a test, unless its environment names another. */
export const SECRET_KEY = 'a secret of tests, and of nobody else, in 48 bytes';
/** So cheap that a test with a hundred sign-ins waits for none of them. */
export const CHEAP_ARGON2 = { memory_kib: 64, passes: 1, lanes: 1 };

export interface TestApp {
  gatehouse: Gatehouse;
  app: Express;
  routes: readonly Route[];
  /** Listens on a loopback port with keep-alive, so that what races does so on connections of its own. */
  url: string;
  server: Server;
  /** `request.post('/token')`: a supertest request to this gatehouse. */
  request: ReturnType<typeof supertest>;
  database: TestDatabase;
  mailbox: Mailbox;
  /** Stands still unless `startApp` was given another. */
  clock: TestClock;
  log: ReturnType<typeof memoryLog>;
  drain(): void;
  /** Ends the server, the gatehouse, the mailbox, and the database unless it was given. */
  close(): Promise<void>;
}

export interface StartOptions {
  /** Variables beside DATABASE_URL, SECRET_KEY and those of the mail server; they win. */
  env?: Record<string, string>;
  /** What no variable can say, or not that small. */
  settings?: Partial<Settings>;
  /** A database shared with another gatehouse, which then drops it. */
  database?: TestDatabase;
  mailbox?: Mailbox;
  clock?: TestClock;
  /** Hashing as it costs in earnest. */
  passwords?: Passwords;
}

/** Starts a gatehouse. Passwords cost next to nothing, and refusals do not take their time. */
export async function startApp(options: StartOptions = {}): Promise<TestApp> {
  const database = options.database ?? (await freshDatabase());
  const mailbox = options.mailbox ?? (await openMailbox());
  const clock = options.clock ?? createClock();
  const log = memoryLog('info');

  const { settings, secrets } = readConfig({
    DATABASE_URL: database.url,
    SECRET_KEY,
    GATEHOUSE_SMTP_HOST: '127.0.0.1',
    GATEHOUSE_SMTP_PORT: String(mailbox.port),
    GATEHOUSE_SMTP_ADMIN_EMAIL: 'auth@portal.example',
    ...options.env,
  });
  if (!secrets.database) throw new Error('a test names its database');
  const gatehouse = await createGatehouse({
    settings: { ...settings, ...options.settings },
    secrets,
    connection: secrets.database,
    log: log.log,
    clock: clock.now,
    passwords:
      options.passwords ?? (await createPasswords({ concurrency: 2, argon2_cost: CHEAP_ARGON2, refusal_floor_ms: 0 })),
  });
  const { app, routes, drain, close } = createApp(gatehouse, { version: 'test' });
  const server = createHttpServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    gatehouse,
    app,
    routes,
    url,
    server,
    request: supertest(url),
    database,
    mailbox,
    clock,
    log,
    drain,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await close();
      await gatehouse.close();
      if (!options.mailbox) await mailbox.close();
      if (!options.database) await database.drop();
    },
  };
}

/** A row of the audit log, without what only the sealer reads. */
export interface AuditRow {
  id: string;
  occurred_at: string;
  action: string;
  outcome: 'success' | 'failure';
  error_code: string | null;
  reason: string | null;
  actor_id: string | null;
  actor_role: string | null;
  actor_name: string | null;
  subject_id: string | null;
  session_id: string | null;
  ip: string | null;
  user_agent: string | null;
  request_id: string | null;
  method: string | null;
  path: string | null;
  details: Record<string, unknown>;
}

/** What the audit log holds, in the order written: all of it, or what one request left. */
export async function auditRows(database: Pick<TestDatabase, 'pool'>, request_id?: string): Promise<AuditRow[]> {
  const { rows } = await database.pool.query<AuditRow>(
    `select id, occurred_at, action, outcome, error_code, reason, actor_id, actor_role, actor_name, subject_id,
            session_id, host(ip) as ip, user_agent, request_id, method, path, details
       from audit.events
      where $1::text is null or request_id = $1::text
      order by id`,
    [request_id],
  );
  return rows;
}

/** The audit rows of the request that this is the answer to. */
export function auditRowsOf(
  { database }: Pick<TestApp, 'database'>,
  response: { headers: Record<string, string> },
): Promise<AuditRow[]> {
  const request_id = response.headers['x-request-id'];
  if (!request_id) throw new Error('the answer has no X-Request-Id');
  return auditRows(database, request_id);
}

const watched = new WeakMap<pg.PoolClient, (statement: string) => void>();

/**
 * The statements that PostgreSQL ended while `work` ran, by the server's own word for each (`BEGIN`, `SELECT 1`, `ERROR`):
 * counted on the wire, so that nothing which a library adds escapes.
 */
export async function statementsDuring(gatehouse: Pick<Gatehouse, 'db'>, work: () => Promise<unknown>) {
  const statements: string[] = [];
  const pool = gatehouse.db.$client;
  const watch = (client: pg.PoolClient) => {
    if (!watched.has(client)) {
      const { connection } = client as pg.PoolClient & pg.Client;
      connection.on('commandComplete', ({ text }) => watched.get(client)?.(text));
      connection.on('errorMessage', () => watched.get(client)?.('ERROR'));
    }
    watched.set(client, (statement) => statements.push(statement));
  };
  pool.on('acquire', watch);
  try {
    await work();
  } finally {
    pool.off('acquire', watch);
  }
  return statements;
}
