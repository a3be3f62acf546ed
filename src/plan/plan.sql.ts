/** What a plan asks of a server and of a portal, beyond its definitions: nothing is changed. */
import type pg from 'pg';

export interface Server {
  version: string;
  version_num: number;
  role: string;
  superuser: boolean;
  bypasses_rls: boolean;
  may_create_roles: boolean;
  /** TLS of this connection; null where it is in the clear. */
  tls: string | null;
  encoding: string;
  /** How the database sorts text. */
  collation: string;
  /** Of the database, or of the role: the smaller. -1 for none. */
  connection_limit: number;
  standby: boolean;
  /** No pooler is in between; one that is keeps the connection together, or nothing would be planned. */
  direct: boolean;
}

export async function readServer(client: pg.Client): Promise<Server> {
  // A pooler answers for itself when it says which process one speaks with.
  const { processID } = client as unknown as { processID: number };
  const { rows } = await client.query<Server>(
    `select current_setting('server_version') as version, current_setting('server_version_num')::int as version_num,
            r.rolname::text as role, r.rolsuper as superuser, r.rolsuper or r.rolbypassrls as bypasses_rls,
            r.rolsuper or r.rolcreaterole as may_create_roles,
            (select s.version from pg_stat_ssl as s where s.pid = pg_backend_pid() and s.ssl) as tls,
            pg_encoding_to_char(d.encoding)::text as encoding,
            coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', d.datcollate) as collation,
            case when r.rolconnlimit < 0 then d.datconnlimit when d.datconnlimit < 0 then r.rolconnlimit
                 else least(d.datconnlimit, r.rolconnlimit) end as connection_limit,
            pg_is_in_recovery() as standby, pg_backend_pid() = $1 as direct
       from pg_roles as r, pg_database as d
      where r.rolname = current_user and d.datname = current_database()`,
    [processID],
  );
  return rows[0] as Server;
}

export interface Unreadable {
  table: string;
  reason: 'no right' | 'row level security';
}

/** Tables of these schemas of which this role would not see every row. */
export async function listUnreadable(client: pg.ClientBase, schemas: readonly string[]): Promise<Unreadable[]> {
  const { rows } = await client.query<Unreadable>(
    `select format('%I.%I', n.nspname, c.relname) as "table",
            case when has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
                 then 'row level security' else 'no right' end as reason
       from pg_class as c
       join pg_namespace as n on n.oid = c.relnamespace
      where n.nspname = any ($1) and c.relkind in ('r', 'p')
        and (not has_schema_privilege(n.oid, 'usage') or not has_table_privilege(c.oid, 'select')
             or row_security_active(c.oid))
        and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e')
      order by 1`,
    [schemas],
  );
  return rows;
}

export interface Sizes {
  /** As of the last analyze; those of tables that never had one are not in it. */
  estimated_rows: number;
  /** With what lies beside them (TOAST). */
  table_bytes: number;
  index_bytes: number;
  large_objects: number;
  largest: { table: string; bytes: number }[];
}

/** What these schemas take on the source's disk. */
export async function readSizes(client: pg.ClientBase, schemas: readonly string[]): Promise<Sizes> {
  const { rows } = await client.query<Sizes>(
    `with sized as materialized (
       select format('%I.%I', n.nspname, c.relname) as "table", greatest(c.reltuples, 0)::float8 as rows,
              coalesce(pg_table_size(c.oid), 0)::float8 as bytes, coalesce(pg_indexes_size(c.oid), 0)::float8 as index_bytes
         from pg_class as c
         join pg_namespace as n on n.oid = c.relnamespace
        where n.nspname = any ($1) and c.relkind in ('r', 'm'))
     select coalesce(sum(rows), 0)::float8 as estimated_rows, coalesce(sum(bytes), 0)::float8 as table_bytes,
            coalesce(sum(index_bytes), 0)::float8 as index_bytes,
            (select count(*)::float8 from pg_largeobject_metadata) as large_objects,
            coalesce((select jsonb_agg(jsonb_build_object('table', "table", 'bytes', bytes))
                        from (select * from sized where bytes > 0 order by bytes desc, "table" limit 5) as largest), '[]') as largest
       from sized`,
    [schemas],
  );
  return rows[0] as Sizes;
}

/** What is kept for Supabase's own services to act on; undefined where the database has none, or does not let us look. */
export interface ServiceHoldings {
  stored_files: number | undefined;
  stored_bytes: number | undefined;
  cron_jobs: number | undefined;
  vault_secrets: number | undefined;
  /** Names of what this database follows elsewhere. */
  subscriptions: string[];
}

export async function readServiceHoldings(client: pg.ClientBase): Promise<ServiceHoldings> {
  const { rows } = await client.query<{ name: string; readable: boolean }>(
    `select n.nspname || '.' || c.relname as name,
            has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') and not row_security_active(c.oid)
              as readable
       from pg_class as c
       join pg_namespace as n on n.oid = c.relnamespace
      where (n.nspname, c.relname) in (('storage', 'objects'), ('cron', 'job'), ('vault', 'secrets'))`,
  );
  const readable = new Set(rows.filter(({ readable }) => readable).map(({ name }) => name));
  const count = async (table: string) => {
    if (!readable.has(table)) return undefined;
    const { rows } = await client.query<{ count: number }>(`select count(*)::int as count from ${table}`);
    return rows[0]?.count;
  };
  return {
    stored_files: await count('storage.objects'),
    stored_bytes: readable.has('storage.objects') ? await sumFiles(client) : undefined,
    cron_jobs: await count('cron.job'),
    vault_secrets: await count('vault.secrets'),
    subscriptions: await listSubscriptions(client),
  };
}

async function listSubscriptions(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select s.subname::text as name
       from pg_subscription as s join pg_database as d on d.oid = s.subdbid
      where d.datname = current_database()
      order by 1`,
  );
  return rows.map(({ name }) => name);
}

async function sumFiles(client: pg.ClientBase): Promise<number | undefined> {
  const { rows } = await client.query<{ bytes: number }>(
    `select coalesce(sum((metadata ->> 'size')::float8) filter (where metadata ->> 'size' ~ '^[0-9]{1,18}$'), 0) as bytes
       from storage.objects`,
  );
  return rows[0]?.bytes;
}

export interface ToolFunction {
  schema: string;
  name: string;
  /** The extension that brings it; null where somebody made it by hand. */
  extension: string | null;
}

/** Functions in schemas that are made anew at the target, where only extensions fill them again. */
export async function listToolFunctions(client: pg.ClientBase, schemas: readonly string[]): Promise<ToolFunction[]> {
  const { rows } = await client.query<ToolFunction>(
    `select distinct n.nspname::text as schema, p.proname::text as name, e.extname::text as extension
       from pg_proc as p
       join pg_namespace as n on n.oid = p.pronamespace
       left join pg_depend as d on d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
       left join pg_extension as e on e.oid = d.refobjid
      where n.nspname = any ($1)`,
    [schemas],
  );
  return rows;
}

/** gatehouse has made its tables here: it can be asked about users. */
export async function hasGatehouse(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(
    `select to_regclass('gatehouse.migration_ledger') is not null and to_regclass('auth.users') is not null as there`,
  );
  return rows[0]?.there === true;
}
