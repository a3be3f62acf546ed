/** Races that happen: requests get as far as one lock, wait for it together, and are then let go. */
import { expect } from 'vitest';
import type { TestDatabase } from './postgres.ts';

const WAITING = `
  select count(*)::int as n from pg_stat_activity
   where datname = current_database() and wait_event_type = 'Lock'`;
const PATIENCE_MS = 10_000;

/** Makes requests that all need this user's row, half of the service's connections' worth of them at the very same time. */
export function atOnce<T>(
  database: Pick<TestDatabase, 'pool'>,
  user_id: string,
  requests: () => Iterable<PromiseLike<T>>,
): Promise<T[]> {
  return behind(database, `select from auth.users where id = '${user_id}' for update`, requests);
}

/** The same for requests that are going to make a user. */
export function atOnceNew<T>(
  database: Pick<TestDatabase, 'pool'>,
  requests: () => Iterable<PromiseLike<T>>,
): Promise<T[]> {
  return behind(database, 'lock table auth.users in share row exclusive mode', requests);
}

async function behind<T>(
  { pool }: Pick<TestDatabase, 'pool'>,
  lock: string,
  requests: () => Iterable<PromiseLike<T>>,
): Promise<T[]> {
  const holder = await pool.connect();
  try {
    await holder.query('begin');
    await holder.query(lock);
    const answers = Promise.all(requests());
    const waiting = async () => (await pool.query<{ n: number }>(WAITING)).rows[0]?.n;
    await expect.poll(waiting, { timeout: PATIENCE_MS }).toBeGreaterThan(5);
    await holder.query('commit');
    return await answers;
  } finally {
    holder.release();
  }
}
