/** The rows of all tables: several at once, great ones in parts, each table whole or not at all as far as the copy knows. */
import type pg from 'pg';
import { pinSettings, readAt } from '../migrate/source.sql.ts';
import { listLargeObjects, makeLargeObject, readPiece, removeLargeObjects } from '../portal/large-objects.sql.ts';
import { emptyTable, isAsBefore, type PageRange, type PortalTable } from '../portal/tables.sql.ts';
import { forgetSteps, recordStep } from './copies.sql.ts';
import type { Copying } from './copy.ts';
import { askingCopy } from './failure.ts';
import { copyRows, type Pipe } from './pipe.ts';

/** What became of one table. */
export interface TableCopy {
  table: string;
  rows: number;
  bytes: number;
  seconds: number;
  /** It had been copied by an earlier run, and its rows have not changed since. */
  kept: boolean;
}

/** Transactions make no more large objects than they may hold locks. */
const LARGE_OBJECTS_AT_ONCE = 500;

const stepOf = ({ identity }: PortalTable) => `table ${identity}`;

/** Of the tables that an earlier run has copied those that still hold what it read. */
export async function listKept({ tables, steps, holder, sides }: Copying): Promise<Map<PortalTable, TableCopy>> {
  const kept = new Map<PortalTable, TableCopy>();
  for (const table of tables) {
    const done = steps.get(stepOf(table)) as ({ horizon: string } & TableCopy) | undefined;
    if (!done) continue;
    const { rows, bytes, seconds, horizon } = done;
    const same = await askingCopy(sides.source, () => isAsBefore(holder, table, { rows, horizon }));
    if (same) kept.set(table, { table: table.identity, rows, bytes, seconds, kept: true });
  }
  return kept;
}

/** A table on its way. */
interface Work extends TableCopy {
  of: PortalTable;
  began: number;
  parts: number;
  /** Parts that have not arrived yet. */
  left: number;
  /** The table is emptied once, before its first part arrives. */
  ready: Promise<void> | undefined;
}

interface Part {
  work: Work;
  range: PageRange | undefined;
  number: number;
}

/** Copies every table that is not kept, and resolves to what became of each, in the plan's order. */
export async function copyTables(copying: Copying, kept: ReadonlyMap<PortalTable, TableCopy>): Promise<TableCopy[]> {
  const { tables, plan, jobs, part_bytes, onEvent } = copying;
  for (const table of kept.values()) onEvent({ event: 'table', table });
  const works = tables.filter((table) => !kept.has(table)).map((table) => workOf(table, part_bytes));
  // The first parts of all tables before the second of any: connections that write one table wait for each other.
  const parts = works.flatMap(partsOf).sort((a, b) => a.number - b.number);
  const progress = { bytes: [...kept.keys()].reduce((sum, { bytes }) => sum + bytes, 0), rows: 0 };
  const report = (bytes: number) =>
    onEvent({ event: 'progress', bytes: progress.bytes + bytes, of: plan.bytes, rows: progress.rows });

  const workers = Array.from({ length: Math.min(jobs, parts.length) }, async () => {
    const pipe = await openPipe(copying);
    for (let part = parts.shift(); part; part = parts.shift()) {
      const rows = await copyPart(copying, pipe, part, report);
      progress.rows += rows;
      progress.bytes += part.work.of.bytes / part.work.parts;
      report(0);
    }
    await Promise.all([pipe.source.end(), pipe.target.end()]);
  });
  await Promise.all(workers);
  const copied = new Map(
    works.map(({ of, table, rows, bytes, seconds }) => [of, { table, rows, bytes, seconds, kept: false }]),
  );
  return tables.flatMap((table) => kept.get(table) ?? copied.get(table) ?? []);
}

function workOf(of: PortalTable, part_bytes: number): Work {
  const parts = of.columns.length === 0 ? 1 : Math.max(1, Math.min(of.pages, Math.ceil(of.bytes / part_bytes)));
  return {
    of,
    table: of.identity,
    rows: 0,
    bytes: 0,
    seconds: 0,
    kept: false,
    began: 0,
    parts,
    left: parts,
    ready: undefined,
  };
}

