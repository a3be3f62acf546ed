/** POST /otp and /magiclink: a mail to sign in by, with a link and, where the portal's template says so, a code (contract §2.3). */
import { record } from '../audit/record.ts';
import { inTransaction, type Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Metadata } from '../http/body.ts';
import { holdAddress, refuseTooSoon, refuseWithoutBudget } from '../mail/frequency.ts';
import { mailOneTimeToken } from '../one-time-tokens/mail-token.ts';
import { hashOfNoPassword } from '../passwords/hash.ts';
import { emailAddress } from '../users/address.ts';
import { lockAddressee } from '../users/addressee.sql.ts';
import { evenOut } from '../users/even-time.ts';
import { type ChallengeBody, type CodeChallenge, readCodeChallenge, startFlow } from '../users/pkce.ts';
import { type AskedPerson, askForConfirmation, newPerson, signUpAtOnce } from '../users/sign-up.ts';
import { refuseOversizedToken } from '../users/token-size.ts';
import { isUnproven } from '../users/unproven.ts';
import { actorOf, type UserRow } from '../users/user.ts';
import { MAIL_STEP_MS, type MailRequest } from './recover.ts';

export interface MagicLinkBody extends ChallengeBody {
  email: string;
  /** Becomes `user_metadata` of an account that is made. */
  data?: Metadata | undefined;
  create_user?: boolean | undefined;
}

/** What the transaction needs of a request that was read. */
interface Asking {
  person: AskedPerson;
  mayCreate: boolean;
  challenge: CodeChallenge | undefined;
  request: MailRequest;
}

/**
 * Sends whoever has the address a link to sign in by. Where nobody has it, an account without a password comes to be, and the
 * mail asks for the confirmation of a sign-up; it asks whoever has not confirmed one again, and as with every sign-up, the
 * last one counts: the earlier password is dead (CVE class 39). The answer is the same to all, after the same time: that an
 * account is missing is not told where none may be made (measured falls, 10 and 11).
 *
 * @throws AuthError `email_provider_disabled`, `validation_failed`, `over_email_send_rate_limit`
 */
export async function sendMagicLink(gatehouse: Gatehouse, body: MagicLinkBody, request: MailRequest): Promise<void> {
  const { db, mailer, settings } = gatehouse;
  if (!settings.external_email_enabled) throw new AuthError('email_provider_disabled');
  if (!settings.external_email_magic_link_enabled) {
    throw new AuthError('email_provider_disabled', { message: 'Login with magic link is disabled' });
  }
  const email = emailAddress(body.email);
  const challenge = readCodeChallenge(body);
  const person = newPerson(gatehouse, email, { data: body.data }, request);
  await refuseOversizedToken(gatehouse, person, request.occasion.now);

  const asking = {
    person: { ...person, encrypted_password: hashOfNoPassword() },
    mayCreate: (body.create_user ?? true) && !settings.disable_signup,
    challenge,
    request,
  };
  const began = performance.now();
  try {
    await inTransaction(db, (tx) => mailWhatSignsIn(tx, gatehouse, asking));
    mailer.wake();
  } finally {
    await evenOut(began, MAIL_STEP_MS, request.signal);
  }
}

async function mailWhatSignsIn(tx: Tx, gatehouse: Gatehouse, asking: Asking): Promise<void> {
  const { settings } = gatehouse;
  const { person, mayCreate, challenge, request } = asking;
  const { aud, occasion } = request;
  const { email } = person;
  const address = await holdAddress(tx, gatehouse, email, occasion.now);
  const [user] = await lockAddressee(tx, { email, aud });
  const isConfirmed = user !== undefined && user.email_confirmed_at !== null;

  if (!user) await address.refuseTooSoon('recover', 'sign-in link', 'confirmation again');
  if (isConfirmed) await address.refuseTooSoon('confirmation again');
  if (user) refuseTooSoon(user.recovery_sent_at, settings, occasion.now);
  await address.startClock('sign-in link');

  if (isConfirmed) return mailLink(tx, gatehouse, user, asking);
  if (!user && !mayCreate) {
    await refuseWithoutBudget(tx, settings, occasion.now);
    const reason = settings.disable_signup
      ? 'unknown address; sign-up is closed'
      : 'unknown address; none is to be made';
    return record(tx, { action: 'sign_in_link_failed', outcome: 'failure', reason }, occasion);
  }
  if (settings.mailer_autoconfirm && (!user || isUnproven(user))) {
    const signedUp = await signUpAtOnce(tx, person, request);
    // Whoever has the address by other means is on record, and is told nothing.
    if (signedUp instanceof AuthError) return;
    // GoTrue's log is ordered by time alone: what came third is a millisecond after the second.
    const later = { ...occasion, now: new Date(occasion.now.getTime() + 2) };
    return mailLink(tx, gatehouse, signedUp.session, asking, later);
  }
  await askForConfirmation(tx, gatehouse, person, challenge, request);
}

async function mailLink(
  tx: Tx,
  gatehouse: Gatehouse,
  user: UserRow,
  { person, challenge, request: { redirect_to, occasion } }: Asking,
  recorded = occasion,
): Promise<void> {
  const { now } = occasion;
  if (challenge) {
    const flow = { user_id: user.id, provider_type: 'magiclink', authentication_method: 'magiclink' } as const;
    await startFlow(tx, challenge, { ...flow, now });
  }
  await mailOneTimeToken(tx, gatehouse, {
    kind: 'magic_link',
    token_type: 'recovery_token',
    link: 'magiclink',
    user,
    to: person.email,
    pkce: challenge !== undefined,
    redirect_to,
    now,
  });
  const event = { actor: actorOf(user), subject_id: user.id, remarks: { mail: 'magic_link' } };
  await record(tx, { action: 'user_recovery_requested', outcome: 'success', ...event }, recorded);
}
