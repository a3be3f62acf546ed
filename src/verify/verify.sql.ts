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
    "select to_regclass('gatehouse.migrated_rows') is not null as keeps",
  );
  return rows[0]?.keeps ?? false;
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

/** Whether the target keeps a ledger that this role may write to. */
export async function hasLedger(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(
    `select coalesce(has_table_privilege(to_regclass('gatehouse.migration_ledger'), 'insert'), false)
              and not pg_is_in_recovery() as there`,
  );
  return rows[0]?.there ?? false;
}

/** In which its texts are stored. */
export async function readEncoding(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ encoding: string }>("select current_setting('server_encoding') as encoding");
  return rows[0]?.encoding ?? '';
}