function partsOf(work: Work): Part[] {
  if (work.parts === 1) return [{ work, range: undefined, number: 0 }];
  const pages = Math.ceil(work.of.pages / work.parts);
  return Array.from({ length: work.parts }, (_, number) => {
    const end = number === work.parts - 1 ? undefined : (number + 1) * pages;
    return { work, range: { first: number * pages, end }, number };
  });
}

async function openPipe({ connect, snapshot, sides }: Copying): Promise<Pipe> {
  const source = await connect('source');
  await askingCopy(sides.source, () => readAt(source, snapshot));
  const target = await connect('target');
  await askingCopy(sides.target, () => pinSettings(target, 'session'));
  return { source, target };
}

/** Copies a part in a transaction of its own; the last one of a table is followed by the note that the table is there. */
async function copyPart(
  copying: Copying,
  { source, target }: Pipe,
  { work, range }: Part,
  report: (bytes: number) => void,
): Promise<number> {
  const { sides, plan, stall_seconds, onEvent } = copying;
  const whole = range === undefined;
  const share = work.of.bytes / work.parts;
  work.began ||= performance.now();
  let bytes = 0;
  return askingCopy(sides.target, async () => {
    if (!whole) {
      work.ready ??= emptyFirst(copying, target, work.of);
      await work.ready;
    }
    await target.query('begin');
    if (whole) await emptyTable(target, work.of);
    const rows = await copyRows({ source, target }, work.of, range, {
      sides,
      alike: plan.source.version === plan.target.version,
      freeze: whole,
      stall_seconds,
      onBytes: (more) => {
        bytes += more;
        report(Math.min(bytes, share));
      },
    });
    work.rows += rows;
    work.bytes += bytes;
    if (whole) await note(copying, target, work);
    await target.query('commit');
    work.left -= 1;
    if (work.left === 0) {
      if (!whole) await note(copying, target, work);
      const { table, seconds, kept } = work;
      onEvent({ event: 'table', table: { table, rows: work.rows, bytes: work.bytes, seconds, kept } });
    }
    return rows;
  });
}

async function emptyFirst({ copy_id }: Copying, target: pg.Client, table: PortalTable): Promise<void> {
  await target.query('begin');
  await emptyTable(target, table);
  await forgetSteps(target, copy_id, [stepOf(table)]);
  await target.query('commit');
}

async function note({ copy_id, clock, horizon }: Copying, target: pg.Client, work: Work): Promise<void> {
  work.seconds = (performance.now() - work.began) / 1000;
  const { rows, bytes, seconds } = work;
  const details = { rows, bytes, seconds, horizon };
  await recordStep(target, { id: copy_id, step: stepOf(work.of), details, at: clock() });
}

/**
 * Copies every large object and resolves to their number. What they hold cannot be told from outside, so a rerun begins
 * with the first again.
 */
export async function copyLargeObjects(copying: Copying, target: pg.Client): Promise<number> {
  const { holder, plan, sides, substitute, steps, copy_id, clock } = copying;
  const step = 'large objects';
  const there = (after: string) =>
    askingCopy(sides.source, () => listLargeObjects(holder, after, LARGE_OBJECTS_AT_ONCE));
  if (plan.large_objects === 0) return 0;

  const made = BigInt((steps.get(step)?.up_to as string | undefined) ?? 0);
  let count = 0;
  for (let some = await there('0'); some.length > 0; some = await there(some.at(-1)?.id ?? '0')) {
    await askingCopy(sides.target, async () => {
      await target.query('begin');
      const ours = some.map(({ id }) => id).filter((id) => BigInt(id) <= made);
      await removeLargeObjects(target, ours);
      for (const object of some) {
        await makeLargeObject(target, object, substitute, (at) =>
          askingCopy(sides.source, () => readPiece(holder, object.id, at)),
        );
      }
      const up_to = String([made, BigInt(some.at(-1)?.id ?? 0)].sort((a, b) => (a < b ? 1 : -1))[0]);
      await recordStep(target, { id: copy_id, step, details: { up_to }, at: clock() });
      await target.query('commit');
    });
    count += some.length;
  }
  return count;
}
