/** POST /admin/generate_link: the link and the code that a mail would carry, for an administrator to send (contract §9.5). */
import { record } from '../audit/record.ts';
import { inTransaction, type Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Metadata } from '../http/body.ts';
import { confirmationUrl, type LinkType } from '../mail/confirmation-url.ts';
import { issueOneTimeToken, type OneTimeTokenType, withdrawOneTimeTokens } from '../one-time-tokens/one-time-tokens.ts';
import { isBreached } from '../passwords/breached-passwords.ts';
import { hashOfNoPassword } from '../passwords/hash.ts';
import { passwordWeakness, refuseUnfit } from '../passwords/strength.ts';
import { emailAddress } from '../users/address.ts';
import { lockAddressee, setInvited } from '../users/addressee.sql.ts';
import { refuseTaken } from '../users/taken.ts';
import { refuseOversizedToken } from '../users/token-size.ts';
import { actorOf, type UserRow } from '../users/user.ts';
import { setEmailChange, updateUser } from '../users/users.sql.ts';
import { type AdministeredMail, existing, openAccountFor, readInvitation, recordInvitation } from './invite.ts';

const actionTypes = ['signup', 'invite', 'magiclink', 'recovery', 'email_change_current', 'email_change_new'] as const;
export type ActionType = (typeof actionTypes)[number];

export interface LinkBody {
  type?: string | undefined;
  email?: string | undefined;
  new_email?: string | undefined;
  password?: string | undefined;
  data?: Metadata | undefined;
}

export interface GeneratedLink {
  user: UserRow;
  action_link: string;
  email_otp: string;
  hashed_token: string;
  /** What the link turned out to be for. */
  verification_type: ActionType;
  redirect_to: string;
}

/** What the transaction needs of a request that was read. */
interface Wanted {
  type: ActionType;
  email: string;
  new_email: string | undefined;
  data: Metadata;
  password: string | undefined;
  breached: boolean;
  /** Undefined where the password breaks the rules: a new account is refused then. */
  encrypted_password: string | undefined;
}

const kinds = {
  signup: ['confirmation', 'confirmation_token', 'signup'],
  invite: ['invite', 'confirmation_token', 'invite'],
  magiclink: ['magic_link', 'recovery_token', 'magiclink'],
  recovery: ['recovery', 'recovery_token', 'recovery'],
  email_change_current: ['email_change', 'email_change_token_current', 'email_change'],
  email_change_new: ['email_change', 'email_change_token_new', 'email_change'],
} as const satisfies Record<ActionType, readonly [string, OneTimeTokenType, LinkType]>;

/**
 * Makes the link and the code, and what they are about: an account that has to be confirmed, an invitation, a pending change of
 * address. No mail is sent, and nobody waits for the last one, but the clock of that kind of mail starts. Whoever the link
 * is for has no part in it, so the record names the administrator.
 *
 * @throws AuthError `validation_failed`, `weak_password`, `email_exists`, `user_not_found`
 */
export async function generateLink(gatehouse: Gatehouse, body: LinkBody, by: AdministeredMail): Promise<GeneratedLink> {
  const { db, passwords, passwordRules, settings } = gatehouse;
  const { email, data } = await readInvitation(gatehouse, body, by.occasion.now);
  const type = actionTypes.find((each) => each === body.type);
  if (!type) refuse(`Invalid email action link type requested: ${nameOf(body.type)}`);
  const isChange = type === 'email_change_current' || type === 'email_change_new';
  if (type === 'email_change_current' && !settings.mailer_secure_email_change_enabled) {
    refuse('Enable secure email change to generate link for current email');
  }
  if (isChange && !body.new_email) refuse('An email address is required');
  const new_email = isChange && body.new_email ? emailAddress(body.new_email) : undefined;

  // Hashed while nothing is locked, whether or not an account is to be made.
  const password = type === 'signup' ? body.password : undefined;
  const isFit = password && !passwordWeakness(password, passwordRules, { email, raw_user_meta_data: data });
  const breached = isFit ? await isBreached(gatehouse, password, by) : false;
  const encrypted_password = isFit && !breached ? await passwords.hash(password, by.signal) : undefined;
  const wanted = { type, email, new_email, data, password, breached, encrypted_password };
  return inTransaction(db, (tx) => makeLink(tx, gatehouse, wanted, by));
}

