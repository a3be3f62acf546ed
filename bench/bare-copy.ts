/**
 * The ceiling of an import, a process of its own: the rows of the tables that `gatehouse migrate users` carries, from
 * `COPY … TO STDOUT` into `COPY … FROM STDIN`, in one transaction with foreign keys and triggers off, and nothing asked,
 * counted, remembered or proven. Arguments: tables, or all of them. Environment: SOURCE_URL, TARGET_URL. Tells when it began
 * to copy and when all is copied.
 */
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { carriedTables } from '../src/migrate/tables.ts';

const names = process.argv.slice(2);
const tables = carriedTables.filter(({ name }) => names.length === 0 || names.includes(name));
const tell = (event: string) => process.stdout.write(`${JSON.stringify({ event })}\n`);

const source = new pg.Client(process.env.SOURCE_URL);
const target = new pg.Client(process.env.TARGET_URL);
await Promise.all([source.connect(), target.connect()]);
await source.query('begin isolation level repeatable read read only');
await target.query('begin; set local session_replication_role = replica');
tell('began');
for (const { name } of tables) {
  const { rows } = await target.query<{ columns: string }>(
    `select string_agg(quote_ident(column_name), ', ' order by ordinal_position) as columns
       from information_schema.columns
      where table_schema = 'auth' and table_name = $1 and is_generated = 'NEVER'`,
    [name],
  );
  const columns = rows[0]?.columns;
  await pipeline(
    source.query(copyTo(`copy auth.${name} (${columns}) to stdout`)),
    target.query(copyFrom(`copy auth.${name} (${columns}) from stdin`)),
  );
}
tell('copied');
await target.query('commit');
await Promise.all([source.end(), target.end()]);
