/** What the target itself says for the report: how it is reached, what it holds, and whether its records are guarded. */
import type pg from 'pg';

/** Of an event, in UTC. */
const RFC_3339 = `to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** Begins to read one moment of the database, and nothing but read; whether it has a ledger at all. */
export async function beginReading(client: pg.ClientBase): Promise<{ has_ledger: boolean }> {
  await client.query('begin transaction isolation level repeatable read read only');
  await client.query(`set local timezone = 'UTC'`);
  const { rows } = await client.query<{ has_ledger: boolean }>(
    `select to_regclass('gatehouse.migration_ledger') is not null as has_ledger`,
  );
  return rows[0] ?? { has_ledger: false };
}

export interface TargetFacts {
  database: string;
  role: string;
  server_version: string;
  size_bytes: number;
  /** Of this connection; null where it is not encrypted. */
  tls: { version: string; cipher: string } | null;
  listen_addresses: string;
  data_checksums: boolean;
  schemas: SchemaCount[];
  users: number;
  sessions: number;
  factors: number;
  /** Triggers that refuse any change of what was written, and are switched on. */
  ledger_guarded: boolean;
  audit_guarded: boolean;
}

export interface SchemaCount {
  schema: string;
  tables: number;
  views: number;
  functions: number;
  foreign_keys: number;
  policies: number;
  triggers: number;
}

export async function readTargetFacts(client: pg.ClientBase): Promise<TargetFacts> {
  const { rows } = await client.query<Omit<TargetFacts, 'schemas'>>(
    `select current_database() as database, current_user as role,
            current_setting('server_version') as server_version,
            pg_database_size(current_database())::float8 as size_bytes,
            (select case when ssl then jsonb_build_object('version', version, 'cipher', cipher) end
               from pg_stat_ssl where pid = pg_backend_pid()) as tls,
            current_setting('listen_addresses') as listen_addresses,
            current_setting('data_checksums')::boolean as data_checksums,
            (select count(*)::float8 from auth.users) as users,
            (select count(*)::float8 from auth.sessions) as sessions,
            (select count(*)::float8 from auth.mfa_factors) as factors,
            exists (select from pg_trigger
                     where tgrelid = 'gatehouse.migration_ledger'::regclass and tgname = 'refuse_ledger_change'
                       and tgenabled = 'A') as ledger_guarded,
            exists (select from pg_trigger
                     where tgrelid = 'audit.events'::regclass and tgname = 'append_only'
                       and tgenabled <> 'D') as audit_guarded`,
  );
  return { ...(rows[0] as TargetFacts), schemas: await countObjects(client) };
}

/** Of every schema that is neither PostgreSQL's nor ours nor an extension's. */
async function countObjects(client: pg.ClientBase): Promise<SchemaCount[]> {
  const { rows } = await client.query<SchemaCount>(
    `select n.nspname as schema,
            (select count(*)::int from pg_class where relnamespace = n.oid and relkind in ('r', 'p')) as tables,
            (select count(*)::int from pg_class where relnamespace = n.oid and relkind in ('v', 'm')) as views,
            (select count(*)::int from pg_proc where pronamespace = n.oid) as functions,
            (select count(*)::int from pg_constraint
              where connamespace = n.oid and contype = 'f' and conparentid = 0) as foreign_keys,
            (select count(*)::int from pg_policy as p join pg_class as c on c.oid = p.polrelid
              where c.relnamespace = n.oid) as policies,
            (select count(*)::int from pg_trigger as t join pg_class as c on c.oid = t.tgrelid
              where c.relnamespace = n.oid and not t.tgisinternal and t.tgparentid = 0) as triggers
       from pg_namespace as n
      where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'audit', 'gatehouse', 'drizzle', 'extensions')
      order by n.nspname collate "C"`,
  );
  return rows.filter(({ tables, views, functions }) => tables + views + functions > 0);
}

export interface SinceTheMove {
  sign_ins: number;
  refused_sign_ins: number;
  refreshes: number;
  /** Requests that ended in a fault of ours. */
  faults: number;
  /** RFC 3339, of the first sign-in or refresh; null while nobody was here. */
  first_use: string | null;
}

/** What the audit log has since a moment. */
export async function countSince(client: pg.ClientBase, since: string): Promise<SinceTheMove> {
  const { rows } = await client.query<SinceTheMove>(
    `select count(*) filter (where action = 'login')::float8 as sign_ins,
            count(*) filter (where action = 'login_failed')::float8 as refused_sign_ins,
            count(*) filter (where action = 'token_refreshed')::float8 as refreshes,
            count(*) filter (where error_code = 'unexpected_failure')::float8 as faults,
            (select ${RFC_3339}
               from audit.events
              where occurred_at >= $1::timestamptz and action in ('login', 'token_refreshed') and outcome = 'success'
              order by occurred_at
              limit 1) as first_use
       from audit.events
      where occurred_at >= $1::timestamptz`,
    [since],
  );
  return rows[0] as SinceTheMove;
}

export interface BackupOnRecord {
  id: string;
  /** RFC 3339, of what it holds. */
  snapshot_at: string;
  /** The newest attempt to restore and compare it. */
  proof: { at: string; equal: boolean; restore_seconds: number | null } | null;
}

/** Backups that the audit log has, and that were not removed since: newest first. */
export async function listBackups(client: pg.ClientBase): Promise<BackupOnRecord[]> {
  const { rows } = await client.query<BackupOnRecord>(
    `select made.details ->> 'id' as id, made.details ->> 'snapshot_at' as snapshot_at,
            (select jsonb_build_object('at', ${RFC_3339}, 'equal', outcome = 'success',
                                       'restore_seconds', details -> 'restore_seconds')
               from audit.events as verified
              where action = 'backup_verified' and details ->> 'id' = made.details ->> 'id'
              order by occurred_at desc
              limit 1) as proof
       from audit.events as made
      where action = 'backup_finished' and details ? 'id' and details ? 'snapshot_at'
        and not exists (select from audit.events as expired
                         where expired.action = 'backup_expired' and expired.details -> 'ids' ? (made.details ->> 'id'))
      order by 2 desc`,
  );
  return rows;
}

/** When backups were last removed because their time was over. */
export async function findLastExpiry(client: pg.ClientBase): Promise<string | undefined> {
  const { rows } = await client.query<{ at: string }>(
    `select ${RFC_3339} as at from audit.events where action = 'backup_expired' order by occurred_at desc limit 1`,
  );
  return rows[0]?.at;
}
