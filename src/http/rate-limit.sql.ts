/** gatehouse.rate_limits: what callers have spent of their allowance, shared by all instances. */
import { sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';

/** Milliseconds since the epoch: these times are only ever added to and compared. */
export interface SpentUntil {
  key: string;
  spent_until_ms: number;
}

/**
 * Moves every key on by its cost in milliseconds, from now at the earliest, and answers how far it is after all
 * instances' requests. Additions commute, so no instance waits for another's count; keys go in order, so that two
 * batches never wait for each other.
 */
export const spendRateLimits = statement<{ keys: string[]; costs_ms: number[]; now: string }, SpentUntil>(
  'spend_rate_limits',
  sql`
  insert into gatehouse.rate_limits as shared (key, spent_until)
  select spent.key, ${arg('now')}::timestamptz + spent.cost_ms * interval '1 millisecond'
    from unnest(${arg('keys')}::text[], ${arg('costs_ms')}::float8[]) as spent (key, cost_ms)
   order by spent.key
      on conflict (key) do update
     set spent_until = greatest(shared.spent_until, ${arg('now')}::timestamptz)
                     + (excluded.spent_until - ${arg('now')}::timestamptz)
  returning key, extract(epoch from spent_until)::float8 * 1000 as spent_until_ms`,
);

/** Keys that have spent something, those that are furthest ahead first. */
export const listSpentRateLimits = statement<{ now: string; limit: number }, SpentUntil>(
  'list_spent_rate_limits',
  sql`
  select key, extract(epoch from spent_until)::float8 * 1000 as spent_until_ms
    from gatehouse.rate_limits
   where spent_until > ${arg('now')}::timestamptz
   order by spent_until desc
   limit ${arg('limit')}::int`,
);

/** Removes keys that have nothing spent; those that somebody writes right now stay. */
export const deleteUnspentRateLimits = statement<{ now: string }, never>(
  'delete_unspent_rate_limits',
  sql`
  delete from gatehouse.rate_limits
   where key in (select key from gatehouse.rate_limits
                  where spent_until < ${arg('now')}::timestamptz
                  limit 10000
                    for update skip locked)`,
);

/**
 * Spends one of a budget that all instances share, exactly: no row where that would take it beyond `allowance_ms` after
 * `from`. The row stays locked until the transaction ends, so this comes last in it.
 */
export const spendFromBudget = statement<
  { key: string; from: string; cost_ms: number; allowance_ms: number },
  { key: string }
>(
  'spend_from_budget',
  sql`
  insert into gatehouse.rate_limits as shared (key, spent_until)
  values (${arg('key')}::text, ${arg('from')}::timestamptz + ${arg('cost_ms')}::float8 * interval '1 millisecond')
      on conflict (key) do update
     set spent_until = greatest(shared.spent_until, ${arg('from')}::timestamptz)
                     + ${arg('cost_ms')}::float8 * interval '1 millisecond'
   where greatest(shared.spent_until, ${arg('from')}::timestamptz) + ${arg('cost_ms')}::float8 * interval '1 millisecond'
         <= ${arg('from')}::timestamptz + ${arg('allowance_ms')}::float8 * interval '1 millisecond'
  returning key`,
);

/** How far the furthest of these keys is ahead; null where none of them has spent anything. */
export const findSpentUntil = statement<{ keys: readonly string[]; now: string }, { spent_until_ms: number | null }>(
  'find_spent_until',
  sql`
  select extract(epoch from max(spent_until))::float8 * 1000 as spent_until_ms
    from gatehouse.rate_limits
   where key = any(${arg('keys')}::text[]) and spent_until > ${arg('now')}::timestamptz`,
);

/** Who holds a key is alone with it until the transaction ends. */
export const holdKey = statement<{ key: string }, never>(
  'hold_rate_limit_key',
  sql`select pg_advisory_xact_lock(hashtextextended(${arg('key')}::text, 0))`,
);
