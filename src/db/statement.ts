/** Named prepared statements: written once as drizzle's `sql`, parsed and planned once per connection. */
import { type SQL, sql } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import type { QueryResultRow } from 'pg';
import type { Database, Tx } from './database.ts';

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
    return placeholder.name as keyof Args;
  });
  return async (on: Database | Tx, args: Args): Promise<Row[]> => {
    const values = names.map((key) => args[key] ?? null);
    const { rows } = await on.$client.query<Row>({ name, text: compiled.sql, values });
    return rows;
  };
}
