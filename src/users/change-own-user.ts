/** PUT /user: people change their own account (contract §2.3 "PUT /user"). */
import { record, recordRefusal } from '../audit/record.ts';
import { decryptColumn } from '../db/column-encryption.ts';
import { inTransaction, type Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Metadata } from '../http/body.ts';
import type { Occasion } from '../http/caller.ts';
import { attemptArgs, isLocked, recordFailure } from '../lockout/lockout.ts';
import { clearOneTimeTokens } from '../one-time-tokens/one-time-tokens.ts';
import { refuseBreached } from '../passwords/breached-passwords.ts';
import type { PasswordHolder } from '../passwords/context-words.ts';
import { rememberPassword, wasUsedBefore } from '../passwords/history.ts';
import { refuseUnfit } from '../passwords/strength.ts';
import { endSessions } from '../sessions/sessions.ts';
import { emailAddress, phoneNumber } from './address.ts';
import { requestEmailChange } from './email-change.ts';
import { endFlows } from './flow-state.sql.ts';
import { refuseOvergrown } from './metadata-size.ts';
import { spendNonce } from './nonce.ts';
import { setEmailIdentity, setPhoneIdentity } from './own-identity.ts';
import { refuseOvertaken, refuseTaken } from './taken.ts';
import { refuseOversizedToken } from './token-size.ts';
import { actorOf, type ChangedUser, type UserRow } from './user.ts';
import { findUser, lockOwnUser, type OwnUserRow, updateUser } from './users.sql.ts';

/** What somebody says about themselves; absent and empty are the same, but for the password. */
export interface OwnChange {
  email?: string | undefined;
  phone?: string | undefined;
  channel?: string | undefined;
  password?: string | undefined;
  current_password?: string | undefined;
  /** The code of GET /reauthenticate. */
  nonce?: string | undefined;
  data?: Metadata | undefined;
  app_metadata?: Metadata | undefined;
  code_challenge?: string | undefined;
  code_challenge_method?: string | undefined;
}

export interface OwnAccount {
  user_id: string;
  /** As the account is now. */
  holder: PasswordHolder;
  session_id: string | undefined;
  occasion: Occasion;
  /** Where the links of a mail lead in the end. */
  redirect_to: string;
  signal?: AbortSignal | undefined;
}

/** A new password, hashed and compared while nothing was locked. */
interface NewPassword {
  encrypted_password: string;
  /** The stored one that it was compared with. */
  compared_with: string | null;
  is_same: boolean;
  /** It is one that the user had before that one. */
  was_before: boolean;
  current_password_was_asked: boolean;
}

/** Methods by which a session began that knows no password: it may set one without the old one. */
const WITHOUT_PASSWORD = new Set(['otp', 'magiclink', 'recovery']);

/**
 * Changes what the body names. A new password ends every other session and takes back every pending token. A new address
 * is asked for by mail and waits for its confirmation; only an anonymous user where sign-up needs none has it at once.
 *
 * @throws AuthError in GoTrue's order `validation_failed`, `weak_password`, `not_admin`, `insufficient_aal`,
 *   `user_sso_managed`, `email_exists`, `phone_exists`, `reauthentication_needed`, `reauthentication_not_valid`,
 *   `current_password_required`, `current_password_invalid`; `same_password` last, so that no request that fails anyhow
 *   tells whether a password was guessed; `conflict` where the password was changed meanwhile
 */
export async function changeOwnUser(gatehouse: Gatehouse, own: OwnAccount, body: OwnChange): Promise<ChangedUser> {
  const { db, mailer } = gatehouse;
  const asked = {
    ...body,
    email: body.email ? emailAddress(body.email) : undefined,
    phone: body.phone ? phoneNumber(body.phone) : undefined,
  };
  if (asked.phone && asked.channel && asked.channel !== 'sms')
    throw new AuthError('validation_failed', INVALID_CHANNEL);
  if (asked.password !== undefined) await refuseWeak(gatehouse, own, asked, asked.password);

  const password = asked.password === undefined ? undefined : await newPassword(gatehouse, own, asked, asked.password);
  const changed = await inTransaction(db, (tx) => change(tx, gatehouse, own, asked, password));
  mailer.wake();
  return changed;
}

const USED_BEFORE = 'New password should be different from the passwords that you had before.';
const INVALID_CHANNEL = {
  message:
    "Invalid channel, supported values are 'sms' or 'whatsapp'. 'whatsapp' is only supported if Twilio or Twilio Verify is used as the provider.",
};

