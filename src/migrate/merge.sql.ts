/**
 * A rerun: what the source has now, what the target has now, and what was imported before, compared by fingerprint, as a
 * three-way merge compares. Only a row that the target has left alone since its import follows the source.
 */
import pg from 'pg';
import { columnList, fingerprint, targetTable } from './row.sql.ts';
import type { TableShape } from './tables.ts';

/** Where the source's rows wait: a table of this session alone, gone when the transaction ends or the process dies. */
export const STAGED = 'pg_temp.staged';

export async function makeStage(target: pg.ClientBase, shape: TableShape): Promise<void> {
  await target.query(
    `create temp table staged on commit drop as select ${columnList(shape)} from ${targetTable(shape)} limit 0`,
  );
}

/** Rows that differ from the source for a reason, and stay as they are at the target. */
export async function makeKept(target: pg.ClientBase): Promise<void> {
  await target.query(
    'create temp table kept (table_name text not null, key text not null, verdict text not null) on commit drop',
  );
}

/** What becomes of the rows of one table; those that need nothing are counted as unchanged. */
export interface MergeCounts {
  inserted: number;
  updated: number;
  deleted: number;
  unchanged: number;
  /** Changed or removed here since the import, and not at the source: they stay so. */
  kept: number;
  /** Changed on both sides, or without the row that they belong to: they stay as they are, and somebody has to look. */
  conflicts: number;
}

/** Brings the table to what is staged and drops the stage. Keeps what the target has changed since the last import. */
export async function mergeStaged(
  target: pg.ClientBase,
  shape: TableShape,
  { foreignKeysOff }: { foreignKeysOff: boolean },
): Promise<MergeCounts> {
  const table = targetTable(shape);
  const columns = columnList(shape);
  const orphan = Object.entries(shape.parents)
    .map(([column, parent]) => {
      const reference = `s.${pg.escapeIdentifier(column)}`;
      return `(${reference} is not null and not exists (select from auth.${parent} as p where p.id = ${reference}))`;
    })
    .join(' or ');

  await target.query(
    `create temp table change on commit drop as
     with source as (
       select s.id::text as key, ${fingerprint(shape, 's')} as is, ${orphan || 'false'} as orphan from ${STAGED} as s),
     imported as (
       select key, fingerprint as was from gatehouse.migrated_rows where table_name = ${pg.escapeLiteral(shape.name)}),
     here as (
       select t.id::text as key, ${fingerprint(shape, 't')} as is from ${table} as t)
     select key, source.is as fingerprint,
            case when source.is = here.is then 'equal'
                 when source.key is null and here.key is null then 'forgotten'
                 when source.key is null and here.is = imported.was then 'deleted'
                 when source.key is null then 'conflict'
                 when source.is = imported.was then 'kept'
                 when source.orphan then 'conflict'
                 when here.key is null and imported.key is null then 'inserted'
                 when here.is = imported.was then 'updated'
                 else 'conflict' end as verdict
       from source
       full join imported using (key)
       left join here using (key)
      where (source.is = here.is and source.is = imported.was) is not true`,
  );
  await target.query('create index on pg_temp.change (key)');
  await target.query('analyze pg_temp.change');

  // Deleting is done with the keys on: what hangs on a user, the portal's rows included, goes as its foreign key says.
  if (foreignKeysOff) await target.query('set local session_replication_role = origin');
  await target.query(
    `delete from ${table} as t using pg_temp.change as c where c.key = t.id::text and c.verdict = 'deleted'`,
  );
  if (foreignKeysOff) await target.query('set local session_replication_role = replica');
  const assignments = shape.columns.map((name) => `${pg.escapeIdentifier(name)} = s.${pg.escapeIdentifier(name)}`);
  await target.query(
    `update ${table} as t set ${assignments.join(', ')}
       from ${STAGED} as s, pg_temp.change as c
      where c.verdict = 'updated' and c.key = s.id::text and t.id = s.id`,
  );
  await target.query(
    `insert into ${table} (${columns})
     select ${columns} from ${STAGED} as s
      where s.id::text in (select key from pg_temp.change where verdict = 'inserted')`,
  );
  await target.query(
    `delete from gatehouse.migrated_rows as r using pg_temp.change as c
      where r.table_name = $1 and r.key = c.key and c.verdict not in ('kept', 'conflict')`,
    [shape.name],
  );
  await target.query(
    `insert into gatehouse.migrated_rows (table_name, key, fingerprint)
     select $1, key, fingerprint from pg_temp.change where verdict in ('equal', 'inserted', 'updated')`,
    [shape.name],
  );
  await target.query(
    `insert into pg_temp.kept (table_name, key, verdict)
     select $1, key, verdict from pg_temp.change where verdict in ('kept', 'conflict')`,
    [shape.name],
  );
  const { rows } = await target.query<MergeCounts>(
    `select count(*) filter (where verdict = 'inserted')::int as inserted,
            count(*) filter (where verdict = 'updated')::int as updated,
            count(*) filter (where verdict = 'deleted')::int as deleted,
            count(*) filter (where verdict = 'kept')::int as kept,
            count(*) filter (where verdict = 'conflict')::int as conflicts,
            ((select count(*) from ${STAGED}) - count(*) filter (where verdict in ('inserted', 'updated', 'kept', 'conflict')
              and fingerprint is not null))::int as unchanged
       from pg_temp.change`,
  );
  await target.query('drop table pg_temp.staged, pg_temp.change');
  return rows[0] as MergeCounts;
}

export interface KeptRow {
  table: string;
  key: string;
}

/** Keys of the rows of one table that are not what the source has, for a reason. */
export async function listKept(target: pg.ClientBase, { name }: TableShape): Promise<string[]> {
  const { rows } = await target.query<{ key: string }>('select key from pg_temp.kept where table_name = $1', [name]);
  return rows.map(({ key }) => key);
}

/** The rows that somebody has to look at. */
export async function listConflicts(target: pg.ClientBase, limit: number): Promise<KeptRow[]> {
  const { rows } = await target.query<KeptRow>(
    `select table_name as "table", key from pg_temp.kept where verdict = 'conflict' order by 1, 2 limit $1`,
    [limit],
  );
  return rows;
}

/** Rows whose parent is missing, where foreign keys were off while they were copied. */
export async function listOrphans(target: pg.ClientBase, shape: TableShape, limit: number): Promise<KeptRow[]> {
  const orphans = Object.entries(shape.parents).map(([column, parent]) => {
    const reference = `c.${pg.escapeIdentifier(column)}`;
    return `select c.id::text as key from ${targetTable(shape)} as c
             where ${reference} is not null and not exists (select from auth.${parent} as p where p.id = ${reference})`;
  });
  if (orphans.length === 0) return [];
  const { rows } = await target.query<{ key: string }>(`${orphans.join(' union all ')} limit ${limit}`);
  return rows.map(({ key }) => ({ table: shape.name, key }));
}
