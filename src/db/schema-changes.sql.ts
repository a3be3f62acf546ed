/** The ledger of schema changes, `gatehouse.schema_changes`, and the lock of whoever adds to it. */
import type { ClientBase } from 'pg';

export interface LedgerRow {
  /** The file's name without `.sql`. */
  version: string;
  /** SHA-256 of the file, hex. */
  checksum: string;
}

/** "gate" in ASCII. Locks are per database. */
const LOCK = 0x67617465;

/**
 * Opens a transaction and waits until no other instance has this one open; the ledger exists. The lock is the
 * transaction's, so it works through a pooler that hands connections from one transaction to the next.
 */
export async function beginLocked(client: ClientBase): Promise<void> {
  await client.query('begin');
  await client.query('set local statement_timeout = 0');
  await client.query('set local lock_timeout = 0');
  await client.query('set local idle_in_transaction_session_timeout = 0');
  await client.query('select pg_advisory_xact_lock($1)', [LOCK]);
  // Without the check, "if not exists" would still ask for the right to create a schema.
  if (await ledgerExists(client)) return;
  await client.query(`
    create schema if not exists gatehouse;
    create table gatehouse.schema_changes (
      version text primary key,
      applied_at timestamptz not null default now(),
      checksum text not null)`);
}

async function ledgerExists(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ exists: boolean }>(`
    select exists (
      select from pg_class where relname = 'schema_changes' and relnamespace = to_regnamespace('gatehouse')) as exists`);
  return rows[0]?.exists ?? false;
}

/** Every applied change in order; none where there is no ledger yet. */
export async function findLedger(client: ClientBase): Promise<LedgerRow[]> {
  if (!(await ledgerExists(client))) return [];
  const { rows } = await client.query<LedgerRow>(
    'select version, checksum from gatehouse.schema_changes order by version',
  );
  return rows;
}

export async function insertLedgerRow(client: ClientBase, { version, checksum }: LedgerRow): Promise<void> {
  await client.query('insert into gatehouse.schema_changes (version, checksum) values ($1, $2)', [version, checksum]);
}

export async function schemaAuthExists(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ exists: boolean }>(`select to_regnamespace('auth') is not null as exists`);
  return rows[0]?.exists ?? false;
}

/** False only where the service's role exists and was made after the schema: its rights are still to be granted. */
export async function rightsAreGranted(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ granted: boolean }>(`
    select has_table_privilege(oid, 'gatehouse.schema_changes', 'select') as granted
      from pg_roles where rolname = 'gatehouse_app'`);
  return rows[0]?.granted ?? true;
}

/** Applied changes that the audit log does not have: those made before there was one, and the one just made. */
export async function findUnrecordedChanges(client: ClientBase): Promise<LedgerRow[]> {
  const { rows } = await client.query<{ exists: boolean }>(`select to_regclass('audit.events') is not null as exists`);
  if (!rows[0]?.exists) return [];
  const unrecorded = await client.query<LedgerRow>(`
    select version, checksum from gatehouse.schema_changes as change
     where not exists (
       select from audit.events where action = 'schema_changed' and details ->> 'version' = change.version)
     order by version`);
  return unrecorded.rows;
}

/** The audit event of a schema change: made on this machine, as the role that is connected. */
export async function insertSchemaChanged(client: ClientBase, id: string, row: LedgerRow): Promise<void> {
  await client.query(
    `insert into audit.events (id, occurred_at, action, outcome, actor_role, actor_name, details)
     values ($1::uuid, now(), 'schema_changed', 'success', 'operator', current_user, $2::jsonb)`,
    [id, JSON.stringify(row)],
  );
}
