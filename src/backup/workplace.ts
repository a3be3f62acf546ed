/** Where a backup is made or proven: the database that it is of, and who is at work. */
import type { Action } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { type CommandIo, occasionOfCommand, operatorOf } from '../command.ts';
import type { Connection } from '../config/connection.ts';
import { createDatabase, type Database, inTransaction, type Tx } from '../db/database.ts';
import { findPgTools, type PgTools, PgToolsMissing } from '../db/pg-tools.ts';
import { createPool } from '../db/pool.ts';
import { whyUnusable } from '../db/unusable.ts';
import { BackupFailure } from './failure.ts';

export interface Workplace extends Pick<CommandIo, 'operator' | 'clock'> {
  db: Database;
  connection: Connection;
  /** Of it the programs that we start get the PATH alone. */
  env: NodeJS.ProcessEnv;
}

/**
 * Connects, does the work and ends the connections.
 *
 * @throws BackupFailure `database` when it cannot be used, or went away
 */
export async function atWorkplace<T>(place: Omit<Workplace, 'db'>, work: (place: Workplace) => Promise<T>): Promise<T> {
  const { connection } = place;
  const pool = createPool({ connection, application_name: 'gatehouse backup', max: 3 });
  try {
    await pool.query('select 1');
    return await work({ ...place, db: createDatabase(pool) });
  } catch (error) {
    const why = whyUnusable(error, connection, 'DATABASE_URL') ?? whyDenied(error);
    throw why === undefined ? error : new BackupFailure('database', why);
  } finally {
    await pool.end();
  }
}

function whyDenied(error: unknown): string | undefined {
  const { code, message } = error as { code?: string; message: string };
  if (code === '42501') {
    return `The role of DATABASE_URL lacks a right (${message}): back up as one that may read everything and write to the audit log.`;
  }
  if (code?.startsWith('57P0')) return `PostgreSQL went away (${message}): run again when it is back.`;
  return undefined;
}

export interface BackupEvent {
  action: Action & `backup_${string}`;
  outcome: 'success' | 'failure';
  reason?: string;
  details: Record<string, unknown>;
}

/** Writes the event in the transaction of what it describes. */
export async function recordBackup(
  tx: Tx,
  place: Pick<Workplace, 'operator' | 'clock'>,
  event: BackupEvent,
): Promise<void> {
  const verb = event.action === 'backup_verified' ? 'verify' : event.action === 'backup_expired' ? 'expire' : 'run';
  await record(tx, { ...event, actor: operatorOf(place) }, occasionOfCommand(`backup ${verb}`, place.clock()));
}

/** Writes that something failed, where that can still be written. */
export async function recordFailure(place: Workplace, event: Omit<BackupEvent, 'outcome' | 'reason'>, error: unknown) {
  // A fault's message might hold a row's values.
  const reason = error instanceof BackupFailure ? error.message : 'unexpected fault';
  await inTransaction(place.db, (tx) => recordBackup(tx, place, { ...event, outcome: 'failure', reason })).catch(
    () => {},
  );
}

/**
 * PostgreSQL's programs for a server of this version.
 *
 * @throws BackupFailure
 */
export async function toolsFor(server_major: number, env: NodeJS.ProcessEnv): Promise<PgTools> {
  try {
    return await findPgTools(server_major, env);
  } catch (error) {
    if (error instanceof PgToolsMissing) throw new BackupFailure('failed', error.message);
    throw error;
  }
}
