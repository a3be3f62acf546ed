/**
 * `npm run demo`: the whole story on one screen. A Supabase-like project with thousands of users is moved by the real command
 * and proven equal; people sign in with their old passwords and go on in their old sessions; a backend asks whether a token
 * holds; a stolen token ends its session; and an auditor reads exactly what happened. Each line is checked before it is
 * shown: the demo ends with exit code 1 at the first that is not as promised. Nothing of it stays.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import pg from 'pg';
import { createApp } from '../src/app.ts';
import { createClient } from '../src/clients/clients.ts';
import { occasionOfCommand } from '../src/command.ts';
import { readConfig } from '../src/config.ts';
import { startEmbeddedPostgres } from '../src/db/embedded-postgres.ts';
import { applySchemaChanges } from '../src/db/schema-changes.ts';
import { createGatehouse } from '../src/gatehouse.ts';
import { createLog } from '../src/http/log.ts';
import { createHttpServer } from '../src/http/server.ts';
import { run as migrateUsers } from '../src/migrate/users.command.ts';
import { grantRole } from '../src/roles/roles.ts';
import { version } from '../src/version.ts';
import { createSupabaseSource } from './harness/supabase-source.ts';

const users = Number(process.env.DEMO_USERS ?? 5000);
const began = performance.now();

const number = (value: number) => value.toLocaleString('en-US');
function elapsed(since: number): string {
  const ms = performance.now() - since;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
const say = (line = '') => process.stdout.write(`${line}\n`);
const heading = (text: string) => say(`\n${styleText('bold', text)}`);

/** A line that holds: what was done, what came of it, how long it took. */
function done(what: string, outcome: string, took = ''): void {
  say(
    `  ${styleText('green', '✔')} ${what.padEnd(38)} ${outcome.padEnd(53)} ${styleText('dim', took.padStart(6))}`.trimEnd(),
  );
}

async function step<T>(what: string, work: () => Promise<readonly [outcome: string, value: T]>): Promise<T> {
  const since = performance.now();
  const [outcome, value] = await work();
  done(what, outcome, elapsed(since));
  return value;
}

await using resources = new AsyncDisposableStack();

say(`${styleText('bold', `gatehouse ${version}`)}: out of Supabase, step by step`);

heading('A Supabase project');
const directory = await mkdtemp(join(tmpdir(), 'gatehouse-demo-'));
// As root the server belongs to another account, which has to get through here.
await chmod(directory, 0o711);
resources.defer(() => rm(directory, { recursive: true, force: true }));
const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
const postgres = await startEmbeddedPostgres({ directory, settings });
resources.defer(postgres.stop);

const source = await step('PostgreSQL, roles and rights as hosted', async () => {
  const made = await createSupabaseSource(postgres.url, { users, portal: false });
  return [`${number(users)} users, every kind of password and session`, made] as const;
});
const { people } = source;

heading('gatehouse migrate users --from postgres://… --apply');
const target = new URL(postgres.url);
target.pathname = '/gatehouse';
await withClient(postgres.url, (client) => client.query('create database gatehouse'));
await applySchemaChanges(target.href);

const held = source.keys.held;
const { settings: ours, secrets } = readConfig({
  DATABASE_URL: target.href,
  SECRET_KEY: 'a secret of this demonstration, and of nothing else',
  GATEHOUSE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS: `${held.id}:${held.key}`,
  GATEHOUSE_LOG_LEVEL: 'fatal',
});
const connection = secrets.database;
assert(connection);
const gatehouse = await createGatehouse({
  settings: ours,
  secrets,
  connection,
  log: createLog({ level: 'fatal' }),
});
resources.defer(gatehouse.close);

const proven = { rows: 0, tables: 0 };
await step('moved in one transaction', async () => {
  const events = await migrated();
  const tables = events.filter(({ event }) => event === 'table').map(({ outcome }) => outcome);
  const rows = (name: string) => tables.find(({ table }) => table === name)?.rows ?? 0;
  assert.equal(rows('users'), users);
  const proofs = events.filter(({ event }) => event === 'proof').map(({ proof }) => proof);
  assert(proofs.length > 0 && proofs.every(({ equal }) => equal));
  proven.rows = tables.reduce((sum, { rows }) => sum + rows, 0);
  proven.tables = proofs.length;
  const parts = [['users'], ['identities'], ['sessions', 'live sessions']] as const;
  return [parts.map(([name, shown = name]) => `${number(rows(name))} ${shown}`).join(', '), undefined] as const;
});
done(
  'proven equal before it was committed',
  `${number(proven.rows)} rows of ${proven.tables} tables, column by column`,
);

