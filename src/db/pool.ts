/** The connection to PostgreSQL: one pool per class of work, values as the wire wants them. */
import pg from 'pg';

/** What every connection of ours is set to, so that a value reads the same whatever the server's defaults are. */
const session = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  extra_float_digits: '3',
  // Whoever may create in `public`, as the makers of a portal may, cannot slip a function or an operator of theirs into our
  // statements. It is what Supabase Auth has, and so what the portal's triggers on these tables count on.
  search_path: 'auth',
  statement_timeout: '10s',
  lock_timeout: '5s',
  idle_in_transaction_session_timeout: '15s',
};

const { builtins } = pg.types;

/**
 * PostgreSQL's ISO text as RFC 3339 with microseconds and no trailing zeros, which is how GoTrue prints times
 * (contract §2.0). A `Date` would cut the microseconds. `infinity` and BC dates stay as PostgreSQL spells them.
 */
function rfc3339(text: string): string {
  return text.endsWith('+00') ? `${text.slice(0, 10)}T${text.slice(11, -3)}Z` : text;
}

const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (format !== 'binary') {
      if (oid === builtins.TIMESTAMPTZ) return rfc3339;
      if (oid === builtins.TIMESTAMP) return (text: string) => text;
      if (oid === builtins.INT8) return Number;
    }
    return pg.types.getTypeParser(oid, format as 'text');
  },
};

export interface PoolOptions {
  connection: pg.PoolConfig;
  /** Shown in pg_stat_activity. */
  application_name: string;
  max: number;
}

/**
 * A pool whose connections speak UTC, exact floats and bounded statements. `timestamptz` arrives as an RFC 3339
 * string, `bigint` as a number: what we store in one stays below 2^53.
 */
export function createPool({ connection, application_name, max }: PoolOptions): pg.Pool {
  const options = Object.entries(session)
    .map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`)
    .join(' ');
  const pool = new pg.Pool({
    ...connection,
    application_name,
    max,
    options,
    types,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
  });
  // A connection that breaks while nobody waits for it, idle in the pool or between two statements of a transaction, fails
  // its next statement; without a listener it would end the process.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}
