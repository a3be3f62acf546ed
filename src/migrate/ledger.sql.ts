/** The ledger of what migrations did: rows chained by SHA-256, so that a later edit of one is found. */
import type pg from 'pg';

/** Runs are serialised by this lock; whoever writes to the ledger holds it until the transaction ends. */
const MIGRATION_LOCK = 7_246_830_531;

/** Takes the migration lock for this transaction; false when another run holds it for longer than `wait_seconds`. */
export async function lockMigrations(client: pg.ClientBase, wait_seconds: number): Promise<boolean> {
  const deadline = `${Math.max(1, Math.round(wait_seconds * 1000))}ms`;
  await client.query(`set local statement_timeout = 0; set local lock_timeout = '${deadline}'`);
  try {
    await client.query(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    return true;
  } catch (error) {
    if ((error as pg.DatabaseError).code === '55P03') return false;
    throw error;
  }
}

export interface LedgerEntry {
  run_id: string;
  at: Date;
  step: 'started' | 'table_copied' | 'proved' | 'finished' | 'failed';
  details: Record<string, unknown>;
}

/** The bytes that an entry's hash is taken over. */
const chained = (row: string) =>
  `${row}.previous_hash || convert_to(jsonb_build_object(
     'run_id', ${row}.run_id, 'at', extract(epoch from ${row}.at), 'step', ${row}.step, 'details', ${row}.details)::text, 'UTF8')`;

/** Appends an entry and resolves to its hash in hex. The transaction must hold the migration lock. */
export async function appendToLedger(
  client: pg.ClientBase,
  { run_id, at, step, details }: LedgerEntry,
): Promise<string> {
  const { rows } = await client.query<{ hash: string }>(
    `insert into gatehouse.migration_ledger (run_id, at, step, details, previous_hash, hash)
     select run_id, at, step, details, previous_hash, sha256(${chained('entry')})
       from (select $1::uuid as run_id, $2::timestamptz as at, $3::text as step, $4::jsonb as details,
                    coalesce((select hash from gatehouse.migration_ledger order by id desc limit 1), '') as previous_hash
            ) as entry
     returning encode(hash, 'hex') as hash`,
    [run_id, at.toISOString(), step, JSON.stringify(details)],
  );
  return rows[0]?.hash ?? '';
}

export interface BrokenEntry {
  id: string;
  run_id: string;
  at: string;
  step: string;
  /** `changed`: it is not what was written. `unlinked`: what came before it was changed or taken away. */
  fault: 'changed' | 'unlinked';
}

/** The first entry that is not what was written or does not follow the one before it; undefined when all is well. */
export async function findBrokenEntry(client: pg.ClientBase): Promise<BrokenEntry | undefined> {
  const { rows } = await client.query<BrokenEntry>(
    `select id::text, run_id, at::text, step,
            case when hash <> sha256(${chained('entry')}) then 'changed' else 'unlinked' end as fault
       from (select *, coalesce(lag(hash) over (order by id), '') as expected_previous
               from gatehouse.migration_ledger) as entry
      where previous_hash <> expected_previous or hash <> sha256(${chained('entry')})
      order by entry.id
      limit 1`,
  );
  return rows[0];
}

/** How long the chain is, and its head in hex; undefined while there is none. */
export async function measureLedger(client: pg.ClientBase): Promise<{ entries: number; head: string | undefined }> {
  const { rows } = await client.query<{ entries: number; head: string | null }>(
    `select count(*)::int as entries,
            (select encode(hash, 'hex') from gatehouse.migration_ledger order by id desc limit 1) as head
       from gatehouse.migration_ledger`,
  );
  return { entries: rows[0]?.entries ?? 0, head: rows[0]?.head ?? undefined };
}

/**
 * The runs whose end the audit log has with the head of the chain as it was then: how many, and the first whose head the
 * chain does not have (it was cut off, or written anew).
 */
export async function compareWithAuditLog(
  client: pg.ClientBase,
): Promise<{ recorded: number; missing: { run_id: string; at: string } | undefined }> {
  const { rows } = await client.query<{ recorded: number; run_id: string | null; at: string | null }>(
    `with recorded as (
       select occurred_at, details ->> 'run_id' as run_id, details ->> 'ledger_hash' as hash
         from audit.events
        where action in ('migration_finished', 'migration_verified') and details ? 'ledger_hash')
     select (select count(*)::int from recorded) as recorded, missing.run_id, missing.at
       from (values (1)) as one
       left join lateral (
         select r.run_id, r.occurred_at::text as at
           from recorded as r
          where not exists (select from gatehouse.migration_ledger as entry where encode(entry.hash, 'hex') = r.hash)
          order by r.occurred_at
          limit 1) as missing on true`,
  );
  const { recorded = 0, run_id, at } = rows[0] ?? {};
  return { recorded, missing: run_id && at ? { run_id, at } : undefined };
}

export interface WrittenEntry extends Omit<LedgerEntry, 'at'> {
  id: string;
  /** RFC 3339, in UTC. */
  at: string;
}

/** All entries, in the order in which they were written. */
export async function listLedger(client: pg.ClientBase): Promise<WrittenEntry[]> {
  const { rows } = await client.query<WrittenEntry>(
    `select id::text, run_id, step, details, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at
       from gatehouse.migration_ledger
      order by id`,
  );
  return rows;
}

/** Run → who ran it, as the audit log names them. */
export async function listOperators(client: pg.ClientBase): Promise<Map<string, string>> {
  const { rows } = await client.query<{ run_id: string; operator: string }>(
    `select distinct on (1) details ->> 'run_id' as run_id, actor_name as operator
       from audit.events
      where action in ('migration_started', 'migration_finished', 'migration_failed', 'migration_verified')
        and details ? 'run_id' and actor_name is not null
      order by 1, occurred_at`,
  );
  return new Map(rows.map(({ run_id, operator }) => [run_id, operator]));
}

/** Runs that neither finished nor failed: they were killed, and left nothing but this. Copies of portals go on instead. */
export async function listBrokenOffRuns(client: pg.ClientBase): Promise<{ run_id: string; at: string }[]> {
  const { rows } = await client.query<{ run_id: string; at: string }>(
    `select run_id, at::text
       from gatehouse.migration_ledger as started
      where step = 'started' and details ->> 'command' is distinct from 'migrate copy'
        and not exists (select from gatehouse.migration_ledger as ended
                         where ended.run_id = started.run_id and ended.step in ('finished', 'failed'))
      order by id`,
  );
  return rows;
}
