/**
 * PostgreSQL's own programs: found where they are installed, of a version that suits the server, and told how to connect
 * by their environment, so that no password stands in a list of processes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { type ConnectionOptions, rootCertificates } from 'node:tls';
import pg from 'pg';

export interface PgTools {
  pg_dump: string;
  pg_restore: string;
  /** 15, of both. */
  major: number;
}

/** The programs are missing or too old: one sentence that says what to install. */
export class PgToolsMissing extends Error {
  override readonly name = 'PgToolsMissing';
}

/** Where packages put what belongs to one major version. */
const packaged = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt', '/usr'];

/**
 * `pg_dump` and `pg_restore` of one installation: the oldest that can read a server of this major version, because an older
 * dump is the one that more servers understand. Those on the PATH come first among equals.
 *
 * @throws PgToolsMissing
 */
export async function findPgTools(serverMajor: number, env: NodeJS.ProcessEnv): Promise<PgTools> {
  const found: PgTools[] = [];
  for (const directory of [...pathOf(env), ...(await packagedDirectories())]) {
    const tools = { pg_dump: join(directory, 'pg_dump'), pg_restore: join(directory, 'pg_restore') };
    const majors = await Promise.all([majorOf(tools.pg_dump), majorOf(tools.pg_restore)]);
    const [major] = majors;
    if (major !== undefined && major === majors[1]) found.push({ ...tools, major });
  }
  const fitting = found.filter(({ major }) => major >= serverMajor).sort((a, b) => a.major - b.major)[0];
  if (fitting) return fitting;
  const install = `install the client programs of PostgreSQL ${serverMajor} or newer (on Debian: postgresql-client-${serverMajor})`;
  const newest = Math.max(...found.map(({ major }) => major));
  throw new PgToolsMissing(
    found.length === 0
      ? `pg_dump and pg_restore are not on the PATH: ${install}.`
      : `pg_dump ${newest} is too old for a server of PostgreSQL ${serverMajor}: ${install}.`,
  );
}

function pathOf({ PATH = '' }: NodeJS.ProcessEnv): string[] {
  return PATH.split(delimiter).filter((directory) => directory !== '');
}

async function packagedDirectories(): Promise<string[]> {
  const below = await Promise.all(
    packaged.map(async (root) => (await readdir(root).catch(() => [])).map((name) => [root, name] as const)),
  );
  return below
    .flat()
    .filter(([, name]) => /^(?:\d+|postgresql@\d+|pgsql-\d+)$/.test(name))
    .map(([root, name]) => join(root, name, 'bin'));
}

async function majorOf(program: string): Promise<number | undefined> {
  try {
    await access(program, constants.X_OK);
    const { stdout } = await runPgTool(program, ['--version'], { PATH: '/usr/local/bin:/usr/bin:/bin' });
    const major = /\(PostgreSQL\) (\d+)/.exec(stdout)?.[1];
    return major === undefined ? undefined : Number(major);
  } catch {
    return undefined;
  }
}

/** Programs from this version on turn `transaction_timeout` off, which servers before it do not know. */
const TRANSACTION_TIMEOUT = 17;
const UNKNOWN_TIMEOUT = /unrecognized configuration parameter "transaction_timeout"/;

/**
 * How pg_restore is told to stop at its first error. From 17 on it asks of every server what older ones refuse, so that there
 * it must go on, and all else that it reports counts: `hasOnlyTimeouts`.
 */
export function stopAtErrors({ major }: Pick<PgTools, 'major'>, serverMajor: number): string[] {
  return major >= TRANSACTION_TIMEOUT && serverMajor < TRANSACTION_TIMEOUT ? [] : ['--exit-on-error'];
}

/** Whether pg_restore, told to go on after errors, found none but that an older server does not know `transaction_timeout`. */
export function hasOnlyTimeouts(stderr: string): boolean {
  const errors = stderr.split('\n').filter((line) => line.startsWith('pg_restore: error: '));
  return errors.length > 0 && errors.every((line) => UNKNOWN_TIMEOUT.test(line));
}

