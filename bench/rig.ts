/**
 * What is measured, built from nothing and taken away again: a PostgreSQL of its own that waits for the disk, people in
 * it, gatehouse as `npm start` runs it, and the processes that it is measured against.
 */
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, open, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { createClient, type NewClient } from '../src/clients/clients.ts';
import { occasionOfCommand } from '../src/command.ts';
import { createDatabase } from '../src/db/database.ts';
import { startEmbeddedPostgres } from '../src/db/embedded-postgres.ts';
import { applySchemaChanges } from '../src/db/schema-changes.ts';
import { enableServiceRole } from '../src/home/service-role.sql.ts';
import { createPasswords } from '../src/passwords/passwords.ts';
import { openMailbox } from '../test/harness/mailbox.ts';
import { passwordPool } from '../test/harness/supabase-source/password-pool.ts';

/** Of the pool of gatehouse unless it is set, and of the pool that it is measured against. */
export const POOL_SIZE = 10;
const TEMPLATE = 'bench_template';
const START_TIMEOUT_MS = 20_000;

export interface Account {
  id: string;
  email: string;
  password: string;
}

export interface Rig {
  /** As the superuser, to the cluster's database `postgres`. */
  adminUrl: string;
  /** What the server is and how it writes. */
  postgres: string;
  /** People who signed up here. */
  accounts: Account[];
  /** Somebody who came from Supabase and has not signed in since. */
  bcryptAccount: Account;
  /** Confirmed addresses that nothing else of a run asks for. */
  crowd: string[];
  auditor: Account;
  client: NewClient;
  /** Where gatehouse listens. */
  url: string;
  /** Where the two bare routes are. */
  bareUrl: string;
  /** Another database like that of gatehouse, empty. */
  freshDatabase(): Promise<{ url: string; drop(): Promise<void> }>;
}

/** Everything that is up goes down with `resources`. */
export async function buildRig(resources: AsyncDisposableStack, { accounts }: { accounts: number }): Promise<Rig> {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'));
  // As root the server is another account's, which has to get through here.
  await chmod(directory, 0o711);
  resources.defer(() => rm(directory, { recursive: true, force: true }));
  const server = await startEmbeddedPostgres({ directory });
  resources.defer(server.stop);

  const ask = async (url: string, work: (client: pg.Client) => Promise<unknown>) => {
    const client = new pg.Client(url);
    await client.connect();
    await work(client).finally(() => client.end());
  };
  const urlOf = (database: string) => Object.assign(new URL(server.url), { pathname: `/${database}` }).href;
  await ask(server.url, (client) => client.query(`create database ${TEMPLATE}`));
  await applySchemaChanges(urlOf(TEMPLATE));
  await ask(server.url, (client) => client.query(`create database gatehouse template ${TEMPLATE}`));

  const people = await populate(urlOf('gatehouse'), accounts);
  const password = randomBytes(32).toString('hex');
  await enableServiceRole(server.url, 'gatehouse_app', password);
  const DATABASE_URL = Object.assign(new URL(urlOf('gatehouse')), { username: 'gatehouse_app', password }).href;
  const mailbox = await openMailbox();
  resources.defer(mailbox.close);
  const url = await startGatehouse(resources, join(directory, 'gatehouse.log'), {
    DATABASE_URL,
    GATEHOUSE_SMTP_HOST: '127.0.0.1',
    GATEHOUSE_SMTP_PORT: String(mailbox.port),
    GATEHOUSE_SMTP_ADMIN_EMAIL: 'auth@people.example',
    GATEHOUSE_SMTP_MAX_FREQUENCY: '1s',
    GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '1000000',
  });
  const bare = startProcess(resources, 'bare-express.ts', [], {
    env: { ...process.env, NODE_ENV: 'production', DATABASE_URL, POOL_SIZE: String(POOL_SIZE) },
  });
  const [{ url: bareUrl }] = (await once(bare, 'message')) as [{ url: string }];

  return {
    adminUrl: server.url,
    postgres: await describeServer(server.url),
    ...people,
    url,
    bareUrl,
    async freshDatabase() {
      const name = `bench_${randomBytes(6).toString('hex')}`;
      await ask(server.url, (client) => client.query(`create database ${name} template ${TEMPLATE}`));
      // What was written before is not paid for by what is measured next.
      await ask(server.url, (client) => client.query('checkpoint'));
      return {
        url: urlOf(name),
        drop: () => ask(server.url, (client) => client.query(`drop database ${name} with (force)`)),
      };
    },
  };
}

/** A script of this directory in a process of its own, that talks by messages and ends with us. */
export function startProcess(
  resources: AsyncDisposableStack,
  script: string,
  args: string[] = [],
  options: ForkOptions = {},
): ChildProcess {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), args, options);
  resources.defer(() => end(child));
  return child;
}

async function startGatehouse(
  resources: AsyncDisposableStack,
  logFile: string,
  settings: NodeJS.ProcessEnv,
): Promise<string> {
  const port = await freePort();
  const log = await open(logFile, 'w');
  const { PATH } = process.env;
  const service = startProcess(resources, '../src/main.ts', [], {
    env: {
      PATH,
      ...settings,
      SECRET_KEY: randomBytes(32).toString('base64url'),
      HOST: '127.0.0.1',
      PORT: String(port),
      ...profiling(),
    },
    stdio: ['ignore', log.fd, 'inherit', 'ipc'],
  });
  await log.close();
  const url = `http://127.0.0.1:${port}`;
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await fetch(`${url}/readyz`).catch(() => undefined))?.ok) {
    if (service.exitCode !== null) throw new Error(`gatehouse did not start: exit code ${service.exitCode}`);
    if (performance.now() > deadline) throw new Error(`gatehouse was not ready after ${START_TIMEOUT_MS} ms`);
    await delay(50);
  }
  return url;
}

