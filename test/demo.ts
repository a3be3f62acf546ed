/**
 * `npm run demo`: the way out of Supabase from beginning to end, on one screen. A project like those on Supabase is made,
 * moved by the real command into the gatehouse of `npm start`, and used over HTTP. Every line with a tick was checked;
 * the first that does not hold ends the demo with exit code 1. `-- --users N` for a project of another size.
 */
import { deepStrictEqual, notStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, parseEnv } from 'node:util';
import pg from 'pg';
import { findEmbeddedPostgres, startEmbeddedPostgres } from '../src/db/embedded-postgres.ts';
import type { MigrationEvent, MigrationReport } from '../src/migrate/run.ts';
import type { TokenResponse } from '../src/sessions/session-response.ts';
import { version } from '../src/version.ts';
import type { Cell } from './demo/screen.ts';
import { setStage } from './demo/stage.ts';
import { endPrograms, freePort, runCommand, startService } from './harness/program.ts';
import { createSupabaseSource, type SupabaseSource } from './harness/supabase-source.ts';

const { values: options } = parseArgs({ options: { users: { type: 'string', default: '5000' } } });
const users = Number(options.users);
const { screen, directory, ends, perform } = await setStage('demo');

/** Of the audit log, as it is shown. */
const columns = { time: 14, event: 22, by: 15, session: 10, details: 32 };
const heading = Object.entries(columns).map(([text, width]): Cell => ({ text, width, style: 'dim' }));

await perform(
  play,
  (seconds) => `All ${screen.held} lines held, in ${seconds} s. Everything is stopped and removed again.`,
);

async function play(): Promise<void> {
  screen.title(
    `gatehouse ${version}: leaving Supabase`,
    'Each line with a tick was checked the moment before it was written.',
  );

  screen.chapter('What you leave: a Supabase project');
  const source = await makeSource();
  screen.chapter('What you go to: gatehouse, on a machine that has nothing');
  const gatehouse = await startGatehouse(source);
  screen.chapter('The move: gatehouse migrate users --from postgres://postgres@… --apply');
  await moveUsers(source, gatehouse);

  const log = { from: new Date(), names: new Map<string, string>(), expected: [] as Expected[] };
  screen.chapter(`${source.people.bcrypt2a10.email} signs in, with the password of before`);
  await useAccount(source, gatehouse, log);
  screen.chapter('Sessions that were open at the move');
  await continueSessions(source, gatehouse, log);
  screen.chapter('On record, as an auditor reads it');
  await readAuditLog(gatehouse, log);
}

async function makeSource(): Promise<SupabaseSource> {
  let made: SupabaseSource | undefined;
  await screen.step('schemas, roles, a portal, its users', async () => {
    const server = await startEmbeddedPostgres({ directory: join(directory, 'supabase'), settings: { fsync: 'off' } });
    ends.defer(server.stop);
    const present = new Date().toISOString();
    made = await createSupabaseSource(server.url, { users, present, portal: 'without large values' });
    const [row] = await query(made.url, `select current_setting('server_version') as version, current_user as who`);
    strictEqual(row?.who, 'postgres');
    return `on PostgreSQL ${row.version}`;
  });
  if (!made) throw new Error('the step above made it');
  const { url } = made;
  await screen.check(`${number(users)} users`, async () => {
    const [row] = await query<{ users: number; bcrypt: number; sessions: number }>(
      url,
      `select count(*)::int as users, count(*) filter (where encrypted_password like '$2%')::int as bcrypt,
              (select count(*)::int from auth.sessions) as sessions
         from auth.users`,
    );
    strictEqual(row?.users, users);
    return `${number(row.bcrypt)} with a bcrypt password, ${number(row.sessions)} live sessions`;
  });
  return made;
}

interface RunningGatehouse {
  /** What an operator's shell has set. */
  env: Record<string, string>;
  url: string;
  /** To its database, as the superuser whom nobody but this demo needs. */
  databaseUrl: string;
  administrator: { email: string; password: string };
  client: { client_id: string; client_secret: string };
}

