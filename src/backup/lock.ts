/** One run at a time: a session of the database holds the lock, so it ends with the process that holds it. */
import type pg from 'pg';
import type { Database } from '../db/database.ts';
import { hasAuditLog, tryBackupLock } from './contents.sql.ts';
import { BackupFailure } from './failure.ts';

/**
 * Does work while nobody else makes or expires backups of this database, and hands it the session.
 *
 * @throws BackupFailure `busy`; `database` where there is no audit log to write to
 */
export async function withLock<T>(db: Database, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  const client = await db.$client.connect();
  try {
    if (!(await hasAuditLog(client))) {
      throw new BackupFailure(
        'database',
        'This database has no audit log, and what is not on record does not happen: start gatehouse on it once, or run "gatehouse roles list".',
      );
    }
    if (!(await tryBackupLock(client))) {
      throw new BackupFailure(
        'busy',
        'Another backup of this database is being made or removed: run again when that has ended.',
      );
    }
    return await work(client);
  } finally {
    // The session ends, and with it lock and settings.
    client.release(true);
  }
}
