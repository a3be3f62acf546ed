/** What a verification asks the two databases beside what it compares. */
import type pg from 'pg';
import { pinSettings } from '../migrate/source.sql.ts';

/** Begins a transaction that reads of one moment. */
export async function beginReading(client: pg.ClientBase): Promise<void> {
  await client.query('begin transaction isolation level repeatable read read only');
  await pinSettings(client);
}

/** Whether gatehouse keeps users there. */
export async function keepsUsers(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ keeps: boolean }>(
    `select count(*) > 0 as keeps
       from pg_class as c
      where c.relname = 'migrated_rows'
        and c.relnamespace = (select oid from pg_namespace where nspname = 'gatehouse')`,
  );
  return rows[0]?.keeps ?? false;
}

/** The newest copy into this database, where it has not come to its end; undefined where it has, where there is none, or none may be seen. */
export async function findUnfinishedCopy(client: pg.ClientBase): Promise<{ since: string; from: string } | undefined> {
  const { rows: tables } = await client.query(
    `select from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
      where (n.nspname, c.relname) = ('gatehouse', 'portal_copies')
        and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')`,
  );
  if (tables.length === 0) return undefined;
  const { rows } = await client.query<{ since: string; from: string; finished: boolean }>(
    `select started_at::text as since, source_address as from, finished_at is not null as finished
       from gatehouse.portal_copies
      order by started_at desc
      limit 1`,
  );
  return rows[0]?.finished === false ? rows[0] : undefined;
}

/** Roles that own something in these schemas, or one of them, whoever owns most first. */
export async function listOwners(client: pg.ClientBase, schemas: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ owner: string }>(
    `select pg_get_userbyid(o.owner)::text as owner
       from (select nspowner as owner, nspname from pg_namespace
             union all
             select c.relowner, n.nspname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
             union all
             select p.proowner, n.nspname from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace) as o
      where o.nspname = any ($1)
      group by 1
      order by count(*) desc, 1`,
    [schemas],
  );
  return rows.map(({ owner }) => owner);
}

/** Names of the tables of schema auth. */
export async function listAuthTables(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select c.relname::text as name
       from pg_class as c
      where c.relnamespace = to_regnamespace('auth') and c.relkind in ('r', 'p')
      order by 1`,
  );
  return rows.map(({ name }) => name);
}

/** Where a verification is written down: whether it is there, what of it is closed to this role, whether nobody may write now. */
export async function readPlaceOfRecord(
  client: pg.ClientBase,
): Promise<{ there: boolean; closed: string[]; read_only: boolean }> {
  const { rows } = await client.query<{ there: boolean; closed: string[]; read_only: boolean }>(
    `select count(*) = 2 as there,
            coalesce(array_agg(c.name order by c.name) filter (where not c.writable), '{}') as closed,
            current_setting('transaction_read_only') = 'on' as read_only
       from (select n.nspname || '.' || c.relname as name,
                    has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'insert') as writable
               from pg_class as c
               join pg_namespace as n on n.oid = c.relnamespace
              where (n.nspname, c.relname) in (('gatehouse', 'migration_ledger'), ('audit', 'events'))) as c`,
  );
  return rows[0] ?? { there: false, closed: [], read_only: true };
}

/** In which its texts are stored. */
export async function readEncoding(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ encoding: string }>("select current_setting('server_encoding') as encoding");
  return rows[0]?.encoding ?? '';
}
