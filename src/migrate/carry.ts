/** The carrying itself: every table copied, merged and proven equal, inside one transaction at the target. */
import type pg from 'pg';
import type { Tx } from '../db/database.ts';
import {
  advanceTokenSequence,
  copyRows,
  hasAnyOf,
  listImported,
  listKeys,
  switchTrigger,
  turnTriggers,
} from './copy.sql.ts';
import { asking, MigrationFailure } from './failure.ts';
import { lockTables, makeIndexes, takeIndexesOff } from './indexes.sql.ts';
import { listConflicts, listKept, listOrphans, makeKept, makeStage, mergeStaged, STAGED } from './merge.sql.ts';
import { FEW_ROWS } from './plan.ts';
import { type Rows, rememberLoaded, sumTable, type TableSum } from './proof.sql.ts';
import { compareTable, type TableProof } from './proof.ts';
import { targetTable } from './row.sql.ts';
import type { Outcome, Run, TableOutcome } from './run.ts';
import { pinSettings, type Source } from './source.sql.ts';
import type { TableShape } from './tables.ts';

const NAMED_CONFLICTS = 1000;
const IN_USE =
  'Somebody is at work on the tables of schema auth at the target: their indexes stay on while rows come, which takes longer.';

/**
 * Brings the target to what the source is, in the caller's transaction, which must hold the migration lock.
 *
 * @throws MigrationFailure when a side fails, a row cannot be carried, or the copy is not equal in the end.
 */
export async function carryOver(tx: Tx, run: Run): Promise<Outcome> {
  const target = tx.$client;
  const { from, targetSide, shapes, plan, reindexed, onEvent } = run;
  await pinSettings(target);
  await makeKept(target);

  const foreignKeysOff = plan.target.may_replicate;
  await silenceTriggers(target, run, 'off');
  const locked = reindexed.length > 0 && (await lockTables(target, reindexed));
  if (reindexed.length > 0 && !locked) onEvent({ event: 'remark', message: IN_USE });
  const imported = await listImported(target, shapes);
  const tables: TableOutcome[] = [];
  const proving: (() => Promise<TableProof>)[] = [];
  let idle: Promise<unknown> = Promise.resolve();
  for (const shape of shapes) {
    const direct = !imported.has(shape.name) && (await mayLoadDirectly(target, from, shape));
    // The source sums up one table after the other on its second connection while rows are copied on the first: at once
    // where all of them will arrive.
    const sumAtSource = (except: readonly string[]) => {
      const there: Rows = { client: from.prover, side: from.side, except };
      const sum = idle.then(() => asking(from.side, () => sumTable(there, shape)));
      idle = sum.catch(() => {});
      return { there, sum };
    };
    const early = direct ? sumAtSource([]) : undefined;
    const { outcome, loaded } = direct
      ? await loadTable(target, run, shape, { reindex: locked && reindexed.includes(shape) })
      : await mergeTable(target, run, shape);
    tables.push(outcome);
    onEvent({ event: 'table', outcome });
    const except = await listKept(target, shape);
    const { there, sum: source } = early ?? sumAtSource(except);
    proving.push(() => {
      onEvent({ event: 'proving', table: shape.name });
      const here: Rows = { client: target, side: targetSide, except };
      return compareTable(shape, there, here, { source, target: loaded ?? sumTable(here, shape) });
    });
  }
  if (foreignKeysOff) await refuseOrphans(target, shapes);

  const proofs: TableProof[] = [];
  for (const prove of proving) {
    const proof = await prove();
    onEvent({ event: 'proof', proof });
    proofs.push(proof);
  }
  const unequal = proofs.filter(({ equal }) => !equal);
  if (unequal.length > 0) throw new MigrationFailure('unequal', describeInequality(unequal));

  await silenceTriggers(target, run, 'on');
  if (shapes.some(({ name }) => name === 'refresh_tokens')) await advanceTokenSequence(target);
  return { tables, proofs, conflicts: await listConflicts(target, NAMED_CONFLICTS) };
}

/** The portal's triggers on schema auth: `handle_new_user` would give every carried user a second profile. */
async function silenceTriggers(
  target: pg.ClientBase,
  { plan, portalTriggers }: Run,
  state: 'on' | 'off',
): Promise<void> {
  if (plan.target.may_replicate) return turnTriggers(target, state);
  for (const { table, name } of portalTriggers) await switchTrigger(target, table, name, state);
}

interface CarriedTable {
  outcome: TableOutcome;
  /** Of a table whose rows were loaded into it directly: what arrived. */
  loaded?: TableSum;
}

/** Fills a table in which no row can be the source's; its indexes come after the rows if it may be reindexed. */
async function loadTable(
  target: pg.ClientBase,
  run: Run,
  shape: TableShape,
  { reindex }: { reindex: boolean },
): Promise<CarriedTable> {
  const { name: table } = shape;
  const indexes = reindex ? await takeIndexesOff(target, shape) : [];
  const rows = await copyInto(target, run, shape, targetTable(shape));
  if (reindex) {
    run.onEvent({ event: 'indexing', table });
    await makeIndexes(target, indexes);
  }
  run.onEvent({ event: 'remembering', table });
  const loaded = await rememberLoaded(target, shape);
  const outcome = { table, rows, inserted: rows, updated: 0, deleted: 0, unchanged: 0, kept: 0, conflicts: 0 };
  return { outcome, loaded };
}

async function mergeTable(target: pg.ClientBase, run: Run, shape: TableShape): Promise<CarriedTable> {
  await makeStage(target, shape);
  const rows = await copyInto(target, run, shape, STAGED);
  const merged = await mergeStaged(target, shape, { foreignKeysOff: run.plan.target.may_replicate });
  return { outcome: { table: shape.name, rows, ...merged } };
}

function copyInto(target: pg.ClientBase, run: Run, shape: TableShape, into: string): Promise<number> {
  const { from, targetSide, plan, binaryTables, stall_seconds, onEvent } = run;
  const { name: table } = shape;
  const of = plan.tables.find((planned) => planned.table === table)?.source_rows ?? 0;
  const onRows = (rows: number) => onEvent({ event: 'progress', table, rows, of });
  const binary = binaryTables.has(table);
  return copyRows(from, target, targetSide, shape, { into, binary, onRows, stall_seconds });
}

/** Whether the source's rows can only be new in a table that none were imported into: they need not be compared with anything. */
async function mayLoadDirectly(target: pg.ClientBase, { copier, side }: Source, shape: TableShape): Promise<boolean> {
  const keys = await listKeys(target, shape, FEW_ROWS);
  if (keys === undefined) return false;
  return keys.length === 0 || !(await asking(side, () => hasAnyOf(copier, shape, keys)));
}

/** Foreign keys were off while the rows were copied, so they are checked here. */
async function refuseOrphans(target: pg.ClientBase, shapes: readonly TableShape[]): Promise<void> {
  for (const shape of shapes) {
    const [orphan] = await listOrphans(target, shape, 1);
    if (orphan) {
      throw new MigrationFailure(
        'source',
        `Row ${orphan.key} of auth.${orphan.table} refers to a row that does not exist. Remove it at the source and run again.`,
      );
    }
  }
}

function describeInequality(unequal: readonly TableProof[]): string {
  const first = unequal.flatMap(({ differing }) => differing)[0];
  const example = first
    ? ` For one, row ${first.key} of auth.${first.table} is ${first.difference}${first.columns.length > 0 ? ` in ${first.columns.join(', ')}` : ''}.`
    : '';
  return `The copy of auth.${unequal.map(({ table }) => table).join(', auth.')} is not equal to the source.${example} Nothing was changed at the target.`;
}
