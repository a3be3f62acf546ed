/** An address belongs to one person. Who is first is decided by the database. */
import pg from 'pg';
import type { Database, Tx } from '../db/database.ts';
import { AuthError, type ErrorCode } from '../errors.ts';
import { findTaken } from './users.sql.ts';

interface Addresses {
  email?: string | undefined;
  phone?: string | undefined;
  /** The user who may have them already. */
  except?: string | undefined;
}

/** @throws AuthError `email_exists` or `phone_exists` for what somebody else has */
export async function refuseTaken(on: Database | Tx, { email, phone, except }: Addresses): Promise<void> {
  if (!email && !phone) return;
  const [taken] = await findTaken(on, { email, phone, except });
  if (taken?.email_taken) throw new AuthError('email_exists');
  if (taken?.phone_taken) throw new AuthError('phone_exists');
}

/**
 * Runs a change of address. An update has no `on conflict`: who loses a race learns it from the unique index, and the
 * transaction is over.
 *
 * @param email_code what it is called where that was the email address
 * @throws AuthError `email_exists` or `phone_exists` where somebody was faster
 */
export async function refuseOvertaken<T>(change: Promise<T>, email_code: ErrorCode = 'email_exists'): Promise<T> {
  try {
    return await change;
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.constraint === 'users_email_partial_key') {
      throw new AuthError(email_code, { cause: error });
    }
    if (error instanceof pg.DatabaseError && error.constraint === 'users_phone_key') {
      throw new AuthError('phone_exists', { cause: error });
    }
    throw error;
  }
}
