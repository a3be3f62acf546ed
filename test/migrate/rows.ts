/** What a migration is checked against: all rows of the carried tables, read without the product's own SQL. */
import { createHash } from 'node:crypto';
import pg from 'pg';
import { carriedTables } from '../../src/migrate/tables.ts';

export type Row = Record<string, unknown>;

export async function query<T extends Row>(url: string, text: string, values: unknown[] = []): Promise<T[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query("set timezone = 'UTC'; set extra_float_digits = 3");
    return (await client.query<T>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** Table → its rows as JSON texts, by key. */
export async function carriedRows(url: string): Promise<Record<string, Row[]>> {
  const tables: Record<string, Row[]> = {};
  for (const { name } of carriedTables) {
    const [found] = await query<{ oid: string | null }>(url, `select to_regclass('auth.${name}') as oid`);
    if (found?.oid) {
      const rows = await query<{ row: Row }>(url, `select to_jsonb(t) as row from auth.${name} as t order by id`);
      tables[name] = rows.map(({ row }) => row);
    }
  }
  return tables;
}

/** The source's rows as they should be at the target: refresh tokens as SHA-256, all else untouched. */
export async function expectedRows(sourceAdminUrl: string): Promise<Record<string, Row[]>> {
  const tables = await carriedRows(sourceAdminUrl);
  const sha256 = (value: unknown) => (value ? createHash('sha256').update(String(value)).digest('hex') : value);
  const tokens = tables.refresh_tokens ?? [];
  return {
    ...tables,
    refresh_tokens: tokens.map((row) => ({ ...row, token: sha256(row.token), parent: sha256(row.parent) })),
  };
}

/** A number from the database. */
export async function count(url: string, what: string): Promise<number> {
  const [row] = await query<{ count: number }>(url, `select count(*)::int as count from ${what}`);
  return row?.count ?? Number.NaN;
}
