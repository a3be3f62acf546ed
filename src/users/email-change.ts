/** A change of address begins: asked for, and to be confirmed from the mails that it sends (contract §7.4). */
import type { Tx } from '../db/database.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { refuseTooSoon } from '../mail/frequency.ts';
import { mailOneTimeToken } from '../one-time-tokens/mail-token.ts';
import { withdrawOneTimeTokens } from '../one-time-tokens/one-time-tokens.ts';
import { type ChallengeBody, readCodeChallenge, startFlow } from './pkce.ts';
import type { UserRow } from './user.ts';
import { setEmailChange } from './users.sql.ts';

/**
 * Notes the new address of a locked user and owes it a mail, and with MAILER_SECURE_EMAIL_CHANGE_ENABLED the present one too.
 * Links and codes of an earlier change are dead. Nothing else is different until the mails are confirmed.
 *
 * @throws AuthError `over_email_send_rate_limit` within SMTP_MAX_FREQUENCY of the last one; `validation_failed` for half a
 *   PKCE challenge
 */
export async function requestEmailChange(
  tx: Tx,
  gatehouse: Gatehouse,
  user: UserRow,
  email: string,
  { redirect_to, occasion: { now } }: { redirect_to: string; occasion: Occasion },
  body: ChallengeBody,
): Promise<void> {
  const { settings } = gatehouse;
  const challenge = readCodeChallenge(body);
  refuseTooSoon(user.email_change_sent_at, settings, now);

  await withdrawOneTimeTokens(tx, user.id, ['email_change_token_new', 'email_change_token_current']);
  await setEmailChange(tx, { id: user.id, email, now: now.toISOString() });
  if (challenge) {
    const flow = { user_id: user.id, provider_type: 'email_change', authentication_method: 'email_change' } as const;
    await startFlow(tx, challenge, { ...flow, now });
  }

  const mail = { kind: 'email_change', link: 'email_change', user, new_email: email } as const;
  const way = { pkce: challenge !== undefined, redirect_to, now };
  if (settings.mailer_secure_email_change_enabled && user.email) {
    await mailOneTimeToken(tx, gatehouse, {
      ...mail,
      ...way,
      token_type: 'email_change_token_current',
      to: user.email,
    });
  }
  await mailOneTimeToken(tx, gatehouse, { ...mail, ...way, token_type: 'email_change_token_new', to: email });
}
