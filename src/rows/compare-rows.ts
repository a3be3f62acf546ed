/** Whether all tables of some schemas hold the same rows on two servers. */
import { compareTable, type RowComparison, type Sides } from './compare-table.ts';
import { pinForms } from './settings.sql.ts';
import type { ComparedTable, PageRange } from './sums.sql.ts';
import {
  beginTable,
  endTable,
  inSql,
  listPassedOver,
  listTables,
  listViews,
  lockTables,
  type TableFacts,
} from './tables.sql.ts';
import { Unreadable } from './unreadable.ts';

export interface TableComparison extends RowComparison {
  /** As SQL writes it. */
  table: string;
  /** Columns that tell its rows apart; empty where only all of them together do. */
  key: string[];
  columns: number;
  /** What of the table itself keeps rows or columns from being the same, in words; `equal` is false with any. */
  shape: string[];
}

/** Something that was not compared, and why. */
export interface NotChecked {
  what: string;
  why: string;
}

export interface RowsComparison {
  tables: TableComparison[];
  not_checked: NotChecked[];
}

export type RowsEvent =
  /** What there is to read at the source. */
  | { event: 'rows_begin'; tables: number; bytes: number }
  /** Read since the last of these. */
  | { event: 'rows_read'; table: string; rows: number; bytes: number }
  | { event: 'table'; comparison: TableComparison };

/** About as much of a table is read by one statement: enough to be fast, little enough to see it go on. */
const RANGE_BYTES = 256 * 1024 * 1024;
const PAGE_BYTES = 8192;

/**
 * Compares every row and column. Both clients are in a transaction of their own, `repeatable read`, whose settings are
 * pinned here; they keep a lock on every table until it ends, so that none is emptied, altered or dropped meanwhile.
 *
 * @throws Unreadable before anything is compared; or at a row that is too large to be read
 */
export async function compareRows(
  sides: Sides,
  schemas: readonly string[],
  onEvent: (event: RowsEvent) => void = () => {},
): Promise<RowsComparison> {
  const [source, target] = [await prepare(sides, 'source', schemas), await prepare(sides, 'target', schemas)];
  const there = new Map(source.map((facts) => [inSql(facts), facts]));
  const here = new Map(target.map((facts) => [inSql(facts), facts]));
  onEvent({ event: 'rows_begin', tables: there.size, bytes: source.reduce((sum, { bytes }) => sum + bytes, 0) });

  const tables: TableComparison[] = [];
  for (const name of [...new Set([...there.keys(), ...here.keys()])].sort()) {
    const comparison = await comparePair(sides, there.get(name), here.get(name), onEvent);
    onEvent({ event: 'table', comparison });
    tables.push(comparison);
  }
  const views = await compareViews(sides, schemas, onEvent);
  return {
    tables: [...tables, ...views.tables],
    not_checked: [...views.not_checked, ...(await passedOver(sides, schemas))],
  };
}

async function prepare(sides: Sides, side: keyof Sides, schemas: readonly string[]): Promise<TableFacts[]> {
  const client = sides[side];
  await pinForms(client);
  const tables = await listTables(client, schemas);
  const labels = (of: TableFacts[]) => of.map(({ label }) => label);
  const forbidden = labels(tables.filter(({ readable }) => !readable));
  if (forbidden.length > 0) throw new Unreadable(side, 'rights', forbidden);
  const veiled = labels(tables.filter((table) => table.veiled));
  if (veiled.length > 0) throw new Unreadable(side, 'row level security', veiled);
  await lockTables(client, tables);
  return tables;
}

const none = { rows: 0, checksum: '0'.repeat(32) };

async function comparePair(
  sides: Sides,
  there: TableFacts | undefined,
  here: TableFacts | undefined,
  onEvent: (event: RowsEvent) => void,
): Promise<TableComparison> {
  if (!there || !here) {
    const shape = [there ? 'the table is missing at the target' : 'the table is not at the source'];
    const { label = '', key = [], columns = [] } = there ?? here ?? {};
    const nothing = { equal: false, source: none, target: none, differing: [], more: false };
    return { table: label, key, columns: columns.length, shape, ...nothing };
  }
  const { label: table } = there;
  const compared = agree(there, here);
  const shape = shapeDifferences(there, here);
  const ranges = { source: rangesOf(there), target: rangesOf(here) };
  const bytes = there.bytes / ranges.source.length;
  const rows = await within(sides, () =>
    compareTable(sides, compared, ranges, (read) => onEvent({ event: 'rows_read', table, rows: read, bytes })),
  );
  const equal = rows.equal && shape.length === 0;
  return { table, key: [...compared.key], columns: compared.columns.length, shape, ...rows, equal };
}

