/** What a database holds, seen in one snapshot: asked when it is dumped, and again of what was restored. */
import pg from 'pg';
import type { Contents, DatabaseFacts, Digest, RoleFact } from './manifest.ts';

/** Held for as long as a backup is made or backups expire, by the session. */
const BACKUP_LOCK = 7_246_830_532;
/** Held on a server that is restored to, for as long as that takes. */
const SCRATCH_LOCK = 7_246_830_533;

/** How values look must not depend on a server's or a database's settings; nor may waiting end a long question. */
const SETTINGS = `
  set statement_timeout = 0; set lock_timeout = '60s'; set idle_in_transaction_session_timeout = 0;
  set search_path = ''; set bytea_output = 'hex'; set lc_monetary = 'C'; set xmloption = 'content'; set row_security = off`;

export async function pinSession(client: pg.ClientBase): Promise<void> {
  await client.query(SETTINGS);
  // Servers before 17 do not have it.
  await client.query("select set_config(name, '0', false) from pg_settings where name = 'transaction_timeout'");
}

export const tryBackupLock = (client: pg.ClientBase) => tryLock(client, BACKUP_LOCK);
export const tryScratchLock = (client: pg.ClientBase) => tryLock(client, SCRATCH_LOCK);

async function tryLock(client: pg.ClientBase, lock: number): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(`select pg_try_advisory_lock(${lock}) as locked`);
  return one(rows).locked;
}

/** Opens a read-only transaction whose snapshot others can use for as long as it lasts. */
export async function exportSnapshot(client: pg.ClientBase): Promise<{ snapshot: string; snapshot_at: string }> {
  await client.query('begin isolation level repeatable read read only');
  const { rows } = await client.query<{ snapshot: string; snapshot_at: string }>(
    'select pg_export_snapshot() as snapshot, statement_timestamp()::text as snapshot_at',
  );
  return one(rows);
}

/** Whether events can be written here. */
export async function hasAuditLog(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(`select to_regclass('audit.events') is not null as there`);
  return one(rows).there;
}

export async function readDatabaseFacts(client: pg.ClientBase): Promise<DatabaseFacts> {
  const { rows } = await client.query<DatabaseFacts>(
    `select datname as name, current_setting('server_version') as server_version,
            current_setting('server_version_num')::int / 10000 as server_major,
            pg_encoding_to_char(encoding) as encoding, datcollate as collate, datctype as ctype,
            case datlocprovider when 'i' then 'icu' when 'b' then 'builtin' else 'libc' end as locale_provider,
            -- Its name has changed between versions.
            coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') as locale
       from pg_database as d where datname = current_database()`,
  );
  return one(rows);
}

/** Every role of the cluster but PostgreSQL's own. */
export async function listRoles(client: pg.ClientBase): Promise<RoleFact[]> {
  const { rows } = await client.query<RoleFact>(
    `select rolname as name, rolbypassrls as bypassrls, rolcreaterole as createrole, rolcreatedb as createdb,
            rolinherit as inherit, rolsuper as superuser,
            array(select distinct r.rolname::text from pg_auth_members as m join pg_roles as r on r.oid = m.roleid
                   where m.member = role.oid order by 1) as member_of
       from pg_roles as role where rolname !~ '^pg_' order by rolname`,
  );
  return rows;
}

/** Rows, sequences and large objects. In the caller's transaction. */
export async function readContents(client: pg.ClientBase): Promise<Contents> {
  const tables: Record<string, Digest> = {};
  for (const { name, columns } of await listTables(client)) tables[name] = await digestRows(client, name, columns);
  return {
    tables,
    sequences: await readSequences(client),
    large_objects: await digestLargeObjects(client),
    newest_event: await newestEvent(client),
  };
}

/** Schemas whose contents are the database's own. */
const OWN = (schema: string) => `${schema} !~ '^pg_' and ${schema} <> 'information_schema'`;
/** What an extension brings comes back with it. */
const OF_EXTENSION = (catalogue: string, oid: string) =>
  `exists (select from pg_depend where classid = '${catalogue}'::regclass and objid = ${oid} and deptype = 'e')`;

/** Those that no extension made. */
export async function listOwnSchemas(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select nspname::text as name from pg_namespace as n
      where ${OWN('nspname')} and not ${OF_EXTENSION('pg_namespace', 'n.oid')} order by 1`,
  );
  return rows.map(({ name }) => name);
}

/** Columns by name: after a restore an inherited one may stand elsewhere. */
async function listTables(client: pg.ClientBase): Promise<{ name: string; columns: string[] }[]> {
  const { rows } = await client.query<{ name: string; columns: string[] }>(
    `select format('%I.%I', nspname, relname) as name,
            array(select quote_ident(attname) from pg_attribute
                   where attrelid = c.oid and attnum > 0 and not attisdropped order by attname) as columns
       from pg_class as c join pg_namespace as n on n.oid = relnamespace
      where relkind = 'r' and relpersistence <> 't' and ${OWN('nspname')} and not ${OF_EXTENSION('pg_class', 'c.oid')}
      order by 1`,
  );
  return rows;
}

/** Each value is hashed by itself: a row as one text could be longer than PostgreSQL's limit of 1 GB. */
async function digestRows(client: pg.ClientBase, table: string, columns: string[]): Promise<Digest> {
  const values = columns.map((column) => `hashtextextended(${column}::text, 0)`).join(', ');
  const { rows } = await client.query<Digest>(
    `select count(*)::float8 as count, coalesce(sum(hashtextextended(row(${values})::text, 0)::numeric), 0)::text as hash
       from only ${table}`,
  );
  return one(rows);
}

async function readSequences(client: pg.ClientBase): Promise<Record<string, string>> {
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', nspname, relname) as name
       from pg_class as c join pg_namespace as n on n.oid = relnamespace
      where relkind = 'S' and relpersistence <> 't' and ${OWN('nspname')} and not ${OF_EXTENSION('pg_class', 'c.oid')}
      order by 1`,
  );
  const sequences: Record<string, string> = {};
  for (const { name } of rows) {
    const { rows: found } = await client.query<{ value: string }>(
      `select last_value || case when is_called then ', used' else ', not used yet' end as value from ${name}`,
    );
    sequences[name] = one(found).value;
  }
  return sequences;
}

