/** POST /invite: an administrator prepares an account for somebody, and a mail asks them to take it (contract §9.4). */
import { randomUUID } from 'node:crypto';
import { record } from '../audit/record.ts';
import { inTransaction, type Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Metadata } from '../http/body.ts';
import type { Occasion } from '../http/caller.ts';
import { mailOneTimeToken } from '../one-time-tokens/mail-token.ts';
import { hashOfNoPassword } from '../passwords/hash.ts';
import { emailAddress } from '../users/address.ts';
import { setInvited } from '../users/addressee.sql.ts';
import { type Administration, withoutNulls } from '../users/create-user.ts';
import { emailIdentityData } from '../users/identity-data.ts';
import { refuseOversizedToken } from '../users/token-size.ts';
import { isUnproven } from '../users/unproven.ts';
import type { UserRow } from '../users/user.ts';
import { findUser, insertUser, lockUserByAddress, replaceSignUp } from '../users/users.sql.ts';

export interface Invitation {
  email?: string | undefined;
  /** Becomes `user_metadata` of an account that is made. */
  data?: Metadata | undefined;
}

export interface AdministeredMail extends Administration {
  aud: string;
  /** Where the link leads in the end. */
  redirect_to: string;
}

/**
 * Sends the invitation, again where there was one: its earlier link is dead, what the account holds stays. Nobody waits
 * between two invitations.
 *
 * @throws AuthError `validation_failed`; `email_exists` for an address that is confirmed, or known otherwise;
 *   `over_email_send_rate_limit` where all accounts together have had their mails
 */
export async function inviteUser(gatehouse: Gatehouse, body: Invitation, by: AdministeredMail): Promise<UserRow> {
  const { db, mailer } = gatehouse;
  const { email, data } = await readInvitation(gatehouse, body, by.occasion.now);
  const invited = await inTransaction(db, async (tx) => {
    const user = await openAccountFor(tx, gatehouse, { email, data }, by);
    await setInvited(tx, { id: user.id, now: by.occasion.now.toISOString() });
    await mailOneTimeToken(tx, gatehouse, {
      kind: 'invite',
      token_type: 'confirmation_token',
      link: 'invite',
      user,
      to: email,
      pkce: false,
      redirect_to: by.redirect_to,
      now: by.occasion.now,
    });
    await recordInvitation(tx, user, by);
    return existing(tx, user.id);
  });
  mailer.wake();
  return invited;
}

/** @throws AuthError `validation_failed` for no address, and for metadata beyond measure */
export async function readInvitation(
  gatehouse: Gatehouse,
  { email: text, data = {} }: Invitation,
  now: Date,
): Promise<{ email: string; data: Metadata }> {
  if (!text) throw new AuthError('validation_failed', { message: 'An email address is required' });
  const email = emailAddress(text);
  const raw_user_meta_data = withoutNulls(data);
  await refuseOversizedToken(gatehouse, { ...emptyPerson(gatehouse), email, raw_user_meta_data }, now);
  return { email, data: raw_user_meta_data };
}

function emptyPerson({ settings }: Gatehouse) {
  return {
    id: randomUUID(),
    aud: settings.jwt_aud,
    role: settings.jwt_default_group_name,
    is_anonymous: false,
    raw_app_meta_data: { provider: 'email', providers: ['email'] },
  };
}

/**
 * The account of this address, locked, that nobody has confirmed: one that is there, or a new one. A sign-up for another
 * audience gives way to it.
 *
 * @throws AuthError `email_exists` where the address is confirmed, or somebody's otherwise
 */
export async function openAccountFor(
  tx: Tx,
  gatehouse: Gatehouse,
  { email, data, encrypted_password }: { email: string; data: Metadata; encrypted_password?: string | undefined },
  { aud, occasion }: { aud: string; occasion: Occasion },
): Promise<UserRow> {
  const [before] = await lockUserByAddress(tx, { email });
  if (!before) {
    const person = { ...emptyPerson(gatehouse), aud, email, encrypted_password };
    const identities = [{ provider: 'email', identity_data: emailIdentityData(person.id, email, false) }];
    const [inserted] = await insertUser(tx, {
      ...person,
      raw_user_meta_data: data,
      identities: JSON.stringify(identities),
      now: occasion.now.toISOString(),
    });
    if (inserted) return existing(tx, inserted.id);
  }
  const [user] = before ? [before] : await lockUserByAddress(tx, { email });
  const isOpen = user?.email === email && user.email_confirmed_at === null && user.deleted_at === null;
  if (!user || !isOpen) throw new AuthError('email_exists');
  // Whoever signed up for the address before has named an audience in which its owner never asks for it (CVE class 39).
  if (user.aud !== aud && isUnproven(user)) {
    const identity_data = emailIdentityData(user.id, email, false, data);
    const now = occasion.now.toISOString();
    await replaceSignUp(tx, {
      id: user.id,
      encrypted_password: encrypted_password ?? hashOfNoPassword(),
      identity_data,
      aud,
      now,
    });
    return existing(tx, user.id);
  }
  return user;
}

export async function recordInvitation(tx: Tx, user: UserRow, { actor, occasion }: Administration): Promise<void> {
  const details = { user_id: user.id, user_email: user.email };
  await record(tx, { action: 'user_invited', outcome: 'success', actor, subject_id: user.id, details }, occasion);
}

export async function existing(tx: Tx, id: string): Promise<UserRow> {
  const [user] = await findUser(tx, { id });
  if (!user) throw new Error('who is locked is there');
  return user;
}
