/** DELETE /user/identities/{identity_id}: a person gives up a way to sign in (contract §2.3). */
import { record } from '../audit/record.ts';
import { inTransaction, type Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { clearOneTimeTokens } from '../one-time-tokens/one-time-tokens.ts';
import { deleteIdentity, findSuccessor, removePhone, setProviders, takeOverEmail } from './identities.sql.ts';
import { refuseOvertaken } from './taken.ts';
import { actorOf, type UserRow } from './user.ts';
import { findUser, lockOwnUser } from './users.sql.ts';

/** Who unlinks, and in which session. */
export interface Unlinking {
  user_id: string;
  session_id: string | undefined;
  occasion: Occasion;
}

/** No other spelling of an id is looked up (CVE-2025-48370). */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** @throws AuthError 404 `validation_failed` for what is no id of an identity */
export function identityId(text: string): string {
  if (UUID.test(text)) return text.toLowerCase();
  throw new AuthError('validation_failed', { status: 404, message: 'identity_id must be an UUID' });
}

/**
 * Removes an identity of the user's own, never the last one. With the identity of the phone number goes the number. Where
 * the user's address was that of the identity, another identity's takes its place, and pending links and codes,
 * which prove the old one, are taken back. Sessions go on.
 *
 * @throws AuthError `single_identity_not_deletable`, whatever was asked for, of a user with one; `identity_not_found`,
 *   alike for somebody else's and nobody's; `email_conflict_identity_not_deletable` where the address that would take
 *   the place is somebody else's
 */
export async function unlinkIdentity(
  { db }: Pick<Gatehouse, 'db'>,
  identity_id: string,
  { user_id, session_id, occasion }: Unlinking,
): Promise<void> {
  const now = occasion.now.toISOString();
  await inTransaction(db, async (tx) => {
    const [locked] = await lockOwnUser(tx, { id: user_id, session_id, now });
    if (!locked || (session_id && !locked.session_found)) throw new AuthError('session_not_found');
    // Read again: a statement that waited for the lock sees the identities of before it waited.
    const [user = locked] = await findUser(tx, { id: user_id });
    if (user.identities.length <= 1) throw new AuthError('single_identity_not_deletable');
    const identity = user.identities.find((one) => one.identity_id === identity_id);
    if (!identity) throw new AuthError('identity_not_found');

    await deleteIdentity(tx, { identity_id });
    if (identity.provider === 'phone') {
      await removePhone(tx, { user_id, now });
      await clearOneTimeTokens(tx, user_id);
    } else {
      await succeed(tx, user, now);
    }
    await setProviders(tx, { user_id, now });
    const details = { identity_id, provider: identity.provider, provider_id: identity.id };
    const by = { outcome: 'success', actor: actorOf(user), subject_id: user_id, session_id } as const;
    await record(tx, { action: 'identity_unlinked', ...by, details }, occasion);
  });
}

/** Another identity's address becomes the user's, unless one that is left has the one that is there. */
async function succeed(tx: Tx, { id: user_id }: UserRow, now: string): Promise<void> {
  const [successor] = await findSuccessor(tx, { user_id });
  if (!successor) throw new AuthError('email_conflict_identity_not_deletable');
  const { email, verified, keeps } = successor;
  if (keeps) return;
  await refuseOvertaken(takeOverEmail(tx, { user_id, email, verified, now }), 'email_conflict_identity_not_deletable');
  await clearOneTimeTokens(tx, user_id);
}
