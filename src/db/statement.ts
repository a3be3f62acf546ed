/** Named prepared statements: written once as drizzle's `sql`, parsed and planned once per connection. */
import type { QueryResultRow } from 'pg';
import type { Database, Tx } from './database.ts';
import { PgDialect, type SQL, sql } from './drizzle.ts';

const dialect = new PgDialect();

/** A value that is given at each run. The cast belongs in the SQL: `${arg('id')}::uuid`. */
export const arg = (name: string) => sql.placeholder(name);

/**
 * A statement to run with its arguments, on the database or inside a transaction. Resolves to its rows. Give `name`
 * the statement's own name: PostgreSQL keeps the plan under it.
 */
export function statement<Args extends Record<string, unknown>, Row extends QueryResultRow>(name: string, query: SQL) {
  const compiled = dialect.sqlToQuery(query);
  const names = compiled.params.map((param) => {
    const placeholder = param as { name?: string };
    if (typeof placeholder?.name !== 'string') throw new Error(`${name}: every value of a named statement is an arg()`);
    return placeholder.name;
  });
  const { text, keys } = numberOnce<keyof Args>(compiled.sql, names);
  return async (on: Database | Tx, args: Args): Promise<Row[]> => {
    const values = keys.map((key) => args[key] ?? null);
    const { rows } = await on.$client.query<Row>({ name, text, values });
    return rows;
  };
}

/**
 * One parameter for all uses of a name with the same cast: the time of a refresh stands in its statement ten times, and is
 * sent and read once. A use without a cast keeps a parameter of its own, whose type PostgreSQL finds where it stands.
 */
function numberOnce<Key>(sql: string, names: readonly string[]): { text: string; keys: Key[] } {
  const numbers = new Map<string, number>();
  const keys: Key[] = [];
  const text = sql.replace(/\$(\d+)(::\w+(?:\[\])?)?/g, (use, position: string, cast: string | undefined) => {
    const name = names[Number(position) - 1];
    const identity = cast === undefined ? use : name + cast;
    const number = numbers.get(identity) ?? keys.push(name as Key);
    numbers.set(identity, number);
    return `$${number}${cast ?? ''}`;
  });
  return { text, keys };
}