async function makeLink(tx: Tx, gatehouse: Gatehouse, wanted: Wanted, by: AdministeredMail): Promise<GeneratedLink> {
  const { settings } = gatehouse;
  const { now } = by.occasion;
  const { user, verification_type } = await subjectOf(tx, gatehouse, wanted, by);
  const [kind, token_type, type] = kinds[verification_type];
  const relates_to = token_type === 'email_change_token_new' ? (wanted.new_email ?? '') : wanted.email;
  const token = { user_id: user.id, token_type, relates_to, pkce: false, now };
  const { token_hash, code } = await issueOneTimeToken(tx, gatehouse, token);
  const { redirect_to } = by;
  return {
    user: await existing(tx, user.id),
    action_link: confirmationUrl(settings, { kind, type, token_hash, redirect_to }),
    email_otp: code,
    hashed_token: token_hash,
    verification_type,
    redirect_to,
  };
}

/** Whom the link is for, locked, with what it is about, on record. */
async function subjectOf(
  tx: Tx,
  gatehouse: Gatehouse,
  wanted: Wanted,
  by: AdministeredMail,
): Promise<{ user: UserRow; verification_type: ActionType }> {
  const { type, email, new_email, data } = wanted;
  const { occasion } = by;
  const now = occasion.now.toISOString();
  const [known] = await lockAddressee(tx, { email, aud: by.aud });
  switch (type) {
    case 'invite': {
      const user = await openAccountFor(tx, gatehouse, { email, data }, by);
      await setInvited(tx, { id: user.id, now });
      await recordInvitation(tx, user, by);
      return { user, verification_type: type };
    }
    case 'signup': {
      if (!known) refuseUnfitPassword(gatehouse, wanted);
      const { encrypted_password } = wanted;
      const user = await openAccountFor(tx, gatehouse, { email, data, encrypted_password }, by);
      if (known) await addMetadata(tx, gatehouse, user, data, now);
      await recordLink(tx, user, type, by);
      return { user, verification_type: type };
    }
    case 'magiclink':
    case 'recovery': {
      if (!known && type === 'magiclink') {
        const account = { email, data, encrypted_password: hashOfNoPassword() };
        const user = await openAccountFor(tx, gatehouse, account, by);
        await recordLink(tx, user, 'signup', by);
        return { user, verification_type: 'signup' };
      }
      const user = known ?? nobody();
      // GoTrue's row has the user as the one who asked.
      const remarks = { link: type, made_by: by.actor.id ?? by.actor.username };
      const event = { actor: actorOf(user), subject_id: user.id, remarks };
      await record(tx, { action: 'user_recovery_requested', outcome: 'success', ...event }, occasion);
      return { user, verification_type: type };
    }
    default: {
      const user = known ?? nobody();
      const to = new_email ?? '';
      await refuseTaken(tx, { email: to });
      // The other side's link is for the same change, or for none any more.
      const tokens = ['email_change_token_new', 'email_change_token_current'] as const;
      if (user.email_change !== to) await withdrawOneTimeTokens(tx, user.id, tokens);
      await setEmailChange(tx, { id: user.id, email: to, now });
      await recordLink(tx, user, type, by);
      return { user, verification_type: type };
    }
  }
}

function refuseUnfitPassword({ passwordRules }: Gatehouse, { email, data, password, breached }: Wanted): void {
  if (!password) refuse('Signup requires a valid password');
  refuseUnfit(password, passwordRules, { email, raw_user_meta_data: data }, breached);
}

/** What an invitation or a sign-up left stays, and more comes to it. */
async function addMetadata(tx: Tx, gatehouse: Gatehouse, user: UserRow, data: Metadata, now: string): Promise<void> {
  const raw_user_meta_data = { ...user.raw_user_meta_data, ...data };
  await refuseOversizedToken(gatehouse, { ...user, raw_user_meta_data }, new Date(now), user);
  await updateUser(tx, user.id, { user_metadata: data }, now);
}

async function recordLink(
  tx: Tx,
  user: UserRow,
  link: ActionType,
  { actor, occasion }: AdministeredMail,
): Promise<void> {
  const event = { actor, subject_id: user.id, remarks: { link } };
  await record(tx, { action: 'link_generated', outcome: 'success', ...event }, occasion);
}

function nobody(): never {
  throw new AuthError('user_not_found', { message: 'User with this email not found' });
}

/** A type as an answer may repeat it: a word, and a short one. */
function nameOf(type = ''): string {
  return /^\w{0,40}$/.test(type) ? type : '';
}

function refuse(message: string): never {
  throw new AuthError('validation_failed', { message });
}
