/** DELETE /admin/users/{user_id}: an administrator removes a user, or what makes the row one (contract §9.3). */
import pg from 'pg';
import { record } from '../audit/record.ts';
import { inTransaction } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Administration } from './create-user.ts';
import { deleteUserRow, lockUser, softDeleteUser } from './users.sql.ts';

const FOREIGN_KEY_VIOLATION = '23503';

/**
 * Removes the row and everything that refers to it, or, softly, leaves a row with pseudonyms in place of a person. Either
 * way sessions and tokens are gone and the address is free. A soft deletion twice is one, and both are on record.
 *
 * @throws AuthError `user_not_found`; `conflict` where a table of the portal refers to the user and does not cascade
 */
export async function deleteUser(
  { db }: Gatehouse,
  id: string,
  { softly, actor, occasion }: Administration & { softly: boolean },
): Promise<void> {
  await inTransaction(db, async (tx) => {
    const [user] = await lockUser(tx, { id });
    if (!user) throw new AuthError('user_not_found');
    if (!softly) await refuseReferred(deleteUserRow(tx, { id }));
    else if (!user.deleted_at) await softDeleteUser(tx, { id, now: occasion.now.toISOString() });
    const details = { user_id: id, user_email: user.email ?? '', user_phone: user.phone ?? '' };
    const remarks = { softly };
    await record(tx, { action: 'user_deleted', outcome: 'success', actor, subject_id: id, details, remarks }, occasion);
  });
}

async function refuseReferred<T>(deletion: Promise<T>): Promise<T> {
  try {
    return await deletion;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== FOREIGN_KEY_VIOLATION) throw error;
    throw new AuthError('conflict', {
      message: 'The user cannot be deleted: rows of other tables refer to it',
      reason: `${error.schema}.${error.table} refers to the user`,
      cause: error,
    });
  }
}
