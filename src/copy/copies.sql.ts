/** How far copies are (`gatehouse.portal_copies`), the lock that keeps them apart, and what a killed one has left running. */
import type pg from 'pg';

/** Held by a copy as long as its connection lives. Locks are per database. */
const COPY_LOCK = 7_246_830_532;

/** False when another copy does not give the lock up in time. One that was killed is gone within seconds. */
export async function lockCopies(client: pg.ClientBase): Promise<boolean> {
  try {
    await client.query(`select pg_advisory_lock(${COPY_LOCK})`);
    return true;
  } catch (error) {
    if ((error as pg.DatabaseError).code === '55P03') return false;
    throw error;
  }
}

/**
 * Ends what a killed copy's helpers still do at the target, and waits until they are gone. To be called with the lock held:
 * whoever bears the name then belongs to nobody.
 */
export async function endOrphans(client: pg.ClientBase, application_name: string): Promise<void> {
  for (;;) {
    const { rows } = await client.query(
      `select pg_terminate_backend(pid)
         from pg_stat_activity
        where datname = current_database() and application_name = $1`,
      [application_name],
    );
    if (rows.length === 0) return;
    await client.query('select pg_sleep(0.05)');
  }
}

/** What the database is, by whatever address. */
export async function identityOf(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ identity: string }>(
    `select format('%s/%s', (select system_identifier from pg_control_system()),
                   (select oid from pg_database where datname = current_database())) as identity`,
  );
  return rows[0]?.identity ?? '';
}

export interface CopyRow {
  id: string;
  source_address: string;
  source_identity: string;
  definitions: string | null;
  started_at: string;
  finished_at: string | null;
}

/** The newest copy into this database; undefined where there is none, or no schema of ours yet. */
export async function findCopy(client: pg.ClientBase): Promise<CopyRow | undefined> {
  const { rows: tables } = await client.query<{ there: boolean }>(
    `select to_regclass('gatehouse.portal_copies') is not null as there`,
  );
  if (!tables[0]?.there) return undefined;
  const { rows } = await client.query<CopyRow>(
    `select id, source_address, source_identity, definitions, started_at::text, finished_at::text
       from gatehouse.portal_copies
      order by started_at desc
      limit 1`,
  );
  return rows[0];
}

export async function insertCopy(
  client: pg.ClientBase,
  {
    id,
    source_address,
    source_identity,
    at,
  }: Pick<CopyRow, 'id' | 'source_address' | 'source_identity'> & { at: Date },
): Promise<void> {
  await client.query(
    `insert into gatehouse.portal_copies (id, source_address, source_identity, started_at)
     values ($1::uuid, $2, $3, $4::timestamptz)`,
    [id, source_address, source_identity, at.toISOString()],
  );
}

/** The copy begins with these definitions, and with no step done but what is known of large objects. */
export async function beginAnew(client: pg.ClientBase, id: string, definitions: string): Promise<void> {
  await client.query(
    `with forgotten as (
       delete from gatehouse.portal_copy_steps where copy_id = $1::uuid and step <> 'large objects')
     update gatehouse.portal_copies set definitions = $2 where id = $1::uuid`,
    [id, definitions],
  );
}

export type StepDetails = Record<string, unknown>;

/** Step → what it left, of the steps that are done. */
export async function listSteps(client: pg.ClientBase, id: string): Promise<Map<string, StepDetails>> {
  const { rows } = await client.query<{ step: string; details: StepDetails }>(
    'select step, details from gatehouse.portal_copy_steps where copy_id = $1::uuid',
    [id],
  );
  return new Map(rows.map(({ step, details }) => [step, details]));
}

/** Whether one of these tables, named as SQL names them, is not there. */
export async function lacksTables(client: pg.ClientBase, tables: readonly string[]): Promise<boolean> {
  const { rows } = await client.query<{ lacks: boolean }>(
    'select exists (select from unnest($1::text[]) as name where to_regclass(name) is null) as lacks',
    [tables],
  );
  return rows[0]?.lacks ?? false;
}

/** Says that a step is done, in the transaction that does it. */
export async function recordStep(
  client: pg.ClientBase,
  { id, step, details, at }: { id: string; step: string; details: StepDetails; at: Date },
): Promise<void> {
  await client.query(
    `insert into gatehouse.portal_copy_steps (copy_id, step, details, done_at)
     values ($1::uuid, $2, $3::jsonb, $4::timestamptz)
         on conflict (copy_id, step) do update set details = excluded.details, done_at = excluded.done_at`,
    [id, step, JSON.stringify(details), at.toISOString()],
  );
}

/** Takes back that steps are done, in the transaction that undoes them. */
export async function forgetSteps(client: pg.ClientBase, id: string, steps: readonly string[]): Promise<void> {
  await client.query('delete from gatehouse.portal_copy_steps where copy_id = $1::uuid and step = any ($2)', [
    id,
    steps,
  ]);
}

export async function recordFinish(client: pg.ClientBase, id: string, at: Date): Promise<void> {
  await client.query('update gatehouse.portal_copies set finished_at = $2::timestamptz where id = $1::uuid', [
    id,
    at.toISOString(),
  ]);
}
