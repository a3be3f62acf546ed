/** A proof is asked for by mail: the token that the mail carries, and the mail. */
import type { Tx } from '../db/database.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Metadata } from '../http/body.ts';
import { confirmationUrl, type LinkType } from '../mail/confirmation-url.ts';
import type { MailKind } from '../mail/mail.ts';
import { issueOneTimeToken, type OneTimeTokenType } from './one-time-tokens.ts';

export interface TokenMail {
  kind: MailKind;
  token_type: OneTimeTokenType;
  /** What the link says that it is for; none for a mail that only has a code. */
  link: LinkType | undefined;
  user: { id: string; email: string | null; raw_user_meta_data: Metadata | null };
  to: string;
  new_email?: string;
  /** Whether the link hands out a code for the exchange. */
  pkce: boolean;
  /** Where the link leads in the end. */
  redirect_to: string;
  now: Date;
}

/**
 * Owes a locked user a mail with a new token of this type; links and codes of the one before are dead. It leaves when the
 * caller has committed and woken the mailer.
 *
 * @throws AuthError `over_email_send_rate_limit` where no mail may be sent
 */
export async function mailOneTimeToken(
  tx: Tx,
  gatehouse: Pick<Gatehouse, 'serverSecret' | 'settings' | 'mailer'>,
  { kind, token_type, link, user, to, new_email, pkce, redirect_to, now }: TokenMail,
): Promise<void> {
  const { settings, mailer } = gatehouse;
  const issued = await issueOneTimeToken(tx, gatehouse, { user_id: user.id, token_type, relates_to: to, pkce, now });
  const url =
    link !== undefined && kind !== 'reauthentication'
      ? confirmationUrl(settings, { kind, type: link, token_hash: issued.token_hash, redirect_to })
      : undefined;
  const variables = {
    SiteURL: settings.site_url,
    ...(url !== undefined && { ConfirmationURL: url }),
    Email: user.email ?? '',
    ...(new_email !== undefined && { NewEmail: new_email }),
    SendingTo: to,
    Token: issued.code,
    TokenHash: issued.token_hash,
    Data: user.raw_user_meta_data ?? {},
    RedirectTo: redirect_to,
  };
  await mailer.enqueue(tx, { kind, user_id: user.id, to, variables }, now);
}
