/** How often mail leaves: to one person, and from all accounts together (contract §7.1 "frequency", §10.2). */
import type { Settings } from '../config.ts';
import type { Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import { spendFromBudget } from '../http/rate-limit.sql.ts';

const HOUR_MS = 3_600_000;
const BUDGET = 'mail of all';

/**
 * One mail of a kind per person and pause. Asked of a row that is locked, so that of several requests at once one is let
 * through.
 *
 * @param sent_at when the last mail of the kind left, whatever became of its link
 * @throws AuthError `over_email_send_rate_limit` with the seconds that are left
 */
export function refuseTooSoon(sent_at: string | null, { smtp_max_frequency }: Settings, now: Date): void {
  if (sent_at === null) return;
  const left_ms = Date.parse(sent_at) + smtp_max_frequency * 1000 - now.getTime();
  if (left_ms <= 0) return;
  const seconds = Math.ceil(left_ms / 1000);
  throw new AuthError('over_email_send_rate_limit', {
    message: `For security purposes, you can only request this after ${seconds} seconds.`,
    reason: 'a mail of this kind has just been sent to this person',
    retry_after_seconds: seconds,
  });
}

/**
 * Spends one of the mails that all instances together may send. Nothing is counted where addresses need no mail to be
 * confirmed.
 *
 * @throws AuthError `over_email_send_rate_limit` where none is left
 */
export async function spendMailBudget(
  tx: Tx,
  { rate_limit_email_sent: { limit, refill_seconds }, mailer_autoconfirm }: Settings,
  now: Date,
): Promise<void> {
  if (mailer_autoconfirm) return;
  const mails = Math.floor(limit);
  // Of a clock hour all can be spent at any time in it: counted from the hour's end on, they are gone until then.
  const hourEnd = new Date(Math.floor(now.getTime() / HOUR_MS + 1) * HOUR_MS);
  const [from, window_ms] = refill_seconds === null ? [hourEnd, HOUR_MS] : [now, refill_seconds * 1000 * mails];
  // PostgreSQL counts microseconds: rounded up, the last mail of the hour would not fit in.
  const cost_ms = Math.floor((window_ms / mails) * 1000) / 1000;
  const spent =
    mails > 0
      ? await spendFromBudget(tx, { key: BUDGET, from: from.toISOString(), cost_ms, allowance_ms: window_ms })
      : [];
  if (spent.length === 0) {
    throw new AuthError('over_email_send_rate_limit', {
      message: 'email rate limit exceeded',
      reason: 'the mails that RATE_LIMIT_EMAIL_SENT allows have been sent',
    });
  }
}
