/** POST /resend: the mail of a sign-up or of a change of address once more (contract §2.3). */
import { record } from '../audit/record.ts';
import { inTransaction, type Tx } from '../db/database.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { type HeldAddress, holdAddress, refuseTooSoon, refuseWithoutBudget } from '../mail/frequency.ts';
import { mailOneTimeToken } from '../one-time-tokens/mail-token.ts';
import { lockAddressee } from '../users/addressee.sql.ts';
import { requestEmailChange } from '../users/email-change.ts';
import { evenOut } from '../users/even-time.ts';
import { type ChallengeBody, readCodeChallenge, startFlow } from '../users/pkce.ts';
import { actorOf, type UserRow } from '../users/user.ts';
import { MAIL_STEP_MS, type MailRequest } from './recover.ts';

export interface Repetition extends ChallengeBody {
  type: 'signup' | 'email_change' | 'phone_change';
  /** Normalised; of a change the present one. */
  email: string;
}

/**
 * Sends the mail again that waits for an answer; links and codes of the earlier one are dead. Where nothing waits, or nobody
 * has the address, the answer is the same, after the same time (measured falls, 10 and 11).
 *
 * @throws AuthError `validation_failed`, `over_email_send_rate_limit`
 */
export async function sendAgain(gatehouse: Gatehouse, repetition: Repetition, request: MailRequest): Promise<void> {
  const { db, mailer } = gatehouse;
  readCodeChallenge(repetition);
  const began = performance.now();
  try {
    await inTransaction(db, (tx) => mailAgain(tx, gatehouse, repetition, request));
    mailer.wake();
  } finally {
    await evenOut(began, MAIL_STEP_MS, request.signal);
  }
}

async function mailAgain(tx: Tx, gatehouse: Gatehouse, repetition: Repetition, request: MailRequest): Promise<void> {
  const { type, email } = repetition;
  const { aud, occasion } = request;
  const address = await holdAddress(tx, gatehouse, email, occasion.now);
  const [user] = await lockAddressee(tx, { email, aud });
  if (type === 'signup') {
    if (user && user.email_confirmed_at === null) return mailConfirmation(tx, gatehouse, user, repetition, request);
    await address.refuseTooSoon('confirmation again', 'sign-in link');
    return nothingWaits(tx, gatehouse, address, 'confirmation again', user, request);
  }
  if (type === 'email_change' && user?.email_change) {
    await requestEmailChange(tx, gatehouse, user, user.email_change, request, repetition);
    const event = { actor: actorOf(user), subject_id: user.id };
    return record(tx, { action: 'email_change_requested', outcome: 'success', ...event }, occasion);
  }
  await address.refuseTooSoon('change again');
  return nothingWaits(tx, gatehouse, address, 'change again', user, request);
}

async function mailConfirmation(
  tx: Tx,
  gatehouse: Gatehouse,
  user: UserRow,
  repetition: Repetition,
  { redirect_to, occasion }: MailRequest,
): Promise<void> {
  const { now } = occasion;
  refuseTooSoon(user.confirmation_sent_at, gatehouse.settings, now);
  const challenge = readCodeChallenge(repetition);
  if (challenge) {
    const flow = { user_id: user.id, provider_type: 'email/signup', authentication_method: 'email/signup' } as const;
    await startFlow(tx, challenge, { ...flow, now });
  }
  await mailOneTimeToken(tx, gatehouse, {
    kind: 'confirmation',
    token_type: 'confirmation_token',
    link: 'signup',
    user,
    to: repetition.email,
    pkce: challenge !== undefined,
    redirect_to,
    now,
  });
  const event = { actor: actorOf(user), subject_id: user.id };
  await record(tx, { action: 'user_confirmation_requested', outcome: 'success', ...event }, occasion);
}

async function nothingWaits(
  tx: Tx,
  { settings }: Gatehouse,
  address: HeldAddress,
  door: 'confirmation again' | 'change again',
  user: UserRow | undefined,
  { occasion }: MailRequest,
): Promise<void> {
  await address.startClock(door);
  await refuseWithoutBudget(tx, settings, occasion.now);
  const reason = user ? 'nothing waits for a confirmation' : 'unknown address';
  await record(tx, { action: 'resend_failed', outcome: 'failure', reason, subject_id: user?.id }, occasion);
}