/** The first line with an error that is one; the first of all where none is. */
export function firstError(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => !UNKNOWN_TIMEOUT.test(line));
  return lines.find((line) => /error:|fatal:/i.test(line)) ?? lines[0] ?? '';
}

/** The SQL that a program wrote, without that setting. */
export function withoutTimeouts(sql: string, { major }: Pick<PgTools, 'major'>): string {
  return major >= TRANSACTION_TIMEOUT ? sql.replace(/^SET transaction_timeout = 0;$/m, '') : sql;
}

/** What a program of PostgreSQL ended with, when that is not success: its first error, which holds no password. */
export class PgToolFailed extends Error {
  override readonly name = 'PgToolFailed';
}

export interface RunOptions {
  /** Where standard output goes piece by piece, in place of one string. */
  onOutput?: (chunk: Buffer) => void;
  /** Hears of the process as soon as there is one. */
  onStart?: (child: ChildProcess) => void;
  signal?: AbortSignal;
}

/**
 * Runs a program to its end and resolves to what it said.
 *
 * @throws PgToolFailed
 */
export async function runPgTool(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { onOutput, onStart = () => {}, signal }: RunOptions = {},
): Promise<{ stdout: string; stderr: string }> {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], ...(signal && { signal }) });
  onStart(child);
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', onOutput ?? ((chunk: Buffer) => output.push(chunk)));
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const [code, killed] = (await once(child, 'close')) as [number | null, string | null];
  const [stdout, stderr] = [output, errors].map((chunks) => Buffer.concat(chunks).toString()) as [string, string];
  if (code === 0 || (code === 1 && hasOnlyTimeouts(stderr))) return { stdout, stderr };
  const first = firstError(stderr);
  const words = first.replace(/^.*?error: (?:could not execute query: ERROR: +)?/, '').trim();
  throw new PgToolFailed(words || `${basename(program)} ended with ${code ?? killed}`);
}

export interface PgToolEnvironment {
  env: NodeJS.ProcessEnv;
  /** Removes what was written for it. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The environment in which a program of PostgreSQL connects as `connection` says: host, role, password and TLS, as strict
 * as node-postgres would be. Of our own environment it gets the PATH alone.
 *
 * @see https://www.postgresql.org/docs/current/libpq-envars.html
 */
export async function pgToolEnvironment(
  connection: pg.ClientConfig,
  application_name: string,
  { PATH }: NodeJS.ProcessEnv,
): Promise<PgToolEnvironment> {
  const { host, port, database, user, password, ssl } = new pg.Client(connection) as Pick<
    pg.Client,
    'host' | 'port' | 'database' | 'user' | 'password'
  > & { ssl: boolean | ConnectionOptions };
  const env: NodeJS.ProcessEnv = {
    PATH,
    // Its words are read by us.
    LC_ALL: 'C',
    PGHOST: host,
    PGPORT: String(port),
    PGDATABASE: database,
    PGUSER: user,
    PGAPPNAME: application_name,
    PGCONNECT_TIMEOUT: '10',
    PGSSLMODE: 'disable',
  };
  if (typeof password === 'string') env.PGPASSWORD = password;
  if (!ssl) return { env, [Symbol.asyncDispose]: async () => {} };

  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-tls-'));
  const keep = async (name: string, content: unknown) => {
    const path = join(directory, name);
    await writeFile(path, content as Buffer, { mode: 0o600 });
    return path;
  };
  const { ca, cert, key, rejectUnauthorized, checkServerIdentity } = typeof ssl === 'object' ? ssl : {};
  if (rejectUnauthorized === false) env.PGSSLMODE = 'require';
  else {
    env.PGSSLMODE = checkServerIdentity ? 'verify-ca' : 'verify-full';
    // libpq knows no authorities of its own.
    env.PGSSLROOTCERT = await keep('root.crt', ca ?? rootCertificates.join('\n'));
  }
  if (cert) env.PGSSLCERT = await keep('client.crt', cert);
  if (key) env.PGSSLKEY = await keep('client.key', key);
  return { env, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}
