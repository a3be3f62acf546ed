/** What the rooms see of PostgreSQL: a database to ask, a transaction to change it in. */
import type { Pool, PoolClient } from 'pg';
import { AuthError } from '../errors.ts';
import { drizzle, type NodePgDatabase } from './drizzle.ts';

/** Questions go here. Each runs on a connection of its own. */
export type Database = NodePgDatabase & { $client: Pool };

declare const insideTransaction: unique symbol;

/** Proof that a transaction is open: what must be written together asks for one. */
export type Tx = NodePgDatabase & { $client: PoolClient; readonly [insideTransaction]: true };

export function createDatabase(pool: Pool): Database {
  return drizzle(pool);
}

/**
 * Runs work in one transaction. Return commits; throw rolls back. A returned AuthError is committed, then thrown: so a
 * refusal that must be remembered is returned, and one that must leave no trace is thrown.
 */
export async function inTransaction<T>(db: Database, work: (tx: Tx) => Promise<T | AuthError>): Promise<T> {
  const result = await committed(db, work);
  if (result instanceof AuthError) throw result;
  return result;
}

/** Whether the database answers in time. */
export async function answersWithin(db: Database, milliseconds: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, milliseconds, false);
  const answered = db.$client.query('select 1').then(
    () => true,
    () => false,
  );
  return Promise.race([answered, late]).finally(() => clearTimeout(timer));
}

async function committed<T>(db: Database, work: (tx: Tx) => Promise<T>): Promise<T> {
  const client = await db.$client.connect();
  let lost: Error | undefined;
  try {
    await client.query('begin');
    const result = await work(drizzle(client) as unknown as Tx);
    await client.query('commit');
    return result;
  } catch (error) {
    // A connection that cannot even roll back is not handed to anybody else.
    await client.query('rollback').catch((failure: Error) => {
      lost = failure;
    });
    throw error;
  } finally {
    client.release(lost);
  }
}
