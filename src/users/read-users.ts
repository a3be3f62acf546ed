/** GET /admin/users, GET /admin/users/{user_id}: the users of an audience page by page, and one (contract §9.1, §9.3). */
import type { Actor } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { type Database, inTransaction } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Occasion } from '../http/caller.ts';
import type { Page } from '../http/paging.ts';
import type { UserRow } from './user.ts';
import { countUsers, findUser, listUsersOf } from './users.sql.ts';

export interface UserListing {
  aud: string;
  /** A part of the address, or of the full name whatever its case. */
  filter: string | undefined;
  ascending: boolean;
  page: Page;
}

/** Soft-deleted users are listed too; identities and factors are not. */
export async function listUsers(
  db: Database,
  { aud, filter, ascending, page: { limit, offset } }: UserListing,
): Promise<{ total: number; users: UserRow[] }> {
  const [users, [count]] = await Promise.all([
    listUsersOf(db, { aud, filter, ascending, limit, offset }),
    countUsers(db, { aud, filter }),
  ]);
  return { users, total: count?.total ?? 0 };
}

/** No other spelling of an id is looked up (CVE-2025-48370). */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * The user of this id, deleted softly or not.
 *
 * @throws AuthError 404 `validation_failed` for what is no id, 404 `user_not_found` for nobody's
 */
export async function readUser(db: Database, id: string): Promise<UserRow> {
  if (!UUID.test(id)) throw new AuthError('validation_failed', { status: 404, message: 'user_id must be an UUID' });
  const [user] = await findUser(db, { id });
  if (!user) throw new AuthError('user_not_found');
  return user;
}

/**
 * On record as `users_read`: what an administrator sees of people is a use of that right (DESIGN §4). To be written before
 * it is shown: where it cannot be, nothing is.
 *
 * @param read the user that was read, or how much of the list
 */
export async function recordReading(
  db: Database,
  { actor, occasion }: { actor: Actor; occasion: Occasion },
  read: { subject_id: string } | { remarks: { filtered: boolean; offset: string; returned: number } },
): Promise<void> {
  await inTransaction(db, (tx) => record(tx, { action: 'users_read', outcome: 'success', actor, ...read }, occasion));
}

/**
 * Whether `sort` asks for the oldest first. There is one field to sort by, newest first unless it says otherwise.
 *
 * @throws AuthError `validation_failed` for another field or direction
 */
export function isAscending(sort: string | undefined): boolean {
  if (sort === undefined) return false;
  const [field = '', ...rest] = sort.split(' ');
  const direction = rest.join(' ');
  if (field !== 'created_at') throw refused(`bad field for sort '${shown(field)}'`);
  if (rest.length > 0 && !/^(?:asc|desc)$/i.test(direction)) {
    throw refused(`bad direction for sort '${shown(direction)}', only 'asc' and 'desc' allowed`);
  }
  return direction.toLowerCase() === 'asc';
}

/** As much of a word as shows which one is meant. */
const shown = (word: string) => word.slice(0, 32);

function refused(complaint: string): AuthError {
  return new AuthError('validation_failed', { message: `Bad Sort Parameters: ${complaint}` });
}
