/**
 * Whether a table holds the same rows on two servers: each adds up the digests of all its rows, in buckets; where a bucket's
 * sums differ the digests of its rows are compared, and of rows that differ those of their columns. Equal tables are read
 * once, and no value ever leaves a server but the keys of rows that differ.
 */
import type pg from 'pg';
import {
  type ComparedTable,
  listRows,
  type PageRange,
  type RowDetails,
  type Rows,
  readDetails,
  type Sum,
  sumBuckets,
} from './sums.sql.ts';
import { isTooLarge, Unreadable } from './unreadable.ts';

/** The two databases, each in a transaction with one view of its rows. */
export interface Sides<T = pg.ClientBase> {
  source: T;
  target: T;
}

/** A row that is not the same on both sides. Its values are never shown, but for its key. */
export interface DifferingRow {
  difference: 'missing at the target' | 'not at the source' | 'changed';
  /** `id=5`; of a table without a key the first digits of the row's digest and where it is. */
  row: string;
  /** The columns that differ, when both sides have the row. */
  columns: string[];
}

export interface RowComparison {
  equal: boolean;
  /** How many, and the checksum over all their columns, in hex. */
  source: { rows: number; checksum: string };
  target: { rows: number; checksum: string };
  /** Of an unequal table: the rows, up to `NAMED_ROWS` of them. */
  differing: DifferingRow[];
  /** Whether there are, or may be, more than are named. */
  more: boolean;
}

/** So many differing rows of a table are named; what is wrong with more is wrong with all. */
export const NAMED_ROWS = 1000;

/** About so many rows are looked at one by one, at a time. */
const ROWS_AT_ONCE = 50_000;

/** So many rows are asked for their columns at a time. */
const DETAILS_AT_ONCE = 100;

/** Which pages are read by one statement, on each side; one without ranges reads it whole. */
export type Ranges = Sides<(PageRange | undefined)[]>;

export async function compareTable(
  sides: Sides,
  table: ComparedTable,
  ranges: Ranges,
  onRows: (rows: number) => void = () => {},
): Promise<RowComparison> {
  const sums = await onBoth(table, async (side) => {
    const total = new Map<number, Sum>();
    for (const range of ranges[side]) {
      const part = await sumBuckets(sides[side], table, range);
      let rows = 0;
      for (const [bucket, sum] of part) {
        total.set(bucket, add(total.get(bucket), sum));
        rows += sum.rows;
      }
      if (side === 'source') onRows(rows);
    }
    return total;
  });
  const unequal = unequalBuckets(sums);
  const equal = unequal.length === 0;
  const named = equal ? { differing: [], more: false } : await nameRows(sides, table, unequal);
  return { equal, source: summary(sums.source), target: summary(sums.target), ...named };
}

/**
 * Asks both sides at once, and waits for both even where one fails: its connection is then free again.
 *
 * @throws Unreadable where a row is too large for a side to read it
 */
async function onBoth<T>(
  { schema, name }: ComparedTable,
  ask: (side: 'source' | 'target') => Promise<T>,
): Promise<Sides<T>> {
  const [source, target] = await Promise.allSettled([ask('source'), ask('target')]);
  if (source.status === 'rejected') throw failure('source', source.reason);
  if (target.status === 'rejected') throw failure('target', target.reason);
  return { source: source.value, target: target.value };

  function failure(side: 'source' | 'target', error: unknown): unknown {
    return isTooLarge(error) ? new Unreadable(side, 'size', [`${schema}.${name}`]) : error;
  }
}

function add(a: Sum | undefined, b: Sum): Sum {
  return a ? { rows: a.rows + b.rows, high: a.high + b.high, low: a.low + b.low } : b;
}

function summary(sums: Map<number, Sum>): { rows: number; checksum: string } {
  let total: Sum = { rows: 0, high: 0n, low: 0n };
  for (const sum of sums.values()) total = add(total, sum);
  const hex = (half: bigint) => BigInt.asUintN(64, half).toString(16).padStart(16, '0');
  return { rows: total.rows, checksum: hex(total.high) + hex(total.low) };
}

/** Buckets whose sums differ, each with the number of rows in it. */
function unequalBuckets({ source, target }: Sides<Map<number, Sum>>): { bucket: number; rows: number }[] {
  return [...new Set([...source.keys(), ...target.keys()])].flatMap((bucket) => {
    const [there, here] = [source.get(bucket), target.get(bucket)];
    const same = there?.rows === here?.rows && there?.high === here?.high && there?.low === here?.low;
    return same ? [] : [{ bucket, rows: Math.max(there?.rows ?? 0, here?.rows ?? 0) }];
  });
}

/** Rows that one side has and the other has not, or not as often. */
interface Odd {
  identity: string;
  ctid: string;
}