async function startGatehouse({ keys: { held } }: SupabaseSource): Promise<RunningGatehouse> {
  const home = join(directory, 'home');
  const port = await freePort();
  const env = {
    GATEHOUSE_DATA_DIRECTORY: home,
    HOST: '127.0.0.1',
    PORT: String(port),
    GATEHOUSE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS: `${held.id}:${held.key}`,
  };
  const url = `http://127.0.0.1:${port}`;
  await screen.step('npm start', async () => {
    const service = startService(env);
    ends.defer(endPrograms);
    await service.says(/"msg":"listening"/);
    strictEqual((await fetch(`${url}/readyz`)).status, 200, 'GET /readyz');
    return `ready at ${url}`;
  });
  const secrets = parseEnv(readFileSync(join(home, 'secrets.env'), 'utf8'));
  const { ADMIN_EMAIL: email = '', ADMIN_PASSWORD: password = '' } = secrets;

  let client: RunningGatehouse['client'] | undefined;
  await screen.step('gatehouse clients create portal-api', async () => {
    const { code, stdout, stderr } = await runCommand(['clients', 'create', 'portal-api'], env);
    strictEqual(code, 0, stderr);
    const [, client_id, client_secret] = /client_id +(\S+)\nclient_secret +(\S+)/.exec(stdout) ?? [];
    ok(client_id && client_secret, 'the command shows id and secret');
    client = { client_id, client_secret };
    return 'a backend that may ask about tokens';
  });
  const database = await findEmbeddedPostgres(join(home, 'postgres'));
  if (!database || !client) throw new Error('the steps above made them');
  return { env, url, databaseUrl: database.url, administrator: { email, password }, client };
}

async function moveUsers(source: SupabaseSource, { env, databaseUrl }: RunningGatehouse): Promise<void> {
  let report: MigrationReport | undefined;
  await screen.step('all of it in one transaction', async () => {
    const args = ['migrate', 'users', '--from', source.url, '--apply', '--json'];
    const { code, stdout, stderr } = await runCommand(args, env);
    strictEqual(code, 0, stderr);
    const last: MigrationEvent = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    if (last.event !== 'finished') throw new Error('the command ends with its report');
    report = last.report;
    const rows = report.tables.reduce((sum, table) => sum + table.rows, 0);
    const [row] = await query(databaseUrl, 'select count(*)::int as users from auth.users');
    strictEqual(row?.users, users + 1, 'all of them are here, beside the administrator');
    return `${number(rows)} rows of ${report.tables.length} tables`;
  });
  const { proofs = [], ledger_hash = '' } = report ?? {};
  for (const table of ['users', 'identities', 'sessions', 'refresh_tokens']) {
    await screen.check(`auth.${table}`, async () => {
      const proof = proofs.find((of) => of.table === table);
      ok(proof?.equal, `auth.${table} is equal on both sides`);
      deepStrictEqual(proof.target, proof.source);
      return `${number(proof.rows)} rows; count and checksum of all ${proof.source.columns.length} columns equal`;
    });
  }
  await screen.check('the other tables, and the ledger', async () => {
    ok(
      proofs.every(({ equal }) => equal),
      'every table is equal on both sides',
    );
    const [row] = await query(
      databaseUrl,
      `select encode(hash, 'hex') as hash from gatehouse.migration_ledger order by id desc limit 1`,
    );
    strictEqual(row?.hash, ledger_hash);
    return `equal; the ledger's chain ends in ${ledger_hash.slice(0, 16)}…`;
  });
}

/** What the audit log has to say of one thing that was done. */
type Expected = [action: string, error_code: string | null];

interface Log {
  from: Date;
  /** User id → what to call that user. */
  names: Map<string, string>;
  expected: Expected[];
}

