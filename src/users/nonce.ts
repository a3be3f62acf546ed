/** The code of GET /reauthenticate, as PUT /user is told it (contract §7.5). */
import { recordRefusal } from '../audit/record.ts';
import type { Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { attemptArgs, forgetFailures, isLocked, recordFailure } from '../lockout/lockout.ts';
import {
  consumeOneTimeToken,
  findOneTimeTokenOf,
  isCodeAlive,
  isCodeOf,
  spendOneTimeTokens,
} from '../one-time-tokens/one-time-tokens.ts';
import { actorOf, type UserRow } from './user.ts';

/**
 * Uses up the code of a locked user, and every other pending token with it. It is to be committed before anything else is
 * tried, so that the code is spent whatever comes of that.
 *
 * @returns undefined where it was right; else the refusal, counted and on record, for the transaction to return
 */
export async function spendNonce(
  tx: Tx,
  gatehouse: Gatehouse,
  user: UserRow,
  nonce: string,
  { occasion, session_id }: { occasion: Occasion; session_id: string | undefined },
): Promise<AuthError | undefined> {
  const guesses = attemptArgs(gatehouse, 'nonce', { user_id: user.id }, occasion.now);
  const locked = await isLocked(tx, guesses);
  const token = await findOneTimeTokenOf(tx, user.id, 'reauthentication_token');
  const isRight =
    token !== undefined && isCodeAlive(token, gatehouse.settings, occasion.now) && isCodeOf(gatehouse, token, nonce);
  if (isRight && !locked && (await consumeOneTimeToken(tx, token))) {
    await forgetFailures(tx, guesses);
    await spendOneTimeTokens(tx, user.id);
    return undefined;
  }
  if (!locked) await recordFailure(tx, guesses, user.id, occasion);
  const reason = locked ? 'nonce; locked' : token ? 'wrong or expired nonce' : 'nonce that nobody asked for';
  const refusal = new AuthError('reauthentication_not_valid', { reason });
  const event = { action: 'user_modify_failed', actor: actorOf(user), subject_id: user.id, session_id } as const;
  return recordRefusal(tx, refusal, event, occasion);
}
