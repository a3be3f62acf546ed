/** A proof arrives: the token of a link, or the code of a mail with the address that it went to (contract §7.3). */
import { record, recordRefusal } from '../audit/record.ts';
import { inTransaction, type Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { attemptArgs, forgetFailures, isLocked, recordFailure } from '../lockout/lockout.ts';
import {
  clearOneTimeTokens,
  consumeOneTimeToken,
  findOneTimeToken,
  isCodeAlive,
  isCodeOf,
  isLinkAlive,
  isPkce,
  lockTokensSentTo,
  type OneTimeToken,
  type OneTimeTokenType,
  spendOneTimeTokens,
} from '../one-time-tokens/one-time-tokens.ts';
import { hashOfNoPassword } from '../passwords/hash.ts';
import type { SessionRow } from '../sessions/sessions.sql.ts';
import { endSessions } from '../sessions/sessions.ts';
import { startSession } from '../sessions/start-session.ts';
import { evenOut } from '../users/even-time.ts';
import { emailIdentityData } from '../users/identity-data.ts';
import { type FlowMethod, issueCode } from '../users/pkce.ts';
import { isOwnSignUp, isUnproven } from '../users/unproven.ts';
import { actorOf, isBanned, type UserRow } from '../users/user.ts';
import { confirmEmail, lockUser, replaceSignUp } from '../users/users.sql.ts';
import { confirmEmailChange } from './email-change.ts';

/** What a token may be presented as. */
const tokenTypes = new Map<string, readonly OneTimeTokenType[]>([
  ['signup', ['confirmation_token']],
  ['invite', ['confirmation_token']],
  ['recovery', ['recovery_token']],
  ['magiclink', ['recovery_token']],
  ['email', ['confirmation_token', 'recovery_token']],
  ['email_change', ['email_change_token_new', 'email_change_token_current']],
]);

/** What came of a proof. */
export type Verified =
  | { session: SessionRow; type: string }
  /** To be exchanged for a session by whoever began the flow. */
  | { auth_code: string }
  /** More is needed, and this says what. */
  | { message: string };

export interface Link {
  type: string;
  token_hash: string;
  /** The link of a PKCE flow hands out a code instead of a session. */
  handsOutCode: boolean;
}

export interface TypedCode {
  type: string;
  /** Normalised. */
  address: string;
  code: string;
  aud: string;
  signal?: AbortSignal;
}

/** Far longer than what a code of somebody costs beyond one of nobody. */
const STEP_MS = 25;
const LINK_DEAD = 'Email link is invalid or has expired';

/**
 * Uses the token of a link up, and does what it proves.
 *
 * @throws AuthError `validation_failed` for an unknown type; `otp_expired` for a token that is unknown, used, replaced or
 *   too old; `user_banned`; `email_exists` where somebody else has taken the new address meanwhile. All are on record
 */
export async function verifyLink(gatehouse: Gatehouse, link: Link, occasion: Occasion): Promise<Verified> {
  const types = tokenTypes.get(link.type);
  if (!types) throw new AuthError('validation_failed', { message: 'Invalid email verification type' });
  return inTransaction(gatehouse.db, async (tx) => {
    const token = await findOneTimeToken(tx, link.token_hash, types);
    const refuse = (refusal: AuthError) => refuseProof(tx, refusal, token?.user_id, occasion);
    const dead = (reason: string) => refuse(new AuthError('otp_expired', { message: LINK_DEAD, reason }));
    if (!token) return dead('unknown, used or replaced token');
    const [user] = await lockUser(tx, { id: token.user_id });
    if (!user || user.deleted_at !== null) return dead('user is deleted');
    if (isBanned(user, occasion.now)) return refuse(new AuthError('user_banned', { status: 403 }));
    if (!isLinkAlive(token, gatehouse.settings, occasion.now)) return dead('expired token');
    if (!(await consumeOneTimeToken(tx, token))) return dead('token used or replaced at the same moment');
    const flow = link.handsOutCode && isPkce(token.token_hash) ? flowOf(link.type, token) : undefined;
    return prove(tx, gatehouse, { user, token, type: link.type, flow, occasion });
  });
}

/**
 * Uses the token of a code up, and does what it proves. Wrong codes are counted by address, whether or not somebody has it,
 * and too many of them lock out the right one as well.
 *
 * @throws AuthError `otp_expired` for a code that is wrong, used or too old, and for an unknown type; `user_banned` to
 *   whoever has the right one; `email_exists`. All are on record
 */
export async function verifyCode(gatehouse: Gatehouse, typed: TypedCode, occasion: Occasion): Promise<Verified> {
  const types = tokenTypes.get(typed.type);
  if (!types) throw new AuthError('otp_expired', { reason: 'a type without codes' });
  const began = performance.now();
  try {
    return await inTransaction(gatehouse.db, (tx) => judgeCode(tx, gatehouse, typed, types, occasion));
  } finally {
    await evenOut(began, STEP_MS, typed.signal);
  }
}

async function judgeCode(
  tx: Tx,
  gatehouse: Gatehouse,
  typed: TypedCode,
  types: readonly OneTimeTokenType[],
  occasion: Occasion,
): Promise<Verified | AuthError> {
  const { settings } = gatehouse;
  const { now } = occasion;
  const tokens = await lockTokensSentTo(tx, typed.address, types, typed.aud);
  const guesses = attemptArgs(gatehouse, 'otp', { address: typed.address }, now);
  const locked = await isLocked(tx, guesses);
  const token = tokens.find((each) => isCodeAlive(each, settings, now) && isCodeOf(gatehouse, each, typed.code));
  const subject_id = (token ?? tokens[0])?.user_id;
  if (locked || !token) {
    if (!locked) await recordFailure(tx, guesses, subject_id, occasion);
    const reason = locked ? `${token ? 'right' : 'wrong'} code; locked` : 'wrong or expired code';
    return refuseProof(tx, new AuthError('otp_expired', { reason }), subject_id, occasion);
  }
  const [user] = await lockUser(tx, { id: token.user_id });
  if (!user || user.deleted_at !== null) {
    return refuseProof(tx, new AuthError('otp_expired', { reason: 'user is deleted' }), subject_id, occasion);
  }
  if (isBanned(user, now)) {
    return refuseProof(tx, new AuthError('user_banned', { status: 403 }), subject_id, occasion);
  }
  if (!(await consumeOneTimeToken(tx, token))) throw new Error('whoever has the token is locked');
  await forgetFailures(tx, guesses);
  return prove(tx, gatehouse, { user, token, type: typed.type, flow: undefined, occasion });
}

/** A proof that was accepted, of a locked user. */
export interface Proof {
  user: UserRow;
  token: OneTimeToken;
  type: string;
  /** Undefined where a session begins at once. */
  flow: FlowMethod | undefined;
  occasion: Occasion;
}

async function prove(tx: Tx, gatehouse: Gatehouse, proof: Proof): Promise<Verified | AuthError> {
  const { token, flow, occasion, user } = proof;
  let type = proof.type;
  switch (token.token_type) {
    case 'confirmation_token':
      if (type === 'email') type = 'signup';
      await proveSignUp(tx, proof);
      break;
    case 'recovery_token':
      if (type === 'email') type = 'magiclink';
      await proveRecovery(tx, proof);
      break;
    default: {
      const half = await confirmEmailChange(tx, gatehouse, proof);
      if (half) return half;
    }
  }
  await spendOneTimeTokens(tx, user.id);
  if (flow) {
    const auth_code = await issueCode(tx, { user_id: user.id, authentication_method: flow, now: occasion.now });
    return { auth_code };
  }
  const session = await startSession(tx, { user_id: user.id, authentication_method: 'otp', occasion });
  return { session, type };
}

/** The address of a sign-up or an invitation is confirmed. */
async function proveSignUp(tx: Tx, { user, occasion }: Proof): Promise<void> {
  // Who is invited has no part in what somebody who signed up for the address before left there.
  const leftBy = user.invited_at !== null && user.confirmed_at === null && isOwnSignUp(user);
  if (leftBy) await forgetSignUp(tx, user, occasion);
  else if (!user.encrypted_password) {
    await endSessions(tx, user.id);
    await clearOneTimeTokens(tx, user.id);
  }
  const encrypted_password = user.encrypted_password ? undefined : hashOfNoPassword();
  const now = occasion.now.toISOString();
  await confirmEmail(tx, { id: user.id, encrypted_password, proves_identity: true, now });
  await recordSignedUp(tx, user, occasion);
}

/** The mailbox of an account was shown to be somebody's; where that was still open, this confirms it. */
async function proveRecovery(tx: Tx, { user, occasion }: Proof): Promise<void> {
  if (user.email_confirmed_at !== null) {
    const event = { actor: actorOf(user), subject_id: user.id };
    await record(tx, { action: 'login', outcome: 'success', ...event }, occasion);
    return;
  }
  if (isUnproven(user)) await forgetSignUp(tx, user, occasion);
  const now = occasion.now.toISOString();
  await confirmEmail(tx, { id: user.id, encrypted_password: undefined, proves_identity: false, now });
  await recordSignedUp(tx, user, occasion);
}

/**
 * Whoever proves the address otherwise than by the sign-up's own mail need not be who signed up: nothing of that one's stays,
 * neither the password nor what was written into the metadata. The password is one that nobody knows.
 */
async function forgetSignUp(tx: Tx, user: UserRow, { now }: Occasion): Promise<void> {
  await endSessions(tx, user.id);
  await replaceSignUp(tx, {
    id: user.id,
    encrypted_password: hashOfNoPassword(),
    identity_data: emailIdentityData(user.id, user.email ?? '', false),
    now: now.toISOString(),
  });
}

async function recordSignedUp(tx: Tx, user: UserRow, occasion: Occasion): Promise<void> {
  const event = { actor: actorOf(user), subject_id: user.id, details: { provider: 'email' } };
  await record(tx, { action: 'user_signedup', outcome: 'success', ...event }, occasion);
}

/** By what the exchange will say that its session began. */
function flowOf(type: string, { token_type }: OneTimeToken): FlowMethod {
  if (token_type === 'confirmation_token') return type === 'invite' ? 'invite' : 'email/signup';
  if (token_type === 'recovery_token') return type === 'recovery' ? 'recovery' : 'magiclink';
  return 'email_change';
}

function refuseProof(
  tx: Tx,
  refusal: AuthError,
  subject_id: string | undefined,
  occasion: Occasion,
): Promise<AuthError> {
  return recordRefusal(tx, refusal, { action: 'verification_failed', subject_id }, occasion);
}
