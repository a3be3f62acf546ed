/** Exchanges the code of a mail link for a session: GoTrue's `grant_type=pkce` (contract §7.6; RFC 7636 §4.5, §4.6). */
import { createHash, timingSafeEqual } from 'node:crypto';
import { record, recordRefusal } from '../audit/record.ts';
import type { Settings } from '../config.ts';
import { inTransaction, type Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { attemptArgs, forgetFailures, isLocked, recordFailure } from '../lockout/lockout.ts';
import type { SessionRow } from '../sessions/sessions.sql.ts';
import { startSession } from '../sessions/start-session.ts';
import { deleteFlow, findFlow, type IssuedFlow } from '../users/flow-state.sql.ts';
import { actorOf, isBanned, type UserRow } from '../users/user.ts';
import { lockUser } from '../users/users.sql.ts';

export interface Exchange {
  auth_code: string;
  code_verifier: string;
}

/**
 * A session of whoever began the flow that the code belongs to: they have the verifier of its challenge. The code is worth
 * something from the click on the link on, once, for EXTERNAL_FLOW_STATE_EXPIRY_DURATION. Wrong verifiers are counted on
 * the flow, and too many of them shut out the right one (measured falls, 6).
 *
 * @throws AuthError `flow_state_not_found` for a code that is unknown, used or not handed out yet, and one whose user is gone;
 *   `flow_state_expired`, `bad_code_verifier`, `user_banned`. All are on record
 */
export async function pkceGrant(gatehouse: Gatehouse, exchange: Exchange, occasion: Occasion): Promise<SessionRow> {
  return inTransaction(gatehouse.db, (tx) => exchangeCode(tx, gatehouse, exchange, occasion));
}

async function exchangeCode(
  tx: Tx,
  gatehouse: Gatehouse,
  { auth_code, code_verifier }: Exchange,
  occasion: Occasion,
): Promise<SessionRow | AuthError> {
  const { now } = occasion;
  const [flow] = await findFlow(tx, { auth_code });
  const [user] = flow ? await lockUser(tx, { id: flow.user_id }) : [];
  const refuse = (refusal: AuthError) => refuseExchange(tx, refusal, user, occasion);
  const unknown = (reason: string) => refuse(new AuthError('flow_state_not_found', { reason }));
  if (!flow) return unknown('a code that is unknown, used, or whose link nobody has clicked');
  if (!user || user.deleted_at !== null) return unknown('user is deleted');
  if (!isAlive(flow, gatehouse.settings, now)) return refuse(new AuthError('flow_state_expired'));

  const guesses = attemptArgs(gatehouse, 'code_verifier', { flow_id: flow.id }, now);
  const locked = await isLocked(tx, guesses);
  const isRight = isVerifierOf(flow, code_verifier);
  if (locked || !isRight) {
    if (!locked) await recordFailure(tx, guesses, user.id, occasion);
    const reason = locked ? `${isRight ? 'right' : 'wrong'} verifier; locked` : 'wrong verifier';
    return refuse(new AuthError('bad_code_verifier', { reason }));
  }
  if (isBanned(user, now)) return refuse(new AuthError('user_banned'));
  const [used] = await deleteFlow(tx, { id: flow.id });
  if (!used) return unknown('code used at the same moment');
  await forgetFailures(tx, guesses);
  const { authentication_method, provider_type } = flow;
  const session = await startSession(tx, { user_id: user.id, authentication_method, occasion });
  const event = { actor: actorOf(user), subject_id: user.id, session_id: session.session_id };
  await record(tx, { action: 'login', outcome: 'success', ...event, details: { provider_type } }, occasion);
  return session;
}

/** From the request for the mail on; a sign-in link may be clicked late, and its code counts from the click, as in GoTrue. */
function isAlive(flow: IssuedFlow, settings: Settings, now: Date): boolean {
  const since = flow.authentication_method === 'magiclink' ? flow.auth_code_issued_at : flow.created_at;
  return now.getTime() < Date.parse(since) + settings.external_flow_state_expiry_duration * 1000;
}

function isVerifierOf({ code_challenge, code_challenge_method }: IssuedFlow, code_verifier: string): boolean {
  const challenge =
    code_challenge_method === 's256' ? createHash('sha256').update(code_verifier).digest('base64url') : code_verifier;
  const [expected, given] = [Buffer.from(code_challenge), Buffer.from(challenge)];
  return expected.length === given.length && timingSafeEqual(expected, given);
}

function refuseExchange(tx: Tx, refusal: AuthError, user: UserRow | undefined, occasion: Occasion): Promise<AuthError> {
  return recordRefusal(tx, refusal, { action: 'token_grant_failed', subject_id: user?.id }, occasion);
}