/**
 * Materialized views that hold the same rows on both sides. Another one was made of the same tables at another time: that is
 * no difference of the portal's, and is said. None can be locked, so one that is refreshed meanwhile may be among them.
 */
async function compareViews(
  sides: Sides,
  schemas: readonly string[],
  onEvent: (event: RowsEvent) => void,
): Promise<RowsComparison> {
  const compared: RowsComparison = { tables: [], not_checked: [] };
  const here = new Map((await listViews(sides.target, schemas)).map((facts) => [inSql(facts), facts]));
  for (const there of await listViews(sides.source, schemas)) {
    const other = here.get(inSql(there));
    // That it is missing, or filled on one side alone, is a matter of definitions.
    if (!other?.populated || !there.populated) continue;
    const pass = (why: string) =>
      compared.not_checked.push({ what: `the rows of materialized view ${there.label}`, why });
    if (!there.readable || !other.readable) {
      pass(`the role at the ${there.readable ? 'target' : 'source'} may not read it`);
      continue;
    }
    const comparison = await comparePair(sides, there, other, onEvent);
    if (comparison.equal) {
      onEvent({ event: 'table', comparison });
      compared.tables.push(comparison);
    } else {
      const { source, target } = comparison;
      pass(
        `it was made of its tables at another time here than there (${source.rows} rows at the source, ${target.rows} at the target): refresh it on both sides and verify again`,
      );
    }
  }
  return compared;
}

/** What statements lock beside the tables, their indexes, is given free again: a portal has more than a server has locks. */
async function within<T>({ source, target }: Sides, work: () => Promise<T>): Promise<T> {
  await Promise.all([beginTable(source), beginTable(target)]);
  const result = await work();
  await Promise.all([endTable(source), endTable(target)]);
  return result;
}

/** The columns that both sides have, in the source's order. */
function agree(there: TableFacts, here: TableFacts): ComparedTable {
  const arrived = new Map(here.columns.map((column) => [column.name, column]));
  const columns = there.columns.flatMap((column) => {
    const other = arrived.get(column.name);
    return other ? [{ ...column, alike: other.native === column.native && other.type === column.type }] : [];
  });
  const key = there.key.every((name) => arrived.has(name)) ? there.key : [];
  const large_values = there.large_values || here.large_values;
  return { schema: there.schema, name: there.name, columns, key, large_values, buckets: bucketsFor(there.bytes) };
}

/** Some pages' rows to a bucket, so that a difference is found among few; as many buckets as the memory of a group has room for. */
function bucketsFor(bytes: number): number {
  const wanted = Math.ceil(Math.log2(Math.max(1, bytes / (2 * PAGE_BYTES))));
  return 2 ** Math.min(14, Math.max(4, wanted));
}

function shapeDifferences(there: TableFacts, here: TableFacts): string[] {
  const lacks = (facts: TableFacts, { name }: { name: string }) => facts.columns.every((other) => other.name !== name);
  const missing = there.columns.filter((column) => lacks(here, column));
  const added = here.columns.filter((column) => lacks(there, column));
  const parts =
    there.partition_of === here.partition_of
      ? []
      : [`${partition(there.partition_of)} at the source, ${partition(here.partition_of)} at the target`];
  return [
    ...missing.map(({ name }) => `column ${name} is missing at the target`),
    ...added.map(({ name }) => `column ${name} is not at the source`),
    ...parts,
  ];
}

const partition = (parent: string | null) => (parent === null ? 'no partition' : `a partition of ${parent}`);

function rangesOf({ bytes, heap }: TableFacts): (PageRange | undefined)[] {
  if (!heap || bytes <= RANGE_BYTES) return [undefined];
  const pages = RANGE_BYTES / PAGE_BYTES;
  const count = Math.ceil(bytes / RANGE_BYTES);
  return Array.from({ length: count }, (_, n) => ({
    from: n * pages,
    to: n === count - 1 ? undefined : (n + 1) * pages,
  }));
}

const reasons = {
  'foreign table': 'its rows are in another database',
  'extension table': 'it belongs to an extension, that fills it where it is installed',
} as const;

async function passedOver(sides: Sides, schemas: readonly string[]): Promise<NotChecked[]> {
  const listed = await listPassedOver(sides.source, schemas);
  return listed.map((object) => ({ what: `the rows of ${object.kind} ${object.label}`, why: reasons[object.kind] }));
}
