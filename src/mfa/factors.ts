/** Second factors and passkeys of a user, as an administrator changes and removes them (contract §9.6). */
import pg from 'pg';
import { record } from '../audit/record.ts';
import { inTransaction } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { phoneNumber } from '../users/address.ts';
import type { Administration } from '../users/create-user.ts';
import { actorOf, type Factor, type UserRow } from '../users/user.ts';
import { findUser, lockUser } from '../users/users.sql.ts';
import { deleteFactor, deletePasskey, updateFactor } from './factors.sql.ts';

/** What an administrator says of a factor; absent and empty change nothing. */
export interface FactorChange {
  friendly_name?: string | undefined;
  /** Of a factor that is a phone; of others it is passed over. */
  phone?: string | undefined;
}

/** No other spelling of an id is looked up (CVE-2025-48370). */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * The factor of this id among the user's.
 *
 * @throws AuthError 404 `validation_failed` for what is no id, 404 `mfa_factor_not_found` for nobody's and others'
 */
export function factorOf(user: UserRow, factor_id: string): Factor {
  if (!UUID.test(factor_id)) {
    throw new AuthError('validation_failed', { status: 404, message: 'factor_id must be an UUID' });
  }
  const factor = user.factors.find(({ id }) => id === factor_id.toLowerCase());
  if (!factor) throw new AuthError('mfa_factor_not_found');
  return factor;
}

/** GoTrue takes any, and fails where PostgreSQL's index has no room for it. */
const NAME_MAX_LENGTH = 255;

/**
 * Renames a factor, or gives a phone another number. On record as `factor_updated`, changed or not.
 *
 * @throws AuthError `validation_failed` for what is no number or a name too long; `mfa_factor_name_conflict`, `phone_exists` where another
 *   factor of the user has the name or the number; `mfa_factor_not_found` where it was removed meanwhile
 */
export async function changeFactor(
  { db }: Pick<Gatehouse, 'db'>,
  { id: user_id }: UserRow,
  { id: factor_id, factor_type }: Factor,
  change: FactorChange,
  { actor, occasion }: Administration,
): Promise<Factor> {
  const friendly_name = change.friendly_name || undefined;
  if (friendly_name && [...friendly_name].length > NAME_MAX_LENGTH) {
    throw new AuthError('validation_failed', {
      message: `friendly_name is too long (max ${NAME_MAX_LENGTH} characters)`,
    });
  }
  const phone = change.phone && factor_type === 'phone' ? phoneNumber(change.phone) : undefined;
  return inTransaction(db, async (tx) => {
    await lockUser(tx, { id: user_id });
    if (friendly_name !== undefined || phone !== undefined) {
      const now = occasion.now.toISOString();
      await refuseTwin(updateFactor(tx, { user_id, factor_id, friendly_name, phone, now }));
    }
    const [user] = await findUser(tx, { id: user_id });
    const after = user?.factors.find(({ id }) => id === factor_id);
    if (!after) throw new AuthError('mfa_factor_not_found');
    const event = { action: 'factor_updated', outcome: 'success', actor, subject_id: user_id } as const;
    await record(tx, { ...event, details: { user_id, factor_id, factor_type } }, occasion);
    return after;
  });
}

async function refuseTwin<T>(change: Promise<T>): Promise<T> {
  try {
    return await change;
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.constraint === 'mfa_factors_user_friendly_name_unique') {
      throw new AuthError('mfa_factor_name_conflict', { cause: error });
    }
    if (error instanceof pg.DatabaseError && error.constraint === 'unique_phone_factor_per_user') {
      throw new AuthError('phone_exists', {
        cause: error,
        message: 'Another factor of the user has this phone number',
      });
    }
    throw error;
  }
}

/**
 * Removes a factor; the sessions that it raised fall back to aal1. On record as `factor_deleted`: GoTrue's own table names the
 * user as who acted, ours the administrator.
 *
 * @throws AuthError `mfa_factor_not_found` where it was removed meanwhile
 */
export async function removeFactor(
  { db }: Pick<Gatehouse, 'db'>,
  user: UserRow,
  { id: factor_id }: Factor,
  { actor, occasion }: Administration,
): Promise<void> {
  const { id: user_id } = user;
  await inTransaction(db, async (tx) => {
    await lockUser(tx, { id: user_id });
    const [gone] = await deleteFactor(tx, { user_id, factor_id });
    if (!gone) throw new AuthError('mfa_factor_not_found');
    const event = { action: 'factor_deleted', outcome: 'success', actor, subject_id: user_id } as const;
    await record(tx, { ...event, gotrue_actor: actorOf(user), details: { user_id, factor_id } }, occasion);
  });
}

/**
 * Removes a passkey of the user. On record as `passkey_deleted`.
 *
 * @throws AuthError 404 `validation_failed` for nobody's, others' and what is no id
 */
export async function removePasskey(
  { db }: Pick<Gatehouse, 'db'>,
  { id: user_id }: UserRow,
  passkey_id: string,
  { actor, occasion }: Administration,
): Promise<void> {
  const unknown = () => new AuthError('validation_failed', { status: 404, message: 'Passkey not found' });
  if (!UUID.test(passkey_id)) throw unknown();
  await inTransaction(db, async (tx) => {
    const [gone] = await deletePasskey(tx, { user_id, passkey_id });
    if (!gone) throw unknown();
    const event = { action: 'passkey_deleted', outcome: 'success', actor, subject_id: user_id } as const;
    await record(tx, { ...event, details: { user_id, passkey_id: gone.id } }, occasion);
  });
}