/** By what the account says of its holder, by what it is about to say, and by what others know. */
async function refuseWeak(gatehouse: Gatehouse, own: OwnAccount, asked: OwnChange, password: string): Promise<void> {
  const { passwordRules, passwords } = gatehouse;
  const { holder, user_id: subject_id, occasion } = own;
  refuseUnfit(password, passwordRules, holder);
  refuseUnfit(password, passwordRules, { email: asked.email, phone: asked.phone, raw_user_meta_data: asked.data });
  passwords.refuseWhenFull();
  await refuseBreached(gatehouse, password, { subject_id, occasion });
}

/** Judges what a new password needs beside itself, and hashes it: no connection is held meanwhile. */
async function newPassword(
  gatehouse: Gatehouse,
  own: OwnAccount,
  asked: OwnChange,
  password: string,
): Promise<NewPassword> {
  const { db, passwords, settings, columnKeys } = gatehouse;
  const user = await inTransaction(db, async (tx) => {
    const locked = await lockOwn(tx, own);
    refuseForbidden(locked, asked, gatehouse);
    await refuseTakenByOthers(tx, locked, asked);
    if (settings.security_update_password_require_reauthentication && !locked.session_is_young) {
      if (!asked.nonce) throw new AuthError('reauthentication_needed');
      // Spent once and for good, whatever else is wrong with the request (contract §7.5).
      const refusal = await spendNonce(tx, gatehouse, locked, asked.nonce, own);
      if (refusal) return refusal;
    }
    return locked;
  });

  const stored = user.encrypted_password ? decryptColumn(user.encrypted_password, user.id, columnKeys) : undefined;
  const current_password_was_asked =
    settings.security_update_password_require_current_password && needsCurrentPassword(user);
  if (current_password_was_asked) {
    if (!asked.current_password) throw new AuthError('current_password_required');
    const { matches } = await passwords.verify(asked.current_password, stored, own.signal);
    if (!matches) return refuseCurrentPassword(gatehouse, own, user);
  }
  const { matches: is_same } = stored ? await passwords.verify(password, stored, own.signal) : { matches: false };
  const was_before = !is_same && (await wasUsedBefore(gatehouse, user.id, password, own.signal));
  const encrypted_password = await passwords.hash(password, own.signal);
  return {
    encrypted_password,
    compared_with: user.encrypted_password,
    is_same,
    was_before,
    current_password_was_asked,
  };
}

function needsCurrentPassword({ encrypted_password, amr }: OwnUserRow): boolean {
  return Boolean(encrypted_password) && !amr.some(({ method }) => WITHOUT_PASSWORD.has(method));
}

/** A wrong current password is a guess like one at sign-in, and counts as such (CVE class 6). */
async function refuseCurrentPassword(gatehouse: Gatehouse, own: OwnAccount, user: UserRow): Promise<never> {
  const { occasion, session_id } = own;
  const args = attemptArgs(gatehouse, 'password', { user_id: user.id }, occasion.now);
  return inTransaction<never>(gatehouse.db, async (tx) => {
    const counted = await recordFailure(tx, args, user.id, occasion);
    const reason = counted ? 'wrong password' : 'wrong password; account locked';
    const refusal = new AuthError('current_password_invalid', { reason });
    const event = { action: 'user_modify_failed', actor: actorOf(user), subject_id: user.id, session_id } as const;
    return recordRefusal(tx, refusal, event, occasion);
  });
}