/** `BENCH_NODE_OPTIONS=--cpu-prof npm run bench -- --only user`: where the time of gatehouse goes. */
function profiling(): NodeJS.ProcessEnv {
  const { BENCH_NODE_OPTIONS } = process.env;
  return BENCH_NODE_OPTIONS ? { NODE_OPTIONS: BENCH_NODE_OPTIONS } : {};
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const impatience = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(impatience);
}

/** With few rows PostgreSQL would read whole tables, which no portal's database does. */
const CROWD_SIZE = 20_000;
const CROWD = `
  with person as (
    insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, created_at,
                            updated_at, last_sign_in_at, raw_app_meta_data, raw_user_meta_data, confirmation_token,
                            recovery_token, email_change_token_new, email_change)
    select '00000000-0000-0000-0000-000000000000', gen_random_uuid(), 'authenticated', 'authenticated',
           'crowd-' || n || '@people.example', $2, now(), now(), now(), now(),
           '{"provider": "email", "providers": ["email"]}', '{"full_name": "One of many"}', '', '', '', ''
      from generate_series(1, $1::int) as n
    returning id, email),
  identity as (
    insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
    select id, id, jsonb_build_object('sub', id, 'email', email), 'email', now(), now(), now() from person),
  session as (
    insert into auth.sessions (id, user_id, created_at, updated_at, aal, refresh_token_counter)
    select gen_random_uuid(), id, now(), now(), 'aal1', 0 from person
    returning id)
  insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
  select gen_random_uuid(), id, now(), now(), 'password' from session`;

/** Rows as they are after sign-up and confirmation, each hash made of its own salt at the cost that gatehouse serves with. */
async function populate(url: string, count: number) {
  const passwords = await createPasswords({ concurrency: availableParallelism(), refusal_floor_ms: 0 });
  const account = (name: string, password: string): Account => ({
    id: randomUUID(),
    email: `${name}@people.example`,
    password,
  });
  const accounts = Array.from({ length: count }, (_, n) => account(`person-${n}`, 'correct horse battery'));
  const auditor = account('auditor', 'correct horse auditor');
  const [bcrypt] = passwordPool.bcrypt_2a_10;
  const bcryptAccount = account('carried-over', bcrypt.password);

  const rows = await Promise.all(
    [...accounts, auditor].map(async ({ id, email, password }) => [id, email, await hash(password)] as const),
  );
  rows.push([bcryptAccount.id, bcryptAccount.email, bcrypt.encrypted_password]);
  // Admission control is for a service: here everybody waits.
  async function hash(password: string): Promise<string> {
    for (;;) {
      try {
        return await passwords.hash(password);
      } catch {
        await delay(100);
      }
    }
  }

  const pool = new pg.Pool({ connectionString: url, max: 1 });
  try {
    await pool.query(
      `with person as (
         insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, created_at,
                                 updated_at, raw_app_meta_data, raw_user_meta_data, confirmation_token, recovery_token,
                                 email_change_token_new, email_change)
         select '00000000-0000-0000-0000-000000000000', id, 'authenticated', 'authenticated', email, hash, now(), now(),
                now(), '{"provider": "email", "providers": ["email"]}',
                jsonb_build_object('sub', id, 'email', email, 'full_name', 'Ann ' || n, 'email_verified', true,
                                   'phone_verified', false), '', '', '', ''
           from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as r (id, email, hash, n)
         returning *)
       insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
       select id, id, raw_user_meta_data, 'email', now(), now(), now() from person`,
      [0, 1, 2].map((column) => rows.map((row) => row[column])),
    );
    await pool.query(CROWD, [CROWD_SIZE, rows[0]?.[2]]);
    await pool.query(`insert into gatehouse.role_grants (user_id, role, granted_at) values ($1, 'auditor', now())`, [
      auditor.id,
    ]);
    const actor = { role: 'operator', username: 'bench' };
    const occasion = occasionOfCommand('bench', new Date());
    const client = await createClient(createDatabase(pool), { name: 'bench', actor }, occasion);
    if (!client) throw new Error('a new database has no client');
    await pool.query('vacuum analyze');
    const crowd = Array.from({ length: CROWD_SIZE }, (_, n) => `crowd-${n + 1}@people.example`);
    return { accounts, bcryptAccount, crowd, auditor, client };
  } finally {
    await pool.end();
  }
}

async function describeServer(url: string): Promise<string> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<{ version: string; fsync: string; commit: string }>(
      `select current_setting('server_version') as version, current_setting('fsync') as fsync,
              current_setting('synchronous_commit') as commit`,
    );
    const [{ version, fsync, commit } = { version: '', fsync: '', commit: '' }] = rows;
    return `PostgreSQL ${version}, fsync ${fsync}, synchronous_commit ${commit}`;
  } finally {
    await client.end();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
