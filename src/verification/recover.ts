/** POST /recover: a mail to somebody who forgot their password (contract §2.3). */
import { record } from '../audit/record.ts';
import { inTransaction, type Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { holdAddress, refuseTooSoon, refuseWithoutBudget } from '../mail/frequency.ts';
import { mailOneTimeToken } from '../one-time-tokens/mail-token.ts';
import { emailAddress } from '../users/address.ts';
import { lockAddressee } from '../users/addressee.sql.ts';
import { evenOut } from '../users/even-time.ts';
import { type ChallengeBody, type CodeChallenge, readCodeChallenge, startFlow } from '../users/pkce.ts';
import { actorOf } from '../users/user.ts';

export interface RecoverBody extends ChallengeBody {
  email?: string | undefined;
}

/** A request for mail to an address, by whoever it may be. */
export interface MailRequest {
  aud: string;
  /** Where the link of the mail leads in the end. */
  redirect_to: string;
  occasion: Occasion;
  signal?: AbortSignal | undefined;
}

/** Far longer than what a mail costs beyond none. */
export const MAIL_STEP_MS = 100;

/**
 * Sends whoever has the address a link to sign in by and set a new password. Of an address that nobody has the answer is the
 * same, after the same time, and the same where it is asked for again too soon (measured falls, 10 and 11).
 *
 * @throws AuthError `email_provider_disabled`, `validation_failed`, `over_email_send_rate_limit`
 */
export async function recoverAccount(gatehouse: Gatehouse, body: RecoverBody, request: MailRequest): Promise<void> {
  const { db, mailer, settings } = gatehouse;
  if (!settings.external_email_enabled) {
    throw new AuthError('email_provider_disabled', { status: 400, message: 'Email logins are disabled' });
  }
  if (!body.email) throw new AuthError('validation_failed', { message: 'Password recovery requires an email' });
  const email = emailAddress(body.email);
  const challenge = readCodeChallenge(body);

  const began = performance.now();
  try {
    await inTransaction(db, (tx) => mailRecovery(tx, gatehouse, email, challenge, request));
    mailer.wake();
  } finally {
    await evenOut(began, MAIL_STEP_MS, request.signal);
  }
}

async function mailRecovery(
  tx: Tx,
  gatehouse: Gatehouse,
  email: string,
  challenge: CodeChallenge | undefined,
  { aud, redirect_to, occasion }: MailRequest,
): Promise<void> {
  const { settings } = gatehouse;
  const { now } = occasion;
  const address = await holdAddress(tx, gatehouse, email, now);
  const [user] = await lockAddressee(tx, { email, aud });
  if (!user) {
    await address.refuseTooSoon('recover', 'sign-in link');
    await address.startClock('recover');
    await refuseWithoutBudget(tx, settings, now);
    const event = { action: 'recovery_failed', outcome: 'failure', reason: 'unknown address' } as const;
    return record(tx, event, occasion);
  }
  refuseTooSoon(user.recovery_sent_at, settings, now);
  // Who has confirmed shares one clock for both; of an open sign-up a link has gone by another.
  if (user.email_confirmed_at === null) await address.refuseTooSoon('sign-in link');

  if (challenge) {
    const flow = { user_id: user.id, provider_type: 'recovery', authentication_method: 'recovery' } as const;
    await startFlow(tx, challenge, { ...flow, now });
  }
  await mailOneTimeToken(tx, gatehouse, {
    kind: 'recovery',
    token_type: 'recovery_token',
    link: 'recovery',
    user,
    to: email,
    pkce: challenge !== undefined,
    redirect_to,
    now,
  });
  const event = { actor: actorOf(user), subject_id: user.id, remarks: { mail: 'recovery' } };
  await record(tx, { action: 'user_recovery_requested', outcome: 'success', ...event }, occasion);
}
