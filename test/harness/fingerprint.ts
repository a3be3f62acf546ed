/** Whether anything changed: what a refused request must leave as it was. */
import type pg from 'pg';
import type { TestDatabase } from './postgres.ts';

/**
 * A hash of every table of Supabase's and ours, by its name; two are equal where no row has changed. Not of the audit
 * log, which remembers refusals, nor of what counts them, nor of how far an earlier mail is on its way.
 */
export async function fingerprint({ pool }: Pick<TestDatabase, 'pool'>): Promise<Record<string, string>> {
  const question = questions.get(pool) ?? (await makeQuestion(pool));
  questions.set(pool, question);
  const { rows } = await pool.query<{ table: string; hash: string }>({ name: 'fingerprint', text: question });
  return Object.fromEntries(rows.map(({ table, hash }) => [table, hash]));
}

/** By pool, the one statement that asks all its tables. */
const questions = new WeakMap<pg.Pool, string>();

async function makeQuestion(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ table: string }>(`
    select format('%I.%I', schemaname, tablename) as "table" from pg_tables
     where schemaname in ('auth', 'gatehouse') and tablename not in ('rate_limits', 'attempts')
     order by 1`);
  return rows
    .map(({ table }) => {
      const row = table === 'gatehouse.mail_outbox' ? '(t.id, t.recipient, t.kind)' : 't';
      return `select '${table}' as "table", md5(string_agg(${row}::text, chr(10) order by ${row}::text)) as hash from ${table} as t`;
    })
    .join('\nunion all ');
}