async function useAccount({ people }: SupabaseSource, gatehouse: RunningGatehouse, log: Log): Promise<void> {
  const { id, email, password, encrypted_password: hash } = people.bcrypt2a10;
  const { url, databaseUrl, client } = gatehouse;
  log.names.set(id, email ?? '');
  let first: TokenResponse | undefined;
  await screen.step('POST /token?grant_type=password', async () => {
    first = await answer<TokenResponse>(200, post(`${url}/token?grant_type=password`, { email, password }));
    strictEqual(first.user.id, id);
    const [row] = await query(databaseUrl, 'select encrypted_password as hash from auth.users where id = $1', [id]);
    ok(hash?.startsWith('$2a$10$') && String(row?.hash).startsWith('$argon2id$'), 'bcrypt has become argon2id');
    log.expected.push(['login', null]);
    return '200  same id; bcrypt has become argon2id';
  });
  if (!first) throw new Error('the step above made it');
  const { access_token, refresh_token } = first;
  const { session_id } = claimsOf(access_token);

  await screen.step('POST /introspect, by portal-api', async () => {
    const token = await introspect(url, client, access_token);
    deepStrictEqual([token.active, token.sub, token.session_id], [true, id, session_id]);
    log.expected.push(['token_introspected', null]);
    return '200  active, of this user, in this session';
  });
  let second: TokenResponse | undefined;
  await screen.step('POST /token?grant_type=refresh_token', async () => {
    second = await answer<TokenResponse>(200, post(`${url}/token?grant_type=refresh_token`, { refresh_token }));
    notStrictEqual(second.refresh_token, refresh_token);
    strictEqual(claimsOf(second.access_token).session_id, session_id);
    log.expected.push(['token_refreshed', null]);
    return '200  new tokens, same session';
  });
  const newest = second?.access_token ?? '';
  await screen.step('POST /logout', async () => {
    await answer(204, post(`${url}/logout`, undefined, { Authorization: `Bearer ${newest}` }));
    log.expected.push(['logout', null]);
    return '204  the session is over';
  });
  await screen.step('POST /introspect, by portal-api', async () => {
    deepStrictEqual(await introspect(url, client, newest), { active: false });
    log.expected.push(['token_introspected', null]);
    return '200  not active, though its signature is right';
  });
  await screen.step('the first refresh token, replayed', async () => {
    const refusal = await answer<Refusal>(400, post(`${url}/token?grant_type=refresh_token`, { refresh_token }));
    strictEqual(refusal.error_code, 'refresh_token_not_found');
    log.expected.push(['token_refresh_failed', 'refresh_token_not_found']);
    return `400  ${refusal.error_code}`;
  });
}

interface Refusal {
  error_code: string;
}

async function continueSessions(
  { people: { counter300, oldToken, legacyFamily } }: SupabaseSource,
  { url }: RunningGatehouse,
  log: Log,
): Promise<void> {
  const refresh = (refresh_token: string) => post(`${url}/token?grant_type=refresh_token`, { refresh_token });
  for (const { id, email } of [counter300, oldToken, legacyFamily]) log.names.set(id, email ?? '');

  await screen.step('a refresh token of this year (v2)', async () => {
    const { id, session } = counter300;
    const { user, access_token } = await answer<TokenResponse>(200, refresh(session.refresh_token));
    deepStrictEqual([user.id, claimsOf(access_token).session_id], [id, session.id]);
    log.expected.push(['token_refreshed', null]);
    return '200  goes on: nobody was signed out';
  });
  await screen.step('one of years before (legacy)', async () => {
    const { id, session } = oldToken;
    const { user, refresh_token } = await answer<TokenResponse>(200, refresh(session.refresh_token));
    strictEqual(user.id, id);
    ok(refresh_token.length > session.refresh_token.length, 'the successor is of the new format');
    log.expected.push(['token_refreshed', null]);
    return '200  goes on, as a v2 token from here';
  });
  await screen.step('one that was used up before the move', async () => {
    const { error_code } = await answer<Refusal>(400, refresh(legacyFamily.revoked_tokens.first));
    strictEqual(error_code, 'refresh_token_already_used');
    log.expected.push(['refresh_token_reused', error_code]);
    return `400  ${error_code}`;
  });
  await screen.step('the newest of that session, thereafter', async () => {
    const { error_code } = await answer<Refusal>(400, refresh(legacyFamily.session.refresh_token));
    strictEqual(error_code, 'refresh_token_not_found');
    log.expected.push(['token_refresh_failed', error_code]);
    return `400  ${error_code}: ended for both`;
  });
}

