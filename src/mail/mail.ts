/** A mail as the rooms ask for it: what it is about, to whom, and GoTrue's template variables (contract §7.2). */
import type { Metadata } from '../http/body.ts';

export type MailKind = 'confirmation' | 'recovery' | 'magic_link' | 'invite' | 'email_change' | 'reauthentication';

export interface MailVariables {
  SiteURL: string;
  /** The link; a reauthentication has none. */
  ConfirmationURL?: string;
  Email: string;
  /** Of a change of address. */
  NewEmail?: string;
  /** The one of the two that this mail goes to. */
  SendingTo: string;
  /** The code. */
  Token: string;
  TokenHash: string;
  Data: Metadata;
  RedirectTo: string;
}

export interface Mail {
  kind: MailKind;
  user_id: string;
  to: string;
  variables: MailVariables;
}
