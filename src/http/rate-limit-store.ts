/** Rate limits that all instances share, without a statement per request. */
import type { Database } from '../db/database.ts';
import type { Log } from './log.ts';

export interface RateLimitStoreOptions {
  db: Database;
  clock: () => Date;
  log: Log;
}

export interface RateLimitStore {
  /** Writes what was counted here and learns what was counted elsewhere. */
  flush: () => Promise<void>;
  /** Flushes a last time and stops. */
  close: () => Promise<void>;
}

export function createRateLimitStore(_options: RateLimitStoreOptions): RateLimitStore {
  throw new Error('not yet');
}
