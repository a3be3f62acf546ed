/** A change of address is confirmed, from one side or from both (contract §7.4). */
import { record } from '../audit/record.ts';
import type { Tx } from '../db/database.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { setEmailIdentity } from '../users/own-identity.ts';
import { refuseOvertaken, refuseTaken } from '../users/taken.ts';
import { actorOf } from '../users/user.ts';
import { confirmHalfOfEmailChange, finishEmailChange } from '../users/users.sql.ts';
import type { Proof } from './verify.ts';

const HALF_DONE = 'Confirmation link accepted. Please proceed to confirm link sent to the other email';

/**
 * Moves a locked user to the new address once every side that has to has confirmed it: the new one always, the present one
 * with MAILER_SECURE_EMAIL_CHANGE_ENABLED. Each side has one token, which the caller has used up, and a request for another
 * begins anew: so a side that has confirmed cannot stand in for the other.
 *
 * @returns a message where the other side is still missing, undefined where the address has changed
 * @throws AuthError `email_exists` where somebody has taken it meanwhile: nothing is done then
 */
export async function confirmEmailChange(
  tx: Tx,
  { settings }: Gatehouse,
  { user, token, occasion }: Proof,
): Promise<{ message: string } | undefined> {
  const { id } = user;
  const email = user.email_change ?? '';
  const now = occasion.now.toISOString();
  const needsBoth = settings.mailer_secure_email_change_enabled && Boolean(user.email);
  const isNewSide = token.token_type === 'email_change_token_new';
  if (user.email_change_confirm_status !== 1 && (needsBoth || !isNewSide)) {
    await confirmHalfOfEmailChange(tx, { id, now });
    const event = {
      actor: actorOf(user),
      subject_id: id,
      remarks: { email_change: isNewSide ? 'new side' : 'present side' },
    };
    await record(tx, { action: 'email_change_confirmed', outcome: 'success', ...event }, occasion);
    return { message: HALF_DONE };
  }

  await refuseTaken(tx, { email, except: id });
  await setEmailIdentity(tx, id, email, true, now);
  await refuseOvertaken(finishEmailChange(tx, { id, now }));
  await record(tx, { action: 'user_modified', outcome: 'success', actor: actorOf(user), subject_id: id }, occasion);
  return undefined;
}
