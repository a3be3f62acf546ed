/**
 * Guessing has an end (NIST SP 800-63B-4 §3.2.2; CVE classes 5 to 8). Wrong passwords and codes are counted per account,
 * whether or not it exists, by all instances together, across restarts.
 *
 * What counts are failures, judged when they are known: the right password is refused once that many wrong ones were
 * recorded before it, in whatever order they arrived. So guesses made at once buy nothing, and people who sign in at once
 * lock nobody out. A locked account answers as if the password were wrong: its owner waits, its attacker learns nothing.
 */
import { createHmac } from 'node:crypto';
import { record } from '../audit/record.ts';
import type { Tx } from '../db/database.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { type AttemptArgs, countFailure, forgetAttempts, lockAttempt } from './attempts.sql.ts';

/** What is guessed at. Passwords have one count per account, wherever they are asked for. */
export type AttemptKind = 'password' | 'otp' | 'nonce' | 'code_verifier';

/** Whose count it is: the user's, else that of the normalised address that nobody has; of a code for the exchange the flow's. */
export type AttemptSubject = { user_id: string } | { address: string } | { flow_id: string };

/**
 * The arguments of every statement about attempts. `subject` is an HMAC, so that the table tells nobody who was attacked.
 */
export function attemptArgs(
  { serverSecret, settings }: Pick<Gatehouse, 'serverSecret' | 'settings'>,
  kind: AttemptKind,
  whose: AttemptSubject,
  now: Date,
): AttemptArgs {
  const [[noun, id]] = Object.entries(whose) as [[string, string]];
  const name = `${noun.replace('_id', '')} ${id}`;
  return {
    kind,
    subject: createHmac('sha256', serverSecret).update(`gatehouse attempts ${kind} ${name}`).digest(),
    now: now.toISOString(),
    max_attempts: settings.lockout_max_attempts,
    lock_seconds: settings.lockout_duration,
  };
}

/** Whether the account is locked; its state stays as it is until the transaction ends. */
export async function isLocked(tx: Tx, args: AttemptArgs): Promise<boolean> {
  const [attempt] = await lockAttempt(tx, args);
  return attempt?.locked ?? false;
}

/**
 * Counts a failure, in the transaction that records it, and resolves to whether it counted: while the account is locked
 * none does. The one that locks it is an event of its own.
 */
export async function recordFailure(
  tx: Tx,
  args: AttemptArgs,
  subject_id: string | undefined,
  occasion: Occasion,
): Promise<boolean> {
  const [attempt] = await countFailure(tx, args);
  if (attempt?.locks) {
    const remarks = { kind: args.kind, attempts: attempt.attempts };
    await record(tx, { action: 'account_locked', outcome: 'failure', subject_id, remarks }, occasion);
  }
  return attempt !== undefined;
}

/** Somebody got in: what was counted against the account is forgotten. */
export async function forgetFailures(tx: Tx, { kind, subject }: AttemptArgs): Promise<void> {
  await forgetAttempts(tx, { kind, subject });
}