async function nameRows(sides: Sides, table: ComparedTable, unequal: { bucket: number; rows: number }[]) {
  const odd: Sides<Odd[]> = { source: [], target: [] };
  const rest = [...unequal];
  while (rest.length > 0 && odd.source.length <= NAMED_ROWS && odd.target.length <= NAMED_ROWS) {
    const buckets: number[] = [];
    for (let rows = 0; rest.length > 0 && (buckets.length === 0 || rows + (rest[0]?.rows ?? 0) <= ROWS_AT_ONCE); ) {
      const next = rest.shift();
      if (!next) break;
      buckets.push(next.bucket);
      rows += next.rows;
    }
    const found = await onBoth(table, (side) => listRows(sides[side], table, buckets));
    odd.source.push(...surplus(found.source, found.target));
    odd.target.push(...surplus(found.target, found.source));
  }
  const more = rest.length > 0 || odd.source.length > NAMED_ROWS || odd.target.length > NAMED_ROWS;
  const details = await onBoth(table, (side) => detailsOf(sides[side], table, odd[side].slice(0, NAMED_ROWS)));
  const differing = table.key.length > 0 ? pairByKey(table, details) : pairByLikeness(table, details);
  return { differing: differing.slice(0, NAMED_ROWS), more: more || differing.length > NAMED_ROWS };
}

/** What these rows have more of than the others. Of equal rows one place stands for all. */
function surplus(these: Rows[], others: Rows[]): Odd[] {
  const id = ({ identity, digest }: Rows) => `${identity} ${digest}`;
  const times = new Map(others.map((row) => [id(row), row.times]));
  return these.flatMap((row) => {
    const excess = Math.min(row.times - (times.get(id(row)) ?? 0), NAMED_ROWS + 1);
    return excess > 0 ? Array.from({ length: excess }, () => ({ identity: row.identity, ctid: row.ctid })) : [];
  });
}

type OddRow = Odd & RowDetails;

async function detailsOf(client: pg.ClientBase, table: ComparedTable, odd: Odd[]): Promise<OddRow[]> {
  const rows: OddRow[] = [];
  for (let n = 0; n < odd.length; n += DETAILS_AT_ONCE) {
    const some = odd.slice(n, n + DETAILS_AT_ONCE);
    const details = await readDetails(client, table, [...new Set(some.map(({ ctid }) => ctid))]);
    for (const row of some) {
      const found = details.get(row.ctid);
      if (found) rows.push({ ...row, ...found });
    }
  }
  return rows;
}

function pairByKey(table: ComparedTable, { source, target }: Sides<OddRow[]>): DifferingRow[] {
  const arrived = Map.groupBy(target, ({ identity }) => identity);
  const called = ({ key }: OddRow) =>
    key.length === 1 ? `${table.key[0]}=${key[0]}` : `(${table.key.join(', ')})=(${key.join(', ')})`;
  const differing = source.map((row): DifferingRow => {
    const other = arrived.get(row.identity)?.shift();
    if (!other) return { difference: 'missing at the target', row: called(row), columns: [] };
    return { difference: 'changed', row: called(row), columns: differingColumns(table, row, other) };
  });
  const left = [...arrived.values()].flat();
  return [
    ...differing,
    ...left.map((row): DifferingRow => ({ difference: 'not at the source', row: called(row), columns: [] })),
  ];
}

/** Rows beyond so many on either side are not compared each with each. */
const LIKENESS_ROWS = 100;

/**
 * Without a key nobody knows which row became which: one that is missing and one that is new count as one that changed when
 * more of their columns are equal than differ, the most alike first.
 */
function pairByLikeness(table: ComparedTable, { source, target }: Sides<OddRow[]>): DifferingRow[] {
  const called = ({ identity, ctid }: OddRow, side: string) =>
    `sha256 ${hexOfBits(identity)}…, ctid ${ctid} at the ${side}`;
  const pairs =
    source.length > LIKENESS_ROWS || target.length > LIKENESS_ROWS
      ? []
      : source
          .flatMap((sent) => target.map((came) => ({ sent, came, columns: differingColumns(table, sent, came) })))
          .filter(({ columns }) => columns.length * 2 < table.columns.length)
          .sort((a, b) => a.columns.length - b.columns.length);
  const taken = new Set<OddRow>();
  const differing: DifferingRow[] = [];
  for (const { sent, came, columns } of pairs) {
    if (taken.has(sent) || taken.has(came)) continue;
    taken.add(sent).add(came);
    differing.push({ difference: 'changed', row: called(sent, 'source'), columns });
  }
  for (const row of source) {
    if (!taken.has(row))
      differing.push({ difference: 'missing at the target', row: called(row, 'source'), columns: [] });
  }
  for (const row of target) {
    if (!taken.has(row)) differing.push({ difference: 'not at the source', row: called(row, 'target'), columns: [] });
  }
  return differing;
}

function differingColumns({ columns }: ComparedTable, a: RowDetails, b: RowDetails): string[] {
  return columns.filter((_, n) => a.columns[n] !== b.columns[n]).map(({ name }) => name);
}

/** The first 64 of a string of bits, in hex. */
function hexOfBits(bits: string): string {
  return BigInt(`0b${bits.slice(0, 64)}`)
    .toString(16)
    .padStart(16, '0');
}
