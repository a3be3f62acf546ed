/** What became of a mail: it has left, is tried again, or is given up; written down with its event in the audit log. */
import { record } from '../audit/record.ts';
import type { Settings } from '../config.ts';
import { type Database, inTransaction } from '../db/database.ts';
import type { Occasion } from '../http/caller.ts';
import { letterSettingsOf } from './content.ts';
import { markFailed, markGivenUp, markSent, type OutboxMail } from './outbox.sql.ts';
import type { MailNotSent } from './transport.ts';

/** After the first, second … failure; the last one from then on. */
const PAUSES_SECONDS = [10, 30, 60, 120, 300, 600, 1200, 1800, 3600];
/** So that what failed together is not tried together. */
const PAUSE_JITTER = 0.2;
/** A mail whose link is dead is not sent, and no mail server is asked for longer than this. */
const LONGEST_PURSUIT_SECONDS = 86_400;

/** When a mail that has just failed is tried again; undefined where it would be of no use by then. */
export function nextAttempt(
  { created_at, attempts, kind }: OutboxMail,
  settings: Settings,
  now: Date,
): Date | undefined {
  const pause = PAUSES_SECONDS[attempts - 1] ?? PAUSES_SECONDS.at(-1) ?? 0;
  const next = new Date(now.getTime() + pause * 1000 * (1 + PAUSE_JITTER * Math.random()));
  const { link_life_seconds, code_life_seconds } = letterSettingsOf(settings);
  const useful = kind === 'reauthentication' ? code_life_seconds : link_life_seconds;
  const end = Date.parse(created_at) + Math.min(useful, LONGEST_PURSUIT_SECONDS) * 1000;
  return next.getTime() < end ? next : undefined;
}

export function recordSent(db: Database, { id, user_id, kind, attempts }: OutboxMail, now: Date): Promise<void> {
  return inTransaction(db, async (tx) => {
    const marked = await markSent(tx, { id, attempts, now: now.toISOString() });
    if (marked.length === 0) return;
    const event = { ...eventOf(user_id), remarks: { mail: id, kind, attempts } };
    await record(tx, { action: 'mail_sent', outcome: 'success', ...event }, occasionOf(id, kind, now));
  });
}

/** @param next when it is tried again; undefined where it is given up */
export function recordFailed(
  db: Database,
  { id, user_id, kind, attempts }: OutboxMail,
  { summary }: MailNotSent,
  next: Date | undefined,
  now: Date,
): Promise<void> {
  return inTransaction(db, async (tx) => {
    const attempt = { id, attempts, last_error: summary };
    const marked = next
      ? await markFailed(tx, { ...attempt, next_attempt_at: next.toISOString() })
      : await markGivenUp(tx, attempt);
    if (marked.length === 0) return;
    const event = { ...eventOf(user_id), reason: summary, remarks: { mail: id, kind, attempts, given_up: !next } };
    await record(tx, { action: 'mail_failed', outcome: 'failure', ...event }, occasionOf(id, kind, now));
  });
}

const eventOf = (user_id: string | null) => ({ actor: { username: 'mailer' }, subject_id: user_id ?? undefined });

/** No request: the mail itself. */
function occasionOf(id: string, kind: string, now: Date): Occasion {
  return { caller: { request_id: id, ip: '127.0.0.1', user_agent: undefined, method: 'MAIL', path: kind }, now };
}
