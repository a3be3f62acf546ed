/** Whether anything changed: what a refused request must leave as it was. */
import type { TestDatabase } from './postgres.ts';

/**
 * A hash of every table of Supabase's and ours, by its name; two are equal where no row has changed. Not of the audit
 * log, which remembers refusals, nor of what counts them; of mail that waits, which leaves at its own time, only that it does.
 */
export async function fingerprint({ pool }: Pick<TestDatabase, 'pool'>): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ table: string; hash: string }>(`
    select format('%I.%I', schemaname, tablename) as "table",
           (xpath('//hash/text()',
                  query_to_xml(format('select md5(coalesce(string_agg(%1$s::text, chr(10) order by %1$s::text), '''')) as hash
                                         from %2$I.%3$I as t', case tablename when 'mail_outbox' then 't.id' else 't' end,
                                       schemaname, tablename), false, true, '')))[1]::text as hash
      from pg_tables
     where schemaname in ('auth', 'gatehouse') and tablename not in ('rate_limits', 'attempts')
     order by 1`);
  return Object.fromEntries(rows.map(({ table, hash }) => [table, hash]));
}
