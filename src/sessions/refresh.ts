/**
 * POST /token with grant_type=refresh_token (contract §4.3, §4.4; RFC 9700 §4.14.2): every refresh token works once. The
 * ordinary case is one statement. What does not match it is looked at under a lock: a client that lost an answer gets the
 * current token again; a token that was replayed ends its session.
 */
import { createHash, type KeyObject } from 'node:crypto';
import { occasionArgs } from '../audit/record.sql.ts';
import { record, recordRefusal } from '../audit/record.ts';
import { inTransaction, type Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { actorOf } from '../users/user.ts';
import { rotateRefreshTokens } from './asked-together.sql.ts';
import { type CounterToken, isSignedBy, readRefreshToken, refreshTokenKey } from './refresh-token.ts';
import { policyArgs, type SessionVerdict } from './session-policy.sql.ts';
import { type SessionToSend, storedKey } from './session-response.ts';
import {
  deleteLegacyToken,
  deleteSession,
  findLegacyToken,
  findStoredKey,
  type LegacyToken,
  type LockedSession,
  lockSession,
  type SessionRow,
  upgradeToCounter,
} from './sessions.sql.ts';

export interface RefreshedSession extends SessionToSend {
  /** The token had been used before: its client gets the current one. */
  reused: boolean;
}

/** GoTrue's first format: 12 characters; releases before it made 22. Stored by us as a SHA-256, by GoTrue in clear. */
const LEGACY_TOKEN = /^(?:[a-z0-9]{12}|[\w-]{22})$/;

/**
 * Exchanges a refresh token for the session's next one.
 *
 * @throws AuthError `validation_failed` for what no server like this issued, `refresh_token_not_found`,
 *   `session_not_found`, `user_banned`, `session_expired`; `refresh_token_already_used` for a replay beyond the reuse
 *   interval, with the session ended
 */
export async function refreshSession(
  gatehouse: Gatehouse,
  refresh_token: string,
  occasion: Occasion,
): Promise<RefreshedSession> {
  const token = readRefreshToken(refresh_token);
  if (token) return refreshByCounter(gatehouse, token, occasion);
  if (LEGACY_TOKEN.test(refresh_token)) return refreshByLegacyToken(gatehouse, refresh_token, occasion);
  throw new AuthError('validation_failed', { message: 'Refresh token is not valid' });
}

async function refreshByCounter(
  gatehouse: Gatehouse,
  token: CounterToken,
  occasion: Occasion,
): Promise<RefreshedSession> {
  const { db, settings } = gatehouse;
  const { refresh_token_key, stored } = await signingKeyOf(gatehouse, token);
  const { session_id, counter } = token;
  const presented = { session_id, counter, refresh_token_hmac_key: stored, ...occasionArgs(occasion) };
  const session = await gatehouse.askedTogether.rotateRefreshToken(presented);
  if (session) return { session, reused: false, refresh_token_key };

  return inTransaction(db, async (tx) => {
    const locked = await lock(tx, gatehouse, session_id, occasion);
    if (!locked || locked.refresh_token_hmac_key !== stored || locked.oauth_client_id) {
      throw new AuthError('refresh_token_not_found', {
        reason: locked ? 'another kind of session' : 'session is gone',
      });
    }
    const behind = locked.refresh_token_counter - counter;
    const refusal = refusalBy(locked.verdict) ?? (behind < 0 ? fromTheFuture() : undefined);
    if (refusal) return refused(tx, refusal, locked, occasion);
    if (behind === 0) {
      // What stood in the way of the rotation a moment ago is gone: a ban or a newer session has ended.
      const [rotated] = await rotateRefreshTokens(tx, policyArgs(settings), [presented]);
      if (!rotated) throw new AuthError('conflict', { reason: 'the session cannot be rotated' });
      return { session: rotated, reused: false };
    }
    // The token before the current one is that of a client that never got the answer, however late it asks.
    return behind === 1 || locked.within_reuse_interval
      ? currentAgain(tx, locked, occasion)
      : replayed(tx, gatehouse, locked, occasion);
  });
}

/**
 * With which key the token was signed, and how the session's column has it: null for the derived one. The derived key refuses
 * a forged token by arithmetic; only a session that came from Supabase has a key to look up.
 */
async function signingKeyOf(
  gatehouse: Gatehouse,
  token: CounterToken,
): Promise<{ refresh_token_key: KeyObject; stored: string | null }> {
  const derived = refreshTokenKey(gatehouse.serverSecret, token.session_id);
  if (isSignedBy(token, derived)) return { refresh_token_key: derived, stored: null };
  const [stored] = await findStoredKey(gatehouse.db, token);
  const key = stored && storedKey(gatehouse, token.session_id, stored.refresh_token_hmac_key);
  if (!stored || !key || !isSignedBy(token, key)) {
    throw new AuthError('refresh_token_not_found', { reason: 'the token was not signed here' });
  }
  return { refresh_token_key: key, stored: stored.refresh_token_hmac_key };
}

/**
 * The session that a refresh token was issued for, used or not, current or long past; undefined for what was never
 * issued here. Whether the session is still there is not asked.
 */
export async function findRefreshTokenSession(
  gatehouse: Gatehouse,
  refresh_token: string,
  now: Date,
): Promise<string | undefined> {
  const token = readRefreshToken(refresh_token);
  if (token) return (await isIssued(gatehouse, token)) ? token.session_id : undefined;
  if (!LEGACY_TOKEN.test(refresh_token)) return undefined;
  const [legacy] = await findLegacyToken(gatehouse.db, legacyArgs(gatehouse, refresh_token, now));
  return legacy?.session_id ?? undefined;
}

async function isIssued(gatehouse: Gatehouse, token: CounterToken): Promise<boolean> {
  try {
    await signingKeyOf(gatehouse, token);
    return true;
  } catch (error) {
    if (error instanceof AuthError) return false;
    throw error;
  }
}

function legacyArgs({ settings }: Pick<Gatehouse, 'settings'>, refresh_token: string, now: Date) {
  return {
    token: refresh_token,
    token_sha256: createHash('sha256').update(refresh_token).digest('hex'),
    reuse_interval: settings.security_refresh_token_reuse_interval,
    now: now.toISOString(),
  };
}

/** A token from before the counter: its session's next token, and every one after it, has a counter. */
async function refreshByLegacyToken(
  gatehouse: Gatehouse,
  refresh_token: string,
  occasion: Occasion,
): Promise<RefreshedSession> {
  const args = legacyArgs(gatehouse, refresh_token, occasion.now);
  const find = (on: Tx) => findLegacyToken(on, args);
  return inTransaction(gatehouse.db, async (tx) => {
    const [known] = await find(tx);
    if (!known) throw new AuthError('refresh_token_not_found');
    if (known.session_id === null) {
      await deleteLegacyToken(tx, known);
      return new AuthError('session_not_found', {
        status: 400,
        message: 'Invalid Refresh Token: No Valid Session Found',
      });
    }
    const session = await lock(tx, gatehouse, known.session_id, occasion);
    // Read again under the lock: whoever held it may have upgraded the session.
    const [token] = await find(tx);
    if (!session || !token) throw new AuthError('refresh_token_not_found', { reason: 'session is gone' });
    const refusal = refusalBy(session.verdict);
    if (refusal) return refused(tx, refusal, session, occasion);
    if (token.upgraded) {
      return (session.refresh_token_counter === 0 && token.age <= 1) || session.within_reuse_interval
        ? currentAgain(tx, session, occasion)
        : replayed(tx, gatehouse, session, occasion);
    }
    return isCurrent(token) ? upgraded(tx, gatehouse, session, occasion) : replayed(tx, gatehouse, session, occasion);
  });
}

/** The active token, its parent (however late), or one that was used within the reuse interval. */
function isCurrent({ revoked, age, within_reuse_interval }: LegacyToken): boolean {
  return !revoked || age === 1 || within_reuse_interval;
}

async function upgraded(
  tx: Tx,
  gatehouse: Gatehouse,
  before: LockedSession,
  occasion: Occasion,
): Promise<RefreshedSession> {
  await upgradeToCounter(tx, { ...occasionArgs(occasion), session_id: before.session_id });
  const session = await lock(tx, gatehouse, before.session_id, occasion);
  if (!session) throw new Error('the session is locked');
  await recordRefresh(tx, session, occasion, { upgraded_from: 'legacy refresh token' });
  return { session, reused: false };
}

/** A repeated request is answered with what the first one got. It changes nothing, so it forgives nothing either. */
async function currentAgain(tx: Tx, session: LockedSession, occasion: Occasion): Promise<RefreshedSession> {
  await recordRefresh(tx, session, occasion, { repeated: true });
  return { session, reused: true };
}

/**
 * The token was used before, and somebody used what came of it: one of the two is a thief. The session ends for both, and
 * its access tokens with it.
 */
async function replayed(
  tx: Tx,
  { settings }: Gatehouse,
  session: LockedSession,
  occasion: Occasion,
): Promise<RefreshedSession | AuthError> {
  if (settings.security_refresh_token_allow_reuse) return currentAgain(tx, session, occasion);
  const ends = settings.security_refresh_token_rotation_enabled;
  if (ends) await deleteSession(tx, session);
  const refusal = new AuthError('refresh_token_already_used', {
    reason: ends ? 'replayed beyond the reuse interval: session ended' : 'replayed beyond the reuse interval',
  });
  const { session_id } = session;
  const event = {
    action: 'refresh_token_reused',
    actor: actorOf(session),
    subject_id: session.id,
    session_id,
  } as const;
  return recordRefusal(tx, refusal, event, occasion);
}

async function recordRefresh(
  tx: Tx,
  session: SessionRow,
  occasion: Occasion,
  remarks: Record<string, unknown>,
): Promise<void> {
  const { id: subject_id, session_id } = session;
  const event = { action: 'token_refreshed', outcome: 'success', actor: actorOf(session), subject_id } as const;
  await record(tx, { ...event, session_id, remarks }, occasion);
}

async function lock(
  tx: Tx,
  { settings }: Gatehouse,
  session_id: string,
  { now }: Occasion,
): Promise<LockedSession | undefined> {
  const [session] = await lockSession(tx, {
    ...policyArgs(settings),
    session_id,
    reuse_interval: settings.security_refresh_token_reuse_interval,
    now: now.toISOString(),
  });
  return session;
}

const expiries: Partial<Record<SessionVerdict, string>> = {
  expired: 'Session Expired',
  inactive: 'Session Expired (Inactivity)',
  low_aal: 'Session Expired (Low AAL: User Needs MFA Verification)',
  superseded: 'Session Expired (Revoked by Newer Login)',
};

function refusalBy(verdict: SessionVerdict | null): AuthError | undefined {
  switch (verdict) {
    case null:
      return undefined;
    case 'user_banned':
      return new AuthError('user_banned', { message: 'Invalid Refresh Token: User Banned' });
    case 'session_not_found':
      return new AuthError('session_not_found', {
        status: 400,
        message: 'Invalid Refresh Token: No Valid Session Found',
        reason: 'the user was deleted',
      });
    default:
      return new AuthError('session_expired', { message: `Invalid Refresh Token: ${expiries[verdict]}` });
  }
}

function fromTheFuture(): AuthError {
  return new AuthError('validation_failed', {
    message: 'Invalid Refresh Token: Not Issued By This Server',
    reason: 'the counter is ahead of the session',
  });
}

/** A refusal of a token whose owner is known is on the owner's record. */
function refused(tx: Tx, refusal: AuthError, session: LockedSession, occasion: Occasion): Promise<AuthError> {
  const { id: subject_id, session_id } = session;
  const event = { action: 'token_refresh_failed', actor: actorOf(session), subject_id, session_id } as const;
  return recordRefusal(tx, refusal, event, occasion);
}
