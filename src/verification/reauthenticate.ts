/** GET /reauthenticate: a code for whoever is signed in, to show that they still have the mailbox (contract §7.5). */
import { record } from '../audit/record.ts';
import { inTransaction } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { refuseTooSoon } from '../mail/frequency.ts';
import { mailOneTimeToken } from '../one-time-tokens/mail-token.ts';
import { actorOf } from '../users/user.ts';
import { lockUser } from '../users/users.sql.ts';

interface Asking {
  user_id: string;
  session_id: string | undefined;
  occasion: Occasion;
}

/**
 * Sends the code that PUT /user asks for where a password change needs one.
 *
 * @throws AuthError `validation_failed` without an address, `email_not_confirmed` and `phone_not_confirmed` with one that is
 *   not proven, `over_email_send_rate_limit`
 */
export async function reauthenticateUser(
  gatehouse: Gatehouse,
  { user_id, session_id, occasion }: Asking,
): Promise<void> {
  const { db, mailer, settings } = gatehouse;
  await inTransaction(db, async (tx) => {
    const [user] = await lockUser(tx, { id: user_id });
    if (!user) throw new AuthError('user_not_found', { status: 403 });
    if (!user.email && !user.phone) {
      throw new AuthError('validation_failed', {
        message: 'Reauthentication requires the user to have an email or a phone number',
      });
    }
    if (!user.email) {
      // Messages to phones are yet to be sent from here.
      if (user.phone_confirmed_at !== null) throw new AuthError('phone_provider_disabled');
      throw new AuthError('phone_not_confirmed', { status: 422, message: 'Please verify your phone first.' });
    }
    if (user.email_confirmed_at === null) {
      throw new AuthError('email_not_confirmed', { status: 422, message: 'Please verify your email first.' });
    }
    refuseTooSoon(user.reauthentication_sent_at, settings, occasion.now);
    await mailOneTimeToken(tx, gatehouse, {
      kind: 'reauthentication',
      token_type: 'reauthentication_token',
      link: undefined,
      user,
      to: user.email,
      pkce: false,
      redirect_to: settings.site_url,
      now: occasion.now,
    });
    const event = { actor: actorOf(user), subject_id: user.id, session_id };
    await record(tx, { action: 'user_reauthenticate_requested', outcome: 'success', ...event }, occasion);
  });
  mailer.wake();
}
