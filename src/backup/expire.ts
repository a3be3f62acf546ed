/** Removing backups that the retention no longer asks for. */
import type { Retention } from '../config/values.ts';
import { inTransaction } from '../db/database.ts';
import type { AgeKey } from './age-key.ts';
import type { Expiry } from './driver.ts';
import { explainStorage } from './failure.ts';
import { withLock } from './lock.ts';
import { isAuthentic } from './manifest.ts';
import { whatStays } from './retention.ts';
import { listStored, prepareStore, type StoredBackup, withdrawBackup } from './store.ts';
import { recordBackup, type Workplace } from './workplace.ts';

export interface ExpireOptions {
  directory: string;
  keys: AgeKey[];
  retention: Retention;
  minimum: number;
  /** Without it nothing is removed. */
  apply: boolean;
}

/**
 * What the retention does not ask for is gone and that is on record, or, without `apply`, is told. What cannot be read stays:
 * somebody has to look at it.
 */
export async function expireBackups(place: Workplace, options: ExpireOptions): Promise<Expiry> {
  await prepareStore(options.directory);
  return withLock(place.db, async () => {
    const expiry = whatExpires(await listStored(options.directory), options);
    if (options.apply && expiry.going.length > 0) {
      try {
        await remove(place, options.directory, expiry.going);
      } catch (error) {
        throw explainStorage(error, options.directory);
      }
    }
    return expiry;
  });
}

function whatExpires(backups: StoredBackup[], { keys, retention, minimum }: ExpireOptions): Expiry {
  const candidates = backups.flatMap((backup) => {
    const { id, manifest, kept } = backup;
    return manifest ? [{ id, at: new Date(manifest.statement.snapshot_at), kept, proven: isProven(backup, keys) }] : [];
  });
  const stays = whatStays(candidates, retention, minimum);
  const reasonsOf = ({ id }: StoredBackup) => stays.get(id) ?? ['unreadable' as const];
  return {
    going: backups.filter((backup) => reasonsOf(backup).length === 0).map(({ id }) => id),
    staying: backups
      .filter((backup) => reasonsOf(backup).length > 0)
      .map((backup) => ({ id: backup.id, reasons: reasonsOf(backup) })),
  };
}

/** Restored, found equal, and that not made up. */
function isProven({ proof }: StoredBackup, keys: AgeKey[]): boolean {
  return proof !== undefined && proof.statement.verdict === 'equal' && isAuthentic(proof, keys);
}

async function remove(place: Workplace, directory: string, ids: string[]): Promise<void> {
  const withdrawn: Awaited<ReturnType<typeof withdrawBackup>>[] = [];
  try {
    await inTransaction(place.db, async (tx) => {
      await recordBackup(tx, place, { action: 'backup_expired', outcome: 'success', details: { ids } });
      for (const id of ids) withdrawn.push(await withdrawBackup(directory, id));
    });
  } catch (error) {
    for (const { restore } of withdrawn) await restore();
    throw error;
  }
  for (const { free } of withdrawn) await free();
}