interface TrailEvent {
  occurred_at: string;
  action: string;
  outcome: 'success' | 'failure';
  error_code: string | null;
  reason: string | null;
  actor_name: string | null;
  subject_id: string | null;
  session_id: string | null;
  details: Record<string, unknown>;
}

async function readAuditLog(
  { url, databaseUrl, administrator }: RunningGatehouse,
  { from, names, expected }: Log,
): Promise<void> {
  let events: TrailEvent[] = [];
  await screen.step('GET /audit/events', async () => {
    // The auditor is on record too, from here on.
    const to = new Date();
    const { access_token } = await answer<TokenResponse>(200, post(`${url}/token?grant_type=password`, administrator));
    const question = new URLSearchParams({ from: from.toISOString(), to: to.toISOString(), order: 'asc' });
    const response = fetch(`${url}/audit/events?${question}`, { headers: { Authorization: `Bearer ${access_token}` } });
    ({ events } = await answer<{ events: TrailEvent[] }>(200, response));
    deepStrictEqual(
      events.map(({ action, error_code }) => [action, error_code]),
      expected,
    );
    return `200  these ${events.length} events, as above, and no other`;
  });
  screen.table([heading, ...events.map((event) => rowOf(event, names))]);
  await screen.check('editing it, as the superuser', async () => {
    for (const edit of ['delete from audit.events', `update audit.events set outcome = 'success'`]) {
      await rejects(query(databaseUrl, edit), { code: '42501' }, `${edit} is refused`);
    }
    return 'refused: the audit log is append-only';
  });
}

function rowOf(event: TrailEvent, names: ReadonlyMap<string, string>): Cell[] {
  const { occurred_at, action, outcome, error_code, reason, actor_name, subject_id, session_id } = event;
  const refused = outcome === 'failure';
  const person = names.get(subject_id ?? '');
  return [
    { text: new Date(occurred_at).toISOString().slice(11, 23), width: columns.time, style: 'dim' },
    { text: action, width: columns.event, style: refused ? 'yellow' : 'reset' },
    { text: actor_name ?? person?.split('@')[0] ?? '', width: columns.by },
    { text: session_id?.slice(0, 8) ?? '', width: columns.session, style: 'dim' },
    { text: noteOf(event) ?? reason ?? error_code ?? '', width: columns.details, style: 'dim' },
  ];
}

function noteOf({ details }: TrailEvent): string | undefined {
  if (details.rehashed_from) return `rehashed from ${details.rehashed_from}`;
  if (details.upgraded_from) return `upgraded from ${details.upgraded_from}`;
  return details.active === true ? 'active' : details.active === false ? 'not active' : undefined;
}

async function query<Row extends pg.QueryResultRow = Record<string, unknown>>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

function post(url: string, body?: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
}

/** What an answer says, which must have this status. */
async function answer<Body>(status: number, asked: Promise<Response>): Promise<Body> {
  const response = await asked;
  const text = await response.text();
  strictEqual(response.status, status, `${new URL(response.url).pathname} answers ${response.status}: ${text}`);
  return text === '' ? (undefined as Body) : JSON.parse(text);
}

function introspect(
  url: string,
  { client_id, client_secret }: RunningGatehouse['client'],
  token: string,
): Promise<Record<string, unknown>> {
  const credentials = Buffer.from(`${client_id}:${client_secret}`).toString('base64');
  const response = fetch(`${url}/introspect`, {
    method: 'POST',
    headers: { Authorization: `Basic ${credentials}` },
    body: new URLSearchParams({ token }),
  });
  return answer(200, response);
}

function claimsOf(access_token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(access_token.split('.')[1] ?? '', 'base64url').toString());
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
