/** PUT /admin/users/{user_id}: an administrator changes a user, at once and without a mail (contract §9.3). */
import { record } from '../audit/record.ts';
import { inTransaction, type Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { clearOneTimeTokens } from '../one-time-tokens/one-time-tokens.ts';
import { refuseBreached } from '../passwords/breached-passwords.ts';
import type { PasswordHolder } from '../passwords/context-words.ts';
import { rememberPassword } from '../passwords/history.ts';
import { refuseUnfit } from '../passwords/strength.ts';
import { endSessions } from '../sessions/sessions.ts';
import { emailAddress, phoneNumber } from './address.ts';
import { bannedUntil } from './ban-duration.ts';
import { type AdministeredUser, type Administration, namesIn, roleOf } from './create-user.ts';
import { endFlows } from './flow-state.sql.ts';
import { refuseOvergrown } from './metadata-size.ts';
import { setEmailIdentity, setPhoneIdentity } from './own-identity.ts';
import { refuseOvertaken, refuseTaken } from './taken.ts';
import type { ChangedUser } from './user.ts';
import { findUser, lockUser, reviveUser, updateUser } from './users.sql.ts';

/**
 * Sets what the body names; `id`, `aud` and `password_hash` are ignored, as in GoTrue. A new password ends every session
 * and takes back every pending token; a new address or its confirmation takes back the tokens, which prove the old one
 * (contract appendix C, *fix*). A soft-deleted user who is given an address is one again, with nothing proven.
 *
 * @throws AuthError `user_not_found`; `validation_failed`, `weak_password` for what cannot be; `email_exists`,
 *   `phone_exists` for what is somebody else's, with nothing changed
 */
export async function changeUser(
  gatehouse: Gatehouse,
  id: string,
  body: AdministeredUser,
  { actor, occasion, signal }: Administration,
): Promise<ChangedUser> {
  const { db, passwords } = gatehouse;
  const email = body.email ? emailAddress(body.email) : undefined;
  const phone = body.phone ? phoneNumber(body.phone) : undefined;
  const role = roleOf(body);
  const banned_until = body.ban_duration
    ? (bannedUntil(body.ban_duration, occasion.now)?.toISOString() ?? null)
    : undefined;
  if (body.password !== undefined) {
    passwords.refuseWhenFull();
    await refuseWeak(gatehouse, id, { email, phone, raw_user_meta_data: body.user_metadata }, body.password);
    await refuseBreached(gatehouse, body.password, { subject_id: id, occasion });
  }
  await refuseTaken(db, { email, phone, except: id });

  const encrypted_password = body.password === undefined ? undefined : await passwords.hash(body.password, signal);
  const asked = { ...body, email, phone, role, banned_until, encrypted_password, set: namesIn(body) };
  return inTransaction(db, (tx) => change(tx, gatehouse, id, asked, { actor, occasion }));
}

/** What an administrator says, judged and in the form of the columns. */
interface AskedChange extends AdministeredUser {
  encrypted_password: string | undefined;
  /** Null ends a ban. */
  banned_until: string | null | undefined;
  /** What was named, for the audit log. */
  set: string[];
}

async function change(
  tx: Tx,
  gatehouse: Gatehouse,
  id: string,
  asked: AskedChange,
  { actor, occasion }: Administration,
): Promise<ChangedUser> {
  const { email, phone, role, encrypted_password, email_confirm = false, phone_confirm = false } = asked;
  const now = occasion.now.toISOString();
  const [before] = await lockUser(tx, { id });
  if (!before) throw new AuthError('user_not_found');
  if (before.deleted_at && (email || phone)) await reviveUser(tx, { id });

  const confirmsEmail = email_confirm && Boolean(email ?? before.email);
  const confirmsPhone = phone_confirm && Boolean(phone ?? before.phone);
  const update = updateUser(
    tx,
    id,
    {
      role,
      email,
      phone,
      encrypted_password,
      email_confirmed_at: confirmsEmail ? now : undefined,
      phone_confirmed_at: confirmsPhone ? now : undefined,
      app_metadata: asked.app_metadata,
      user_metadata: confirmsEmail ? { email_verified: true, ...asked.user_metadata } : asked.user_metadata,
      banned_until: asked.banned_until,
      is_anonymous: (email && email_confirm) || (phone && phone_confirm) ? false : undefined,
    },
    now,
  );
  await refuseOvertaken(update);
  if (email) await setEmailIdentity(tx, id, email, email_confirm, now);
  if (phone) await setPhoneIdentity(tx, id, phone, phone_confirm, now);
  if (encrypted_password) {
    await endSessions(tx, id);
    await rememberPassword(tx, gatehouse, before, now);
  }
  const isOtherAddress = (email && email !== before.email) || (phone && phone !== before.phone);
  if (encrypted_password || isOtherAddress || confirmsEmail || confirmsPhone) {
    await clearOneTimeTokens(tx, id);
    await endFlows(tx, { user_id: id });
  }

  const [after] = await findUser(tx, { id });
  if (!after) throw new Error('who is locked is there');
  refuseOvergrown({ before, after });
  const details = { user_id: id, user_email: after.email ?? '', user_phone: after.phone ?? '' };
  const remarks = { set: asked.set, ...(role && { role }) };
  await record(tx, { action: 'user_modified', outcome: 'success', actor, subject_id: id, details, remarks }, occasion);
  return { before, after };
}

/** By what the account says of its holder, and by what it is about to say. */
async function refuseWeak(
  { db, passwordRules }: Gatehouse,
  id: string,
  next: PasswordHolder,
  password: string,
): Promise<void> {
  const [holder] = await findUser(db, { id });
  if (!holder) throw new AuthError('user_not_found');
  refuseUnfit(password, passwordRules, holder);
  refuseUnfit(password, passwordRules, next);
}
