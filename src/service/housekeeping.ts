/** What has to be done now and then, whether or not anybody calls. */
import { ensurePartitions } from '../audit/partitions.sql.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { deleteForgottenAttempts } from '../lockout/attempts.sql.ts';

const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Makes the coming months of the audit log now and daily, and removes counts of guesses that are forgotten hourly, until told
 * to stop. A time that fails is logged and has another after it: there are months in store, and rows of a month without a
 * partition of its own are kept as well.
 */
export function startHousekeeping({ backgroundDb, log, clock }: Gatehouse): () => void {
  const makePartitions = () =>
    ensurePartitions(backgroundDb, {}).then(
      (made) => {
        for (const { partition } of made) log.info({ partition }, 'audit partition made');
      },
      (error: unknown) => log.warn({ error }, 'audit partitions not made'),
    );
  const forgetAttempts = () =>
    deleteForgottenAttempts(backgroundDb, { now: clock().toISOString() }).catch((error: unknown) =>
      log.warn({ error }, 'forgotten attempts not removed'),
    );
  void makePartitions();
  const timers = [setInterval(makePartitions, DAY_MS).unref(), setInterval(forgetAttempts, HOUR_MS).unref()];
  return () => timers.forEach(clearInterval);
}
