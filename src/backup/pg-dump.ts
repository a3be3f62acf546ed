/** pg_dump and pg_restore as streams: nothing of a database is ever on a disk in the clear. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { firstError, hasOnlyTimeouts, type PgTools, stopAtErrors } from '../db/pg-tools.ts';
import { BackupFailure } from './failure.ts';

/** What a program says is read up to here. */
const SAID_LIMIT = 64 * 1024;

/**
 * The whole database in pg_dump's custom format, as it is in the snapshot.
 *
 * @throws BackupFailure with pg_dump's first error, once all it wrote was read
 */
export async function* dumpDatabase(
  pg_dump: string,
  { snapshot, env }: { snapshot: string; env: NodeJS.ProcessEnv },
): AsyncGenerator<Buffer> {
  // A name that only a newer PostgreSQL reserves is in quotes already.
  const quoted = '--quote-all-identifiers';
  const args = ['--format=custom', `--snapshot=${snapshot}`, quoted, '--lock-wait-timeout=60000', '--no-password'];
  const child = spawn(pg_dump, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = endOf(child);
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    const said = await ended;
    if (said !== undefined) {
      const todo = /permission denied/.test(said) ? ' docs/backups.md has the rights that a role needs.' : '';
      throw new BackupFailure('failed', `pg_dump could not read the database: ${said}.${todo}`);
    }
  } finally {
    child.kill();
    await ended;
  }
}

/**
 * Restores such a dump into the database that the environment names.
 *
 * @throws BackupFailure with pg_restore's first error; what `dump` throws
 */
export async function restoreDatabase(
  tools: PgTools,
  dump: AsyncIterable<Buffer>,
  { database, server_major, env }: { database: string; server_major: number; env: NodeJS.ProcessEnv },
): Promise<void> {
  const args = [...stopAtErrors(tools, server_major), '--no-subscriptions', '--no-password', `--dbname=${database}`];
  const child = spawn(tools.pg_restore, args, { env, stdio: ['pipe', 'ignore', 'pipe'] });
  const ended = endOf(child);
  let broken: unknown;
  try {
    await pipeline(dump, child.stdin);
  } catch (error) {
    broken = error;
    // What was not read to its end is not to be taken for a whole dump.
    if (!isPipe(error)) child.kill();
  }
  const said = await ended;
  if (broken !== undefined && !isPipe(broken)) throw broken;
  if (said !== undefined) throw new BackupFailure('unproven', `pg_restore: ${said}.`);
  if (broken !== undefined) throw broken;
}

/** The reader went away: why, it has said itself. */
function isPipe(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EPIPE' || code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}

/** Undefined when it ended well, else its first error: never what follows, which may hold a row. */
async function endOf(child: ChildProcess): Promise<string | undefined> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < SAID_LIMIT) said += text;
  });
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (code === 0 || (code === 1 && said.length < SAID_LIMIT && hasOnlyTimeouts(said))) return undefined;
    return (
      firstError(said)
        .replace(/^pg_\w+: (?:error: )?/, '')
        .replace(/\.$/, '') || `it ended with ${code ?? signal}`
    );
  } catch (error) {
    return (error as Error).message;
  }
}
