/** What has to be done now and then, whether or not anybody calls. */
import { ensurePartitions } from '../audit/partitions.sql.ts';
import type { Gatehouse } from '../gatehouse.ts';

const DAY_MS = 24 * 3600 * 1000;

/**
 * Makes the coming months of the audit log now and daily, until told to stop. A time that fails is logged: there are months
 * in store, and rows of a month without a partition of its own are kept as well.
 */
export function startHousekeeping({ db, log }: Pick<Gatehouse, 'db' | 'log'>): () => void {
  const keep = () =>
    ensurePartitions(db, {}).then(
      (made) => {
        for (const { partition } of made) log.info({ partition }, 'audit partition made');
      },
      (error: unknown) => log.warn({ error }, 'audit partitions not made'),
    );
  void keep();
  const timer = setInterval(keep, DAY_MS).unref();
  return () => clearInterval(timer);
}