heading('The portal, one URL changed');
const { app, close } = createApp(gatehouse, { version });
resources.defer(close);
const server = createHttpServer(app).listen(0, '127.0.0.1');
await once(server, 'listening');
resources.defer(async () => {
  server.close();
  server.closeAllConnections();
});
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/auth/v1`;
const person = people.bcrypt2a10;

const session = await step('signs in with the old password', async () => {
  assert(person.encrypted_password?.startsWith('$2a$10$'));
  const body = await call(200, 'POST', '/token?grant_type=password', {
    email: person.email,
    password: person.password,
  });
  assert.equal(body.user.id, person.id);
  const { rows } = await gatehouse.db.$client.query('select encrypted_password from auth.users where id = $1', [
    person.id,
  ]);
  assert(rows[0].encrypted_password.startsWith('$argon2id$v=19$m=19456,t=2,p=1$'));
  return ['same id; bcrypt became argon2id', body] as const;
});
const client = await createClient(
  gatehouse.db,
  { name: 'portal-api', actor: { role: 'operator', username: userInfo().username } },
  occasionOfCommand('clients create', gatehouse.clock()),
);
assert(client);

await step('is validated by a backend', async () => {
  const { active, sub, email } = await introspect(session.access_token);
  assert.deepEqual([active, sub, email], [true, person.id, person.email]);
  return [`active, ${email}`, undefined] as const;
});
const refreshed = await step('refreshes', async () => {
  const body = await call(200, 'POST', '/token?grant_type=refresh_token', { refresh_token: session.refresh_token });
  assert.notEqual(body.refresh_token, session.refresh_token);
  return ['a new refresh token, the old one is spent', body] as const;
});
await step('signs out', async () => {
  await call(204, 'POST', '/logout', undefined, refreshed.access_token);
  assert.deepEqual(await introspect(refreshed.access_token), { active: false });
  return ['the token is refused from that moment', undefined] as const;
});

heading('Nobody was logged out');
const live = [
  ['a session of Supabase’s newer kind', people.counter300],
  ['one of the older kind', people.oldToken],
] as const;
for (const [what, { id, session: carried }] of live) {
  await step(what, async () => {
    const body = await call(200, 'POST', '/token?grant_type=refresh_token', { refresh_token: carried.refresh_token });
    assert.equal(body.user.id, id);
    return ['goes on', undefined] as const;
  });
}
await step('a token stolen before the move', async () => {
  const { revoked_tokens, session: family } = people.legacyFamily;
  const body = await call(400, 'POST', '/token?grant_type=refresh_token', { refresh_token: revoked_tokens.first });
  assert.equal(body.error_code, 'refresh_token_already_used');
  await call(400, 'POST', '/token?grant_type=refresh_token', { refresh_token: family.refresh_token });
  return ['refused, and its session ended', undefined] as const;
});

heading('What the auditor reads: everything about that person, and nothing else');
const auditor = people.bcrypt2b;
await grantRole(
  gatehouse.db,
  { user_id: auditor.id, role: 'auditor', actor: { role: 'operator', username: userInfo().username } },
  occasionOfCommand('roles grant', gatehouse.clock()),
);
const reader = await call(200, 'POST', '/token?grant_type=password', {
  email: auditor.email,
  password: auditor.password,
});
const { events } = await call(
  200,
  'GET',
  `/audit/events?subject=${person.id}&order=asc`,
  undefined,
  reader.access_token,
);
assert.deepEqual(
  events.map(({ action, outcome }: AuditEvent) => `${action} ${outcome}`),
  [
    'login success',
    'token_introspected success',
    'token_refreshed success',
    'logout success',
    'token_introspected success',
  ],
);
say(
  styleText(
    'dim',
    `    ${'time'.padEnd(13)} ${'event'.padEnd(19)} ${'outcome'.padEnd(9)} ${'by'.padEnd(28)} particulars`,
  ),
);
for (const { occurred_at, action, outcome, actor_name, actor_id, reason, details } of events as AuditEvent[]) {
  const by = actor_name ?? (actor_id === person.id ? person.email : actor_id) ?? '';
  const particulars = [...Object.entries(details).map(([name, value]) => `${name} ${value}`), reason].filter(Boolean);
  const columns = [
    new Date(occurred_at).toISOString().slice(11, 23).padEnd(13),
    action.padEnd(19),
    outcome.padEnd(9),
    by.padEnd(28),
  ];
  say(`    ${columns.join(' ')} ${particulars.join(', ')}`.trimEnd());
}

say(
  `\n${styleText('bold', 'All of it held')}, in ${elapsed(began)}. To do it with your own project: docs/leaving-supabase.md`,
);

// biome-ignore lint/suspicious/noExplicitAny: what other programs answer is looked at member by member, and asserted
type Answer = any;

interface AuditEvent {
  occurred_at: string;
  action: string;
  outcome: string;
  actor_id: string | null;
  actor_name: string | null;
  reason: string | null;
  details: Record<string, unknown>;
}

/** What the command says of its work, line by line. */
async function migrated() {
  let written = '';
  const io = {
    stdout: { write: (text: string) => (written += text) },
    stderr: process.stderr,
    secrets,
    operator: userInfo().username,
    clock: gatehouse.clock,
    findDatabase: async () => ({ connection, close: async () => {} }),
    openDatabase: async () => ({ db: gatehouse.db, close: async () => {} }),
  };
  const code = await migrateUsers(['--from', source.url, '--to', target.href, '--apply', '--json'], io as never);
  assert.equal(code, 0);
  return written
    .trim()
    .split('\n')
    .map((line): Answer => JSON.parse(line));
}

async function introspect(token: string) {
  assert(client);
  const basic = Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64');
  const answer = await fetch(`${url}/introspect`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ token }),
  });
  assert.equal(answer.status, 200);
  return answer.json() as Promise<Answer>;
}

async function call(status: number, method: string, path: string, body?: object, bearer?: string) {
  const answer = await fetch(url + path, {
    method,
    headers: { 'content-type': 'application/json', ...(bearer && { authorization: `Bearer ${bearer}` }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  assert.equal(answer.status, status, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  return (status === 204 ? undefined : await answer.json()) as Answer;
}

async function withClient(address: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(address);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
