/** How often mail leaves: to one person, and from all accounts together (contract §7.1 "frequency", §10.2). */
import { createHmac } from 'node:crypto';
import type { Settings } from '../config.ts';
import type { Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { findSpentUntil, holdKey, spendFromBudget } from '../http/rate-limit.sql.ts';

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
  if (sent_at !== null) refuseBefore(Date.parse(sent_at) + smtp_max_frequency * 1000, now);
}

function refuseBefore(free_at_ms: number, now: Date): void {
  const left_ms = free_at_ms - now.getTime();
  if (left_ms <= 0) return;
  // Microseconds that came back from the database as milliseconds are no second more.
  const seconds = Math.ceil(Math.round(left_ms) / 1000);
  throw new AuthError('over_email_send_rate_limit', {
    message: `For security purposes, you can only request this after ${seconds} seconds.`,
    reason: 'a mail of this kind has just been sent to this person',
    retry_after_seconds: seconds,
  });
}

/** A door at which anybody asks for mail to somebody's address. */
type MailDoor = 'recover' | 'sign-in link' | 'confirmation again' | 'change again';

/**
 * Requests for mail to an address, counted by the address: where nobody has it, or nobody gets a mail, the next answer has to
 * be the one that somebody's would be, or the limit would tell who has an account (measured falls, 11). From here on
 * requests for this address are judged one after another, until the transaction ends.
 */
export async function holdAddress(
  tx: Tx,
  { settings, serverSecret }: Pick<Gatehouse, 'settings' | 'serverSecret'>,
  address: string,
  now: Date,
) {
  const keyOf = (door: string) =>
    `mail ${createHmac('sha256', serverSecret).update(`gatehouse mail ${door} ${address}`).digest('base64url')}`;
  await holdKey(tx, { key: keyOf('any door') });
  const pause_ms = settings.smtp_max_frequency * 1000;
  return {
    /** @throws AuthError `over_email_send_rate_limit` where one of these doors was asked a moment ago */
    async refuseTooSoon(...doors: MailDoor[]): Promise<void> {
      const [found] = await findSpentUntil(tx, { keys: doors.map(keyOf), now: now.toISOString() });
      if (found?.spent_until_ms) refuseBefore(found.spent_until_ms, now);
    },
    async startClock(door: MailDoor): Promise<void> {
      if (pause_ms === 0) return;
      const clock = { key: keyOf(door), from: now.toISOString() };
      await spendFromBudget(tx, { ...clock, cost_ms: pause_ms, allowance_ms: pause_ms });
    },
  };
}

export type HeldAddress = Awaited<ReturnType<typeof holdAddress>>;

/**
 * What a mail would be told of the budget, where there is none to send: nothing is spent.
 *
 * @throws AuthError `over_email_send_rate_limit` where `spendMailBudget` would
 */
export function refuseWithoutBudget(tx: Tx, settings: Settings, now: Date): Promise<void> {
  return useMailBudget(tx, settings, now, 0);
}

/**
 * Spends one of the mails that all instances together may send. Nothing is counted where addresses need no mail to be
 * confirmed.
 *
 * @throws AuthError `over_email_send_rate_limit` where none is left
 */
export function spendMailBudget(tx: Tx, settings: Settings, now: Date): Promise<void> {
  return useMailBudget(tx, settings, now, 1);
}

async function useMailBudget(
  tx: Tx,
  { rate_limit_email_sent: { limit, refill_seconds }, mailer_autoconfirm }: Settings,
  now: Date,
  spent_mails: 0 | 1,
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
      ? await spendFromBudget(tx, {
          key: BUDGET,
          from: from.toISOString(),
          cost_ms: spent_mails * cost_ms,
          allowance_ms: window_ms - (1 - spent_mails) * cost_ms,
        })
      : [];
  if (spent.length === 0) {
    throw new AuthError('over_email_send_rate_limit', {
      message: 'email rate limit exceeded',
      reason: 'the mails that RATE_LIMIT_EMAIL_SENT allows have been sent',
    });
  }
}
