/** What the two databases have: tables, columns, rights, triggers, counts. */
import pg from 'pg';

const { escapeIdentifier } = pg;

export interface ServerFacts {
  server_version: string;
  /** Alike on both sides only when source and target are one database. */
  identity: string;
  /** May turn triggers and foreign keys off for its own session. */
  may_replicate: boolean;
  /** May create in schema auth, as whoever makes an index has to. */
  may_index: boolean;
}

export async function readServerFacts(client: pg.ClientBase): Promise<ServerFacts> {
  const { rows } = await client.query<ServerFacts>(
    `select current_setting('server_version') as server_version,
            format('%s %s', current_database(), pg_postmaster_start_time()) as identity,
            rolsuper or case when current_setting('server_version_num')::integer >= 150000
                             then has_parameter_privilege('session_replication_role', 'set') end as may_replicate,
            coalesce(has_schema_privilege(to_regnamespace('auth'), 'create'), false) as may_index
       from pg_roles
      where rolname = current_user`,
  );
  return rows[0] as ServerFacts;
}

export interface TableFacts {
  /** With its schema unless that is auth. */
  name: string;
  readable: boolean;
  writable: boolean;
  /** May disable its triggers. */
  owned: boolean;
  /** As of the last analyze; -1 when there was none. */
  estimated_rows: number;
}

/** The tables of schema auth and of ours, whether this role may touch them or not. */
export async function listTables(client: pg.ClientBase): Promise<TableFacts[]> {
  const { rows } = await client.query<TableFacts>(
    `select case when n.nspname = 'auth' then c.relname else n.nspname || '.' || c.relname end as name,
            has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as readable,
            has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'insert')
              and has_table_privilege(c.oid, 'update') and has_table_privilege(c.oid, 'delete') as writable,
            pg_has_role(c.relowner, 'usage') as owned,
            c.reltuples::float8 as estimated_rows
       from pg_class as c
       join pg_namespace as n on n.oid = c.relnamespace
      where n.nspname in ('auth', 'gatehouse', 'audit') and c.relkind in ('r', 'p')
      order by c.relname`,
  );
  return rows;
}

export interface Column {
  name: string;
  type: string;
  /** Computed by the database, so it can be neither copied nor written. */
  generated: boolean;
  /** Must be given a value. */
  required: boolean;
}

/** Table → its columns, in their physical order. */
export async function listColumns(client: pg.ClientBase): Promise<Map<string, Column[]>> {
  const { rows } = await client.query<Column & { table: string }>(
    `select c.relname as "table", a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
            a.attgenerated <> '' as generated, a.attnotnull and not a.atthasdef as required
       from pg_attribute as a
       join pg_class as c on c.oid = a.attrelid
      where c.relnamespace = (select oid from pg_namespace where nspname = 'auth')
        and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
      order by c.relname, a.attnum`,
  );
  const columns = new Map<string, Column[]>();
  for (const { table, ...column } of rows) columns.set(table, [...(columns.get(table) ?? []), column]);
  return columns;
}

/** Rows of each table, counted. */
export async function countRows(client: pg.ClientBase, tables: Iterable<string>): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const table of tables) {
    const { rows } = await client.query<{ count: string }>(`select count(*) from auth.${escapeIdentifier(table)}`);
    counts.set(table, Number(rows[0]?.count));
  }
  return counts;
}

/** The newest schema change of Supabase Auth that the database has seen. */
export async function findGotrueSchema(client: pg.ClientBase): Promise<string | undefined> {
  const { rows } = await client.query<{ version: string | null }>(
    'select max(version) as version from auth.schema_migrations',
  );
  return rows[0]?.version ?? undefined;
}

export interface PortalTrigger {
  table: string;
  name: string;
  /** Fires even where triggers are turned off for the session (`ENABLE ALWAYS`, `ENABLE REPLICA`). */
  insistent: boolean;
}

/** Triggers that the portal hung on tables of schema auth. */
export async function listPortalTriggers(client: pg.ClientBase): Promise<PortalTrigger[]> {
  const { rows } = await client.query<PortalTrigger>(
    `select c.relname as "table", t.tgname as name, t.tgenabled in ('A', 'R') as insistent
       from pg_trigger as t
       join pg_class as c on c.oid = t.tgrelid
      where c.relnamespace = (select oid from pg_namespace where nspname = 'auth')
        and not t.tgisinternal and t.tgenabled <> 'D'
      order by 1, 2`,
  );
  return rows;
}