/** In pieces of 1 MiB, because a large object may be larger than a value. */
async function digestLargeObjects(client: pg.ClientBase): Promise<Digest> {
  const { rows } = await client.query<Digest>(
    `with recursive piece as (
       select oid, 0::bigint as at, hashtextextended(encode(bytes, 'base64'), 0) as hash, length(bytes) as length
         from (select oid, lo_get(oid, 0, 1048576) as bytes from pg_largeobject_metadata offset 0) as first
       union all
       select oid, at, hashtextextended(encode(bytes, 'base64'), 0), length(bytes)
         from (select oid, at + 1048576 as at, lo_get(oid, at + 1048576, 1048576) as bytes
                 from piece where length = 1048576 offset 0) as next)
     select count(distinct oid)::float8 as count,
            coalesce(sum(hashtextextended(oid || ':' || at || ':' || hash, 0)::numeric), 0)::text as hash
       from piece`,
  );
  return one(rows);
}

/** The last of the audit log; null where it is empty or there is none. */
export async function newestEvent(client: pg.ClientBase): Promise<Contents['newest_event']> {
  if (!(await hasAuditLog(client))) return null;
  const { rows } = await client.query<{ id: string; occurred_at: string }>(
    'select id::text, occurred_at::text from audit.events order by occurred_at desc, id desc limit 1',
  );
  return rows[0] ?? null;
}

export async function hasEvent(client: pg.ClientBase, id: string): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(
    'select exists (select from audit.events where id = $1::uuid) as there',
    [id],
  );
  return one(rows).there;
}

/**
 * Makes roles that are missing, none of which may sign in, and resolves to their names. What only a superuser may own
 * (an event trigger) needs one.
 */
export async function createMissingRoles(client: pg.ClientBase, roles: RoleFact[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>('select rolname as name from pg_roles');
  const there = new Set(rows.map(({ name }) => name));
  const missing = roles.filter(({ name }) => !there.has(name));
  for (const { name, superuser } of missing) {
    await client.query(`create role ${pg.escapeIdentifier(name)} nologin ${superuser ? 'superuser' : 'nosuperuser'}`);
  }
  return missing.map(({ name }) => name);
}

export async function dropRoles(client: pg.ClientBase, names: string[]): Promise<void> {
  for (const name of names) await client.query(`drop role if exists ${pg.escapeIdentifier(name)}`);
}

/** What a server has to be so that a backup may be restored there for a look. */
export async function readScratchFacts(client: pg.ClientBase) {
  const { rows } = await client.query<{
    superuser: boolean;
    archive_mode: string;
    server_major: number;
    server_version: string;
  }>(
    `select (select rolsuper from pg_roles where rolname = current_user) as superuser,
            current_setting('archive_mode') as archive_mode, current_setting('server_version') as server_version,
            current_setting('server_version_num')::int / 10000 as server_major`,
  );
  return one(rows);
}

/**
 * A database of its own with the encoding and the locale of the one that was dumped. False where the server does not know
 * that locale: then it has another, in which letters of other alphabets have no other case.
 */
export async function createScratchDatabase(
  client: pg.ClientBase,
  name: string,
  facts: DatabaseFacts,
): Promise<boolean> {
  const { encoding, collate, ctype, locale_provider, locale } = facts;
  const literal = pg.escapeLiteral;
  const create = `create database ${pg.escapeIdentifier(name)} template template0 encoding ${literal(encoding)}`;
  const provider =
    locale_provider === 'libc' || locale === null
      ? ''
      : `locale_provider ${locale_provider} ${locale_provider}_locale ${literal(locale)}`;
  try {
    await client.query(`${create} lc_collate ${literal(collate)} lc_ctype ${literal(ctype)} ${provider}`);
    return true;
  } catch (error) {
    const { code } = error as pg.DatabaseError;
    // Not a name of a locale here, or a provider that this version or build does not have.
    if (code !== '42809' && code !== '22023' && code !== '42601' && code !== '0A000') throw error;
    await client.query(`${create} locale 'C'`);
    return false;
  }
}

export async function dropDatabase(client: pg.ClientBase, name: string): Promise<void> {
  await client.query(`drop database if exists ${pg.escapeIdentifier(name)} with (force)`);
}

/** Databases with this beginning that nobody is connected to: a run that was killed left them. */
export async function listAbandonedDatabases(client: pg.ClientBase, prefix: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select datname as name from pg_database as d
      where starts_with(datname, $1) and not exists (select from pg_stat_activity as a where a.datid = d.oid)`,
    [prefix],
  );
  return rows.map(({ name }) => name);
}

function one<T>(rows: T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error('a question that always has an answer had none');
  return row;
}
