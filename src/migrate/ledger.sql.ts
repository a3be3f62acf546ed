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

/** The first entry that is not what was written or does not follow the one before it; undefined when all is well. */
export async function findBrokenEntry(client: pg.ClientBase): Promise<string | undefined> {
  const { rows } = await client.query<{ id: string }>(
    `select id::text
       from (select *, coalesce(lag(hash) over (order by id), '') as expected_previous
               from gatehouse.migration_ledger) as entry
      where previous_hash <> expected_previous or hash <> sha256(${chained('entry')})
      order by entry.id
      limit 1`,
  );
  return rows[0]?.id;
}

/** Runs that neither finished nor failed: they were killed, and left nothing but this. */
export async function listBrokenOffRuns(client: pg.ClientBase): Promise<{ run_id: string; at: string }[]> {
  const { rows } = await client.query<{ run_id: string; at: string }>(
    `select run_id, at::text
       from gatehouse.migration_ledger as started
      where step = 'started'
        and not exists (select from gatehouse.migration_ledger as ended
                         where ended.run_id = started.run_id and ended.step in ('finished', 'failed'))
      order by id`,
  );
  return rows;
}
