/** gatehouse.attempts: one row per account that somebody failed to get into. */
import { type SQL, sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';

const LONGEST_LOCK_SECONDS = sql.raw('86400');
/** An account that nobody guessed at for a day starts anew. */
const FORGOTTEN_AFTER = sql.raw(`interval '1 day'`);

const now = sql`${arg('now')}::timestamptz`;
const isForgotten = (a: SQL) => sql`(${a}.last_at < ${now} - ${FORGOTTEN_AFTER})`;
const isLocked = (a: SQL) => sql`coalesce(${a}.locked_until > ${now}, false)`;

/** When the lock ends that comes with this many failures: none below the limit, then twice as long each time. */
const lockEnd = (attempts: SQL) => sql`
  case when ${attempts} >= ${arg('max_attempts')}::int
       then ${now} + make_interval(secs => least(
              ${arg('lock_seconds')}::float8 * power(2::float8, least(${attempts} - ${arg('max_attempts')}::int, 30)),
              ${LONGEST_LOCK_SECONDS}))
  end`;

/** What an attempt is counted by: `attemptArgs` of lockout.ts. */
export interface AttemptArgs extends Record<string, unknown> {
  kind: string;
  subject: Buffer;
  now: string;
  max_attempts: number;
  lock_seconds: number;
}

/**
 * Common table expression `attempt`: one more failure, with `locks`, true of the one that locks the account. While it is
 * locked nothing counts, and there is no row. Takes `AttemptArgs`.
 */
const countedFailure: SQL = sql`
  attempt as (
    insert into gatehouse.attempts as a (kind, subject, attempts, first_at, last_at, locked_until)
    values (${arg('kind')}::text, ${arg('subject')}::bytea, 1, ${now}, ${now}, ${lockEnd(sql`1`)})
        on conflict (kind, subject) do update
       set attempts = case when ${isForgotten(sql`a`)} then 1 else a.attempts + 1 end,
           first_at = case when ${isForgotten(sql`a`)} then ${now} else a.first_at end,
           last_at = ${now},
           locked_until = case when ${isForgotten(sql`a`)} then ${lockEnd(sql`1`)} else ${lockEnd(sql`a.attempts + 1`)} end
     where not ${isLocked(sql`a`)}
    returning attempts, locked_until is not null as locks)`;

/**
 * Common table expressions `attempt`, locked against concurrent failures, with `locked`; and `forgotten`, which removes
 * the count of an account that is not locked where `succeeded`, a condition on the statement's own expressions, holds.
 * Takes `kind`, `subject`, `now`.
 */
export const lockedAttempt: SQL = sql`
  attempt as (
    select ${isLocked(sql`a`)} as locked from gatehouse.attempts as a
     where a.kind = ${arg('kind')}::text and a.subject = ${arg('subject')}::bytea
       for update)`;

export const forgottenAttempt = (succeeded: SQL): SQL => sql`
  forgotten as (
    delete from gatehouse.attempts
     where kind = ${arg('kind')}::text and subject = ${arg('subject')}::bytea and ${succeeded})`;

export const countFailure = statement<AttemptArgs, { attempts: number; locks: boolean }>(
  'count_failed_attempt',
  sql`with ${countedFailure} select attempts, locks from attempt`,
);

/** The state of an account's lock, held until the transaction ends. No row where nothing is counted. */
export const lockAttempt = statement<Pick<AttemptArgs, 'kind' | 'subject' | 'now'>, { locked: boolean }>(
  'lock_attempt',
  sql`with ${lockedAttempt} select locked from attempt`,
);

export const forgetAttempts = statement<Pick<AttemptArgs, 'kind' | 'subject'>, never>(
  'forget_attempts',
  sql`delete from gatehouse.attempts where kind = ${arg('kind')}::text and subject = ${arg('subject')}::bytea`,
);

/** Removes counts that have been forgotten. */
export const deleteForgottenAttempts = statement<{ now: string }, never>(
  'delete_forgotten_attempts',
  sql`
  delete from gatehouse.attempts as a
   where (kind, subject) in (select kind, subject from gatehouse.attempts as a
                              where ${isForgotten(sql`a`)} and not ${isLocked(sql`a`)}
                              limit 10000
                                for update skip locked)`,
);
