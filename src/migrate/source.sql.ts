/** The two databases as they are spoken to during a migration: one frozen view of the source, pinned text forms on both. */
import { Socket } from 'node:net';
import pg from 'pg';
import { asking, explain, type Side } from './failure.ts';
import { SILENCE_SECONDS, watchForSilence } from './silence.sql.ts';

/**
 * What makes the text of a value the same on both sides and of full precision, whatever the servers' defaults are (a
 * hosted project prints floats with 15 digits), what keeps a long copy from being cut off, and what makes row level
 * security an error instead of a silent loss of rows.
 */
const pinned = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  client_encoding: 'UTF8',
  search_path: 'pg_catalog',
  row_security: 'off',
  statement_timeout: '0',
  transaction_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  lock_timeout: '10s',
  // Whole tables are hashed and joined, by one connection at a time.
  work_mem: '64MB',
  // A backend whose client was killed in the middle of a long statement finds out, rolls back, and frees its locks.
  client_connection_check_interval: '1s',
};

/**
 * Pins the settings until the transaction ends, or for the whole session. Settings that the server's version does not have
 * are left out.
 */
export async function pinSettings(
  client: pg.ClientBase,
  until: 'transaction' | 'session' = 'transaction',
): Promise<void> {
  // To ask which settings there are takes longer than some servers allow by default.
  await client.query(`set ${until === 'transaction' ? 'local ' : ''}statement_timeout = 0`);
  await client.query(
    `select set_config(s.name, p.value, $2)
       from jsonb_each_text($1) as p
       join pg_settings as s on lower(s.name) = lower(p.key)`,
    [JSON.stringify(pinned), until === 'transaction'],
  );
}

/** The source as it was at one moment, on two connections: one to copy from, one to prove against meanwhile. */
export interface Source {
  side: Side;
  copier: pg.Client;
  prover: pg.Client;
  /** Ends both connections at once, in whatever state they are. */
  close(): void;
}

/**
 * Opens the source for reading only, with one exported snapshot on both connections: everything read is of one moment
 * while the project lives on. `snapshot` is one that somebody else has exported and holds; without it one is made.
 *
 * @throws MigrationFailure when it cannot be reached, refuses the role, or has no connection left.
 */
export async function openSource(config: pg.ClientConfig, snapshot?: string): Promise<Source> {
  const lines: Line[] = [];
  const connect = async () => {
    const line = await connectTo(config);
    lines.push(line);
    return line.client;
  };
  const close = () => {
    for (const { cut } of lines) cut();
  };

  const side = sideOf('source', config);
  try {
    const copier = await connect();
    const shared = snapshot === undefined ? await exportSnapshot(copier) : await readAt(copier, snapshot);
    const prover = await connect();
    await readAt(prover, shared);
    return { side, copier, prover, close };
  } catch (error) {
    close();
    throw explain(error, side);
  }
}

/** One connection, and how to end it in whatever state it is. */
export interface Line {
  client: pg.Client;
  cut(): void;
}

/**
 * Connects for long work: kept alive, and a connection that breaks while idle fails its next statement. A server that hangs fails
 * the statement that it was asked (`silence.sql.ts`).
 *
 * @param stall_seconds how long it may say nothing before it is asked whether it is at work
 */
export async function connectTo(
  config: pg.ClientConfig,
  application_name = 'gatehouse migrate',
  stall_seconds = SILENCE_SECONDS,
): Promise<Line> {
  const socket = new Socket();
  const client = new pg.Client({
    ...config,
    application_name,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // Our own socket: a connection in the middle of a COPY can only be ended by cutting it.
    stream: () => socket,
  });
  // Without a listener a connection that breaks would end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    await watchForSilence({ client, socket, config, seconds: stall_seconds });
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return { client, cut: () => socket.destroy() };
}

/** The same connection, whose errors say which side they are of, whoever asks both. */
export function heard(client: pg.Client, side: Side, explained = explain): pg.Client {
  const ask = client.query.bind(client) as (...args: unknown[]) => unknown;
  const query = (...args: unknown[]) => {
    const asked = ask(...args);
    return asked instanceof Promise ? asking(side, () => asked, explained) : asked;
  };
  return Object.create(client, { query: { value: query } });
}

const BEGIN = 'begin transaction isolation level repeatable read read only';

/** Begins a transaction that reads of one moment, and resolves to the name under which others may read of the same. */
export async function exportSnapshot(client: pg.ClientBase): Promise<string> {
  await client.query(BEGIN);
  const { rows } = await client.query<{ snapshot: string }>('select pg_export_snapshot() as snapshot');
  await pinSettings(client);
  return rows[0]?.snapshot ?? '';
}

/** Begins a transaction that reads of the moment of an exported snapshot, which it resolves to again. */
export async function readAt(client: pg.ClientBase, snapshot: string): Promise<string> {
  await client.query(BEGIN);
  await client.query(`set transaction snapshot ${pg.escapeLiteral(snapshot)}`);
  await pinSettings(client);
  return snapshot;
}

/** How a sentence names a database: by what node-postgres would connect to. */
export function sideOf(name: Side['name'], config: pg.ClientConfig): Side {
  const { host, port, database, user } = new pg.Client(config);
  return { name, address: `${host}:${port}/${database}`, role: user ?? '' };
}
