/** All rows of a portal as one value per table: two portals with the same rows have the same. */
import pg from 'pg';

const portalSchemas = ['public', 'storage', 'supabase_migrations'];

/** Table → its rows, counted and summed up, whatever their order and the server's defaults. */
export async function portalRows(url: string): Promise<Record<string, string>> {
  return asClient(url, async (client) => {
    await client.query("set extra_float_digits = 3; set timezone = 'UTC'; set bytea_output = 'hex'");
    const { rows: tables } = await client.query<{ table: string }>(
      `select format('%I.%I', n.nspname, c.relname) as "table"
         from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        where n.nspname = any ($1) and c.relkind in ('r', 'm') order by 1`,
      [portalSchemas],
    );
    const sums: Record<string, string> = {};
    for (const { table } of tables) {
      const { rows } = await client.query<{ sum: string }>(
        `select count(*) || ' ' || coalesce(md5(string_agg(t::text, chr(10) order by t::text collate "C")), '') as sum
           from only ${table} as t`,
      );
      sums[table] = rows[0]?.sum ?? '';
    }
    return sums;
  });
}

export async function asClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The rows of one query. */
export const ask = <Row extends object>(url: string, text: string, values: unknown[] = []): Promise<Row[]> =>
  asClient(url, async (client) => (await client.query<Row>(text, values)).rows);
