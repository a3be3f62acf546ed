/**
 * Rate limits that all instances share, without a statement per request. Each bucket is a token bucket, kept as one
 * time per caller (GCRA): `spent until`, which every request moves on by what it costs and the clock catches up with.
 * An instance judges by what it knows and, at most 250 ms after a request, adds its share to the row in PostgreSQL and
 * learns everybody's. So:
 * - a caller who asks n instances at once gets at most n bursts, once: from then on the row knows, and the overdraft
 *   is paid back before anything else is let through;
 * - a restart forgets nothing older than those 250 ms;
 * - while the database is away every instance limits by its own count, and settles up when it is back.
 */
import type { Store } from 'express-rate-limit';
import type { Database } from '../db/database.ts';
import { faultOf } from './fault.ts';
import type { Log } from './log.ts';
import { deleteUnspentRateLimits, listSpentRateLimits, type SpentUntil, spendRateLimits } from './rate-limit.sql.ts';

const FLUSH_INTERVAL_MS = 250;
const CLEANING_INTERVAL_MS = 60_000;
/** Some 20 MB. Beyond it the callers known longest are forgotten, and the row in PostgreSQL reminds us. */
const CALLERS_MAX = 100_000;

export interface Bucket {
  name: string;
  /** Requests that a caller may make at once. */
  burst: number;
  /** Requests that it may make over time, per `per_seconds`. */
  refill: number;
  per_seconds: number;
}

export interface RateLimitStore {
  /** The bucket as express-rate-limit counts with it, for a limiter whose `limit` is the burst. */
  bucket: (bucket: Bucket) => Store;
  /** Shares what was counted here and learns what was counted elsewhere. Never fails: what cannot be shared is kept. */
  flush: () => Promise<void>;
  /** Shares a last time. */
  close: () => Promise<void>;
}

interface Spent {
  /** As far as this instance knows; milliseconds since the epoch. */
  until: number;
  /** The part of it that PostgreSQL does not know of. */
  unshared: number;
}

export interface RateLimitStoreOptions {
  db: Database;
  clock: () => Date;
  log: Log;
}

/** A store that knows what is spent already: it reads the table first, and begins to count meanwhile. */
export function createRateLimitStore({ db, clock, log }: RateLimitStoreOptions): RateLimitStore {
  const callers = new Map<string, Spent>();
  let timer: NodeJS.Timeout | undefined;
  let cleanedAt = clock().getTime();
  let databaseAway = false;
  let sharing = guarded(remember);

  function spentBy(key: string): Spent {
    const known = callers.get(key);
    if (known) return known;
    if (callers.size >= CALLERS_MAX) callers.delete(callers.keys().next().value ?? key);
    const spent = { until: 0, unshared: 0 };
    callers.set(key, spent);
    return spent;
  }

  function spend(spent: Spent, from: number, cost: number): void {
    spent.until = from + cost;
    spent.unshared += cost;
    timer ??= setTimeout(flush, FLUSH_INTERVAL_MS).unref();
  }

  async function remember(): Promise<void> {
    learn(await listSpentRateLimits(db, { now: clock().toISOString(), limit: CALLERS_MAX }));
  }

  function learn(rows: SpentUntil[]): void {
    for (const { key, spent_until_ms } of rows) {
      const spent = spentBy(key);
      spent.until = spent_until_ms + spent.unshared;
    }
  }

  async function share(): Promise<void> {
    const now = clock();
    const batch = [...callers].flatMap(([key, spent]) =>
      spent.unshared ? [{ key, spent, cost: spent.unshared }] : [],
    );
    for (const { spent } of batch) spent.unshared = 0;
    try {
      if (batch.length > 0) {
        const keys = batch.map(({ key }) => key);
        const costs_ms = batch.map(({ cost }) => cost);
        learn(await spendRateLimits(db, { keys, costs_ms, now: now.toISOString() }));
      }
    } catch (error) {
      for (const { spent, cost } of batch) spent.unshared += cost;
      timer ??= setTimeout(flush, FLUSH_INTERVAL_MS).unref();
      throw error;
    }
    if (now.getTime() - cleanedAt >= CLEANING_INTERVAL_MS) await clean(now);
  }

  async function clean(now: Date): Promise<void> {
    cleanedAt = now.getTime();
    for (const [key, spent] of callers) if (spent.until < cleanedAt && !spent.unshared) callers.delete(key);
    await deleteUnspentRateLimits(db, { now: now.toISOString() });
  }

  async function guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      databaseAway = false;
    } catch (error) {
      if (!databaseAway) log.warn({ fault: faultOf(error) }, 'rate limits are counted by each instance alone for now');
      databaseAway = true;
    }
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    // One batch at a time: an older answer must not overwrite a newer one.
    sharing = sharing.then(() => guarded(share));
    return sharing;
  }

  return {
    flush,
    close: async () => {
      await flush();
      clearTimeout(timer);
    },
    bucket: ({ name, burst, refill, per_seconds }) => {
      const cost = Math.max(1, Math.round((per_seconds * 1000) / refill));
      const allowance = burst * cost;
      return {
        localKeys: false,
        prefix: `${name}:`,
        increment: (caller) => {
          const now = clock().getTime();
          const spent = spentBy(`${name}:${caller}`);
          const from = Math.max(spent.until, now);
          // A refused request costs nothing: waiting is enough.
          if (from + cost - now > allowance) {
            return { totalHits: burst + 1, resetTime: new Date(from + cost - allowance) };
          }
          spend(spent, from, cost);
          return { totalHits: Math.ceil((spent.until - now) / cost), resetTime: new Date(spent.until) };
        },
        decrement: (caller) => {
          const spent = spentBy(`${name}:${caller}`);
          spend(spent, spent.until, -cost);
        },
        resetKey: (caller) => {
          const spent = spentBy(`${name}:${caller}`);
          spend(spent, spent.until, clock().getTime() - spent.until);
        },
      };
    },
  };
}
