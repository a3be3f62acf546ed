/**
 * Indexes of a table that is about to be filled: off while the rows come and made again from all of them at once, in the
 * same transaction, so that whatever ends it early leaves them as they were.
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { targetTable } from './row.sql.ts';
import type { TableShape } from './tables.ts';

const { escapeIdentifier, escapeLiteral } = pg;

const LOCK_ATTEMPTS = 20;
const LOCK_PAUSE_MS = 100;
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Locks the tables against everybody until the transaction ends, and resolves to whether it did. All or none: whoever
 * waits for one of them holds none that we wait for.
 */
export async function lockTables(target: pg.ClientBase, shapes: readonly TableShape[]): Promise<boolean> {
  const tables = shapes.map(targetTable).join(', ');
  for (let attempt = 1; ; attempt++) {
    await target.query('savepoint locking');
    try {
      await target.query(`lock table ${tables} in access exclusive mode nowait`);
      // Rows are told apart by the id of the transaction, which is another below a savepoint.
      await target.query('release locking');
      return true;
    } catch (error) {
      if ((error as pg.DatabaseError).code !== LOCK_NOT_AVAILABLE) throw error;
      await target.query('rollback to locking; release locking');
    }
    if (attempt === LOCK_ATTEMPTS) return false;
    await delay(LOCK_PAUSE_MS);
  }
}

/** An index that is off, or a constraint with its index. */
export interface Index {
  name: string;
  drop: string;
  create: string;
}

/**
 * Drops the indexes that a definition says in full, and resolves to them, oldest first. Primary keys stay, as does what
 * something hangs on (a foreign key), and what has a place, a statistics target or a mark of its own.
 */
export async function takeIndexesOff(target: pg.ClientBase, shape: TableShape): Promise<Index[]> {
  const table = targetTable(shape);
  const { rows } = await target.query<{
    name: string;
    index_definition: string;
    constraint_definition: string | null;
    comment: string | null;
  }>(
    `select c.relname as name, pg_get_indexdef(c.oid) as index_definition, pg_get_constraintdef(k.oid) as constraint_definition,
            obj_description(c.oid, 'pg_class') as comment
       from pg_index as i
       join pg_class as c on c.oid = i.indexrelid
       left join pg_constraint as k on k.conindid = c.oid and k.conrelid = i.indrelid and k.contype in ('p', 'u', 'x')
      where i.indrelid = $1::regclass
        and i.indisvalid and not i.indisprimary and not i.indisclustered and not i.indisreplident
        and c.reltablespace = 0
        and (k.oid is null or (k.conname = c.relname and c.reloptions is null and obj_description(k.oid, 'pg_constraint') is null))
        and not exists (
          select from pg_attribute as a where a.attrelid = c.oid and coalesce(a.attstattarget, -1) >= 0)
        and not exists (
          select from pg_depend as d
           where (d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid)
              or (d.refclassid = 'pg_constraint'::regclass and d.refobjid = k.oid and d.objid <> c.oid)
              or (d.objid in (c.oid, k.oid) and d.deptype in ('e', 'x')))
      order by c.oid`,
    [table],
  );
  const indexes = rows.map(({ name, index_definition, constraint_definition, comment }) => {
    const index = `auth.${escapeIdentifier(name)}`;
    const onTable = (change: string) => `alter table ${table} ${change} constraint ${escapeIdentifier(name)}`;
    const remark = comment === null ? '' : `; comment on index ${index} is ${escapeLiteral(comment)}`;
    return constraint_definition === null
      ? { name, drop: `drop index ${index}`, create: index_definition + remark }
      : { name, drop: onTable('drop'), create: `${onTable('add')} ${constraint_definition}${remark}` };
  });
  for (const { drop } of indexes) await target.query(drop);
  return indexes;
}

/** Makes them again, each by a sort of all rows, on several cores where the server has them. */
export async function makeIndexes(target: pg.ClientBase, indexes: readonly Index[]): Promise<void> {
  await target.query(`set local maintenance_work_mem = '256MB'`);
  for (const { create } of indexes) await target.query(create);
}
