/**
 * gatehouse.mail_outbox: mail that a committed change owes somebody. A row is due when `next_attempt_at` has come; whoever
 * takes it moves that on by a lease, so that it is due again should its sender be gone. `infinity` is a mail that was given
 * up. What a mail said is forgotten once it has left or is given up: it held a secret.
 */
import { sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';

export interface OutboxMail {
  id: string;
  user_id: string | null;
  recipient: string;
  kind: string;
  subject: string;
  body_text: string;
  body_html: string;
  created_at: string;
  /** This one included. */
  attempts: number;
}

export const insertMail = statement<
  {
    id: string;
    user_id: string;
    recipient: string;
    kind: string;
    subject: string;
    body_text: string;
    body_html: string;
    now: string;
  },
  never
>(
  'insert_mail',
  sql`
  insert into gatehouse.mail_outbox (id, user_id, recipient, kind, subject, body_text, body_html, created_at, next_attempt_at)
  values (${arg('id')}::uuid, ${arg('user_id')}::uuid, ${arg('recipient')}::text, ${arg('kind')}::text,
          ${arg('subject')}::text, ${arg('body_text')}::text, ${arg('body_html')}::text, ${arg('now')}::timestamptz,
          ${arg('now')}::timestamptz)`,
);

/** Takes the mail that has been due longest, for as long as the lease. Mails that another takes right now are passed by. */
export const takeDueMail = statement<{ now: string; lease_seconds: number }, OutboxMail>(
  'take_due_mail',
  sql`
  update gatehouse.mail_outbox
     set attempts = attempts + 1,
         next_attempt_at = ${arg('now')}::timestamptz + make_interval(secs => ${arg('lease_seconds')}::float8)
   where id = (select id from gatehouse.mail_outbox
                where sent_at is null and next_attempt_at <= ${arg('now')}::timestamptz
                order by next_attempt_at, id
                limit 1
                  for update skip locked)
  returning id, user_id, recipient, kind, subject, body_text, body_html, created_at, attempts`,
);

/** Whoever took it may say what became of it: the attempt is theirs as long as nobody has begun the next. */
const ofAttempt = sql`id = ${arg('id')}::uuid and attempts = ${arg('attempts')}::int and sent_at is null`;

export const markSent = statement<{ id: string; attempts: number; now: string }, { id: string }>(
  'mark_mail_sent',
  sql`
  update gatehouse.mail_outbox
     set sent_at = ${arg('now')}::timestamptz, last_error = null, subject = '', body_text = '', body_html = ''
   where ${ofAttempt}
  returning id`,
);

export const markFailed = statement<
  { id: string; attempts: number; last_error: string; next_attempt_at: string },
  { id: string }
>(
  'mark_mail_failed',
  sql`
  update gatehouse.mail_outbox
     set last_error = ${arg('last_error')}::text, next_attempt_at = ${arg('next_attempt_at')}::timestamptz
   where ${ofAttempt}
  returning id`,
);

export const markGivenUp = statement<{ id: string; attempts: number; last_error: string }, { id: string }>(
  'mark_mail_given_up',
  sql`
  update gatehouse.mail_outbox
     set last_error = ${arg('last_error')}::text, next_attempt_at = 'infinity', subject = '', body_text = '', body_html = ''
   where ${ofAttempt}
  returning id`,
);

/** When the next mail is due; null where none is waiting. */
export const findNextDue = statement<Record<string, never>, { due_at: string | null }>(
  'find_next_due_mail',
  sql`
  select min(next_attempt_at) as due_at from gatehouse.mail_outbox
   where sent_at is null and next_attempt_at < 'infinity'`,
);

/** Forgets to whom mails went that have left or are given up, and were made before then. */
export const deleteOldMails = statement<{ made_before: string }, never>(
  'delete_old_mails',
  sql`
  delete from gatehouse.mail_outbox
   where id in (select id from gatehouse.mail_outbox
                 where created_at < ${arg('made_before')}::timestamptz
                   and (sent_at is not null or next_attempt_at = 'infinity')
                 limit 10000
                   for update skip locked)`,
);

/** How many have not left: `owed` ones wait for an attempt, of which `put_off` had one; `given_up` ones never will. */
export const countUnsent = statement<
  { now: string },
  { owed: number; put_off: number; oldest_owed_seconds: number; given_up: number }
>(
  'count_unsent_mails',
  sql`
  select count(*) filter (where next_attempt_at < 'infinity')::int as owed,
         count(*) filter (where next_attempt_at < 'infinity' and last_error is not null)::int as put_off,
         coalesce(extract(epoch from ${arg('now')}::timestamptz
                                     - min(created_at) filter (where next_attempt_at < 'infinity')), 0)::float8
           as oldest_owed_seconds,
         count(*) filter (where next_attempt_at = 'infinity')::int as given_up
    from gatehouse.mail_outbox
   where sent_at is null`,
);
