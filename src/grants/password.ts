/**
 * Exchanges an address and a password for a session: GoTrue's `grant_type=password`, RFC 6749 §4.3. RFC 9700 §2.4 forbids
 * that grant to third parties; this one is for the portal itself (docs/decisions/password-grant.md).
 */
import { randomUUID } from 'node:crypto';
import { occasionArgs } from '../audit/record.sql.ts';
import { recordRefusal } from '../audit/record.ts';
import { decryptColumn } from '../db/column-encryption.ts';
import { inTransaction } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { type AttemptSubject, attemptArgs, isLocked, recordFailure } from '../lockout/lockout.ts';
import { kindOf, readHash } from '../passwords/encoded-hash.ts';
import { type PasswordWeakness, passwordWeakness } from '../passwords/strength.ts';
import type { SessionRow } from '../sessions/sessions.sql.ts';
import { type Candidate, findCandidate, findSignInState, type SignInState, signIn } from './password.sql.ts';

export interface PasswordSignIn {
  provider: 'email' | 'phone';
  /** Of the provider's kind, as it is stored. */
  address: string;
  password: string;
  aud: string;
}

export interface SignedInByPassword {
  session: SessionRow;
  /** What today's rules would say to that password; it signs in all the same. */
  weak_password: PasswordWeakness | undefined;
}

interface Attempt {
  provider: PasswordSignIn['provider'];
  whose: AttemptSubject;
  user_id: string | undefined;
  occasion: Occasion;
}

/**
 * A session of whoever has that address and that password. Hashing is done with no connection held; what it proved is
 * checked again in the statement that signs in.
 *
 * @throws AuthError `invalid_credentials` for an unknown address, a wrong password, a locked account and a deleted one,
 *   alike in status, body and time (OWASP ASVS 5.0, 6.3.8); only the right password learns of `user_banned`,
 *   `email_not_confirmed`, `phone_not_confirmed`; `service_overloaded` when hashes queue up
 */
export async function passwordGrant(
  gatehouse: Gatehouse,
  { provider, address, password, aud }: PasswordSignIn,
  occasion: Occasion,
  signal?: AbortSignal,
): Promise<SignedInByPassword> {
  const { db, passwords, passwordRules, breachedPasswords, columnKeys } = gatehouse;
  passwords.refuseWhenFull();
  const [found] = await findCandidate[provider](db, { address, aud });
  const attempt: Attempt = {
    provider,
    whose: found ? { user_id: found.id } : { address },
    user_id: found?.id,
    occasion,
  };

  const stored = found?.encrypted_password && decryptColumn(found.encrypted_password, found.id, columnKeys);
  const { matches, unreadable, needsRehash } = await passwords.verify(password, stored, signal);
  if (!found || !stored || !matches) {
    const sealed = Boolean(found?.encrypted_password) && stored === undefined;
    return refuse(gatehouse, attempt, reasonOf(found, unreadable, sealed));
  }
  // A hash that came encrypted goes on as ours do.
  const better_hash =
    needsRehash || stored !== found.encrypted_password ? await passwords.hash(password, signal) : undefined;

  const hash = readHash(stored);
  const args = {
    ...occasionArgs(occasion),
    ...attemptArgs(gatehouse, 'password', attempt.whose, occasion.now),
    session_id: randomUUID(),
    amr_id: randomUUID(),
    authentication_method: 'password',
    user_id: found.id,
    provider,
    verified_hash: found.encrypted_password,
    better_hash,
    rehashed_from: better_hash && hash ? kindOf(hash) : undefined,
  };
  const [session] = await signIn(db, args);
  if (!session) return refuseRightPassword(gatehouse, attempt, args);
  const breached = breachedPasswords?.recall(password);
  return { session, weak_password: passwordWeakness(password, passwordRules, session, breached) };
}

function reasonOf(found: Candidate | undefined, unreadable: boolean, sealed: boolean): string {
  if (!found) return 'unknown address';
  if (sealed) return 'the stored hash is encrypted with a key that is not configured';
  if (unreadable) return 'the stored hash is of no known format';
  return found.encrypted_password ? 'wrong password' : 'the account has no password';
}

async function refuse(gatehouse: Gatehouse, attempt: Attempt, reason: string): Promise<never> {
  const { user_id, occasion, provider, whose } = attempt;
  const args = attemptArgs(gatehouse, 'password', whose, occasion.now);
  return inTransaction<never>(gatehouse.db, async (tx) => {
    // One that guesses at a locked account is told nothing new, the record is.
    const counted = await recordFailure(tx, args, user_id, occasion);
    const refusal = new AuthError('invalid_credentials', { reason: counted ? reason : `${reason}; account locked` });
    const event = { action: 'login_failed', subject_id: user_id, details: { provider } } as const;
    return recordRefusal(tx, refusal, event, occasion);
  });
}

/** The password was right, and something else is not. */
async function refuseRightPassword(
  gatehouse: Gatehouse,
  { user_id, provider, whose, occasion }: Attempt,
  args: Record<string, unknown>,
): Promise<never> {
  return inTransaction<never>(gatehouse.db, async (tx) => {
    const locked = await isLocked(tx, attemptArgs(gatehouse, 'password', whose, occasion.now));
    const [state] = await findSignInState(tx, args);
    const refusal = locked
      ? new AuthError('invalid_credentials', { reason: 'right password; account locked' })
      : refusalBy(state, provider);
    return recordRefusal(tx, refusal, { action: 'login_failed', subject_id: user_id, details: { provider } }, occasion);
  });
}

function refusalBy(state: SignInState | undefined, provider: PasswordSignIn['provider']): AuthError {
  if (!state || state.deleted) return new AuthError('invalid_credentials', { reason: 'deleted' });
  if (!state.same_hash) return new AuthError('invalid_credentials', { reason: 'the password was changed meanwhile' });
  if (state.banned) return new AuthError('user_banned');
  if (!state.confirmed) return new AuthError(provider === 'email' ? 'email_not_confirmed' : 'phone_not_confirmed');
  return new AuthError('conflict', { reason: 'the account changed meanwhile' });
}
