/** What has to be done now and then, whether or not anybody calls. */
import { ensurePartitions } from '../audit/partitions.sql.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { deleteForgottenAttempts } from '../lockout/attempts.sql.ts';
import { deleteOldMails } from '../mail/outbox.sql.ts';
import { deleteOldFlows } from '../users/flow-state.sql.ts';

const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;
/** Long enough to look into why somebody got no mail. */
const MAILS_KEPT_MS = 30 * DAY_MS;

/**
 * Makes the coming months of the audit log now and daily, and removes hourly: counts of guesses that are forgotten, flows that
 * nobody can finish, and to whom mails went that are long gone. Until told to stop. A time that fails is logged and has another
 * after it: there are months in store, and rows of a month without a partition of its own are kept as well.
 */
export function startHousekeeping({ backgroundDb, log, clock, settings }: Gatehouse): () => void {
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
  // From the request for the mail over the click on its link to the exchange, and what clocks differ by.
  const flow_life_ms = (settings.mailer_otp_exp + settings.external_flow_state_expiry_duration) * 1000 + HOUR_MS;
  const removeFlows = () =>
    deleteOldFlows(backgroundDb, { begun_before: new Date(clock().getTime() - flow_life_ms).toISOString() }).catch(
      (error: unknown) => log.warn({ error }, 'flows that are over not removed'),
    );
  const removeMails = () =>
    deleteOldMails(backgroundDb, { made_before: new Date(clock().getTime() - MAILS_KEPT_MS).toISOString() }).catch(
      (error: unknown) => log.warn({ error }, 'mails that are long gone not removed'),
    );
  void makePartitions();
  const timers = [
    setInterval(makePartitions, DAY_MS).unref(),
    setInterval(forgetAttempts, HOUR_MS).unref(),
    setInterval(removeFlows, HOUR_MS).unref(),
    setInterval(removeMails, HOUR_MS).unref(),
  ];
  return () => timers.forEach(clearInterval);
}
