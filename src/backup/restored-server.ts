/** A cluster that was restored as files, started on a private socket for a look, and gone again. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, open, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Connection } from '../config/connection.ts';
import { BackupFailure } from './failure.ts';
import { makeScratchDirectory } from './scratch-directory.ts';

export interface RestoredServer {
  connection: Connection;
  /** The server is gone and so are its files. */
  [Symbol.asyncDispose](): Promise<void>;
}

const POLL_MS = 100;
/** A socket's name is part of a path that may not be long. */
const PORT = 5432;

/**
 * @param restore puts the cluster into the directory that it is given
 * @param as whom to connect, and to which database
 * @throws BackupFailure
 */
export async function startRestored(
  major: string,
  restore: (data: string) => Promise<void>,
  as: { user: string; database: string },
  { PATH = '' }: NodeJS.ProcessEnv,
): Promise<RestoredServer> {
  if (process.getuid?.() === 0) {
    throw new BackupFailure(
      'failed',
      'PostgreSQL does not run as root: run this as the account that pgBackRest runs as, mostly postgres.',
    );
  }
  const postgres = await findServer(major, PATH);
  const { path: directory, remove } = await makeScratchDirectory();
  const data = join(directory, 'data');
  let child: ChildProcess | undefined;
  const end = async () => {
    if (child && child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGINT');
      await gone;
    }
    await remove();
  };
  try {
    await restore(data);
    child = await start(postgres, directory, data, PATH);
    const connection = { host: directory, port: PORT, password: undefined, ssl: false as const, ...as };
    await untilItAnswers(child, connection, join(directory, 'log'));
    return { connection, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function findServer(major: string, path: string): Promise<string> {
  const packaged = [`/usr/lib/postgresql/${major}/bin`, `/usr/pgsql-${major}/bin`];
  for (const directory of [...packaged, ...path.split(delimiter).filter((each) => each !== '')]) {
    const program = join(directory, 'postgres');
    const there = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (there) return program;
  }
  throw new BackupFailure(
    'failed',
    `There is no PostgreSQL ${major} here to start what is restored with: install its server (on Debian: postgresql-${major}).`,
  );
}

/** Who may connect is settled by the directory of the socket, which is ours alone; nothing is archived or listened to. */
async function start(postgres: string, directory: string, data: string, PATH: string): Promise<ChildProcess> {
  const [config, hba, ident, log] = ['server.conf', 'hba.conf', 'ident.conf', 'log'].map((name) =>
    join(directory, name),
  ) as [string, string, string, string];
  await writeFile(config, '');
  await writeFile(hba, 'local all all trust\n');
  await writeFile(ident, '');
  const settings = {
    config_file: config,
    hba_file: hba,
    ident_file: ident,
    listen_addresses: '',
    unix_socket_directories: directory,
    port: String(PORT),
    archive_mode: 'off',
    hot_standby: 'off',
    ssl: 'off',
    fsync: 'off',
    autovacuum: 'off',
    logging_collector: 'off',
  };
  const args = ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const output = await open(log, 'w', 0o600);
  // The restored cluster asks pgbackrest for its write-ahead log.
  // It ends with us even when we are killed, where util-linux can see to that.
  const bound = ['setpriv', '--pdeathsig', 'INT'];
  const [file = postgres, ...words] =
    spawnSync('setpriv', ['--pdeathsig', 'INT', 'true'], { env: { PATH } }).status === 0
      ? [...bound, postgres]
      : [postgres];
  const child = spawn(file, [...words, ...args], {
    env: { PATH, LC_ALL: 'C' },
    stdio: ['ignore', output.fd, output.fd],
  });
  await output.close();
  return child;
}

/** It has recovered and was promoted: before that nobody is let in. */
async function untilItAnswers(child: ChildProcess, connection: Connection, log: string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      const said = await readFile(log, 'utf8');
      const reason = /(?:FATAL|PANIC): +(.*)/.exec(said)?.[1] ?? 'it gave no reason';
      throw new BackupFailure('unproven', `What was restored does not start: ${reason}.`);
    }
    const client = new pg.Client(connection);
    const answers = await client.connect().then(
      () => true,
      (error: { code?: string }) => {
        // Not yet, or not there yet; any other refusal is the cluster's own.
        if (error.code === '57P03' || error.code === 'ENOENT' || error.code === 'ECONNREFUSED') return false;
        throw error;
      },
    );
    await client.end();
    if (answers) return;
    await delay(POLL_MS);
  }
}