async function change(
  tx: Tx,
  gatehouse: Gatehouse,
  own: OwnAccount,
  asked: OwnChange,
  password: NewPassword | undefined,
): Promise<ChangedUser> {
  const { settings } = gatehouse;
  const { user_id: id, session_id, occasion } = own;
  const now = occasion.now.toISOString();
  // The count before the user: the order in which a sign-in locks them.
  const guesses = attemptArgs(gatehouse, 'password', { user_id: id }, occasion.now);
  if (password?.current_password_was_asked && (await isLocked(tx, guesses))) {
    throw new AuthError('current_password_invalid', { reason: 'right password; account locked' });
  }
  const before = await lockOwn(tx, own);
  refuseForbidden(before, asked, gatehouse);
  await refuseTakenByOthers(tx, before, asked);
  if (password && password.compared_with !== before.encrypted_password) {
    throw new AuthError('conflict', { reason: 'the password was changed meanwhile' });
  }

  if (password) {
    await endSessions(tx, id, { except: session_id });
    await clearOneTimeTokens(tx, id);
    await endFlows(tx, { user_id: id });
    await rememberPassword(tx, gatehouse, before, now);
  }
  const { email, phone } = othersThan(before, asked);
  const emailAtOnce = email && before.is_anonymous && settings.mailer_autoconfirm ? email : undefined;
  const update = updateUser(
    tx,
    id,
    {
      encrypted_password: password?.encrypted_password,
      app_metadata: asked.app_metadata,
      user_metadata: emailAtOnce ? { ...asked.data, email_verified: true } : asked.data,
      email: emailAtOnce,
      email_confirmed_at: emailAtOnce && now,
      phone,
      phone_confirmed_at: phone && now,
      is_anonymous: emailAtOnce || phone ? false : undefined,
    },
    now,
  );
  await refuseOvertaken(update);
  if (emailAtOnce) await setEmailIdentity(tx, id, emailAtOnce, true, now);
  else if (email) await requestEmailChange(tx, gatehouse, before, email, own, asked);
  if (phone) await setPhoneIdentity(tx, id, phone, true, now);

  const [after] = await findUser(tx, { id });
  if (!after) throw new Error('who is locked is there');
  refuseOvergrown({ before, after });
  if (asked.data || asked.app_metadata) await refuseOversizedToken(gatehouse, after, occasion.now, before);
  if (password?.is_same) throw new AuthError('same_password');
  if (password?.was_before)
    throw new AuthError('same_password', { message: USED_BEFORE, reason: 'an earlier password' });
  await recordChange(tx, { before, after }, own, asked);
  return { before, after };
}

/** GoTrue's two events, the password's first: its log is ordered by time alone, so the second is a millisecond later. */
async function recordChange(tx: Tx, { before, after }: ChangedUser, own: OwnAccount, asked: OwnChange): Promise<void> {
  const { session_id, occasion } = own;
  const by = { outcome: 'success', subject_id: before.id, session_id } as const;
  let { now } = occasion;
  if (asked.password !== undefined) {
    await record(tx, { action: 'user_updated_password', ...by, actor: actorOf(before) }, occasion);
    now = new Date(now.getTime() + 1);
  }
  const set = Object.entries(asked).flatMap(([name, value]) => (value ? [name] : []));
  await record(tx, { action: 'user_modified', ...by, actor: actorOf(after), remarks: { set } }, { ...occasion, now });
}

async function lockOwn(tx: Tx, { user_id: id, session_id, occasion }: OwnAccount): Promise<OwnUserRow> {
  const [user] = await lockOwnUser(tx, { id, session_id, now: occasion.now.toISOString() });
  if (!user) {
    throw new AuthError('user_not_found', { status: 403, message: 'User from sub claim in JWT does not exist' });
  }
  if (session_id && !user.session_found) throw new AuthError('session_not_found');
  return user;
}

/** What this user, or this session of theirs, may not change. */
function refuseForbidden(user: OwnUserRow, asked: OwnChange, { settings }: Gatehouse): void {
  const mayChangeAppMetadata = user.role === settings.jwt_admin_group_name && user.aud === settings.jwt_aud;
  if (asked.app_metadata && !mayChangeAppMetadata) {
    throw new AuthError('not_admin', { message: 'Updating app_metadata requires admin privileges' });
  }
  const { email, phone } = othersThan(user, asked);
  const changesCredentials = asked.password !== undefined || email !== undefined || phone !== undefined;
  const hasFactor = user.factors.some(({ status }) => status === 'verified');
  if (changesCredentials && hasFactor && user.session_aal !== 'aal2') throw new AuthError('insufficient_aal');
  if (user.is_anonymous && asked.password !== undefined && !(asked.email || asked.phone || user.email || user.phone)) {
    throw new AuthError('validation_failed', {
      status: 422,
      message: 'Updating password of an anonymous user without an email or phone is not allowed',
    });
  }
  if (user.is_sso_user && (changesCredentials || asked.nonce)) throw new AuthError('user_sso_managed');
  // Messages to phones are yet to be sent from here.
  if (phone && !settings.sms_autoconfirm) throw new AuthError('phone_provider_disabled');
}

/** The addresses asked for that are not the user's already. */
function othersThan(user: UserRow, { email, phone }: OwnChange): Pick<OwnChange, 'email' | 'phone'> {
  return {
    email: email && email !== user.email ? email : undefined,
    phone: phone && phone !== user.phone ? phone : undefined,
  };
}

async function refuseTakenByOthers(tx: Tx, user: UserRow, asked: OwnChange): Promise<void> {
  await refuseTaken(tx, { ...othersThan(user, asked), except: user.id });
}
