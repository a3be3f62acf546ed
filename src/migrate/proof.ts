/** The proof that what arrived is what was sent: counts and checksums per column, and every differing row by name. */
import { asking } from './failure.ts';
import { hashRows, type Rows, sumBuckets, type TableSum } from './proof.sql.ts';
import type { TableShape } from './tables.ts';

/** A row that is not the same on both sides. Its values are never shown: they may be secrets. */
export interface DifferingRow {
  table: string;
  key: string;
  difference: 'missing at the target' | 'not at the source' | 'changed';
  /** The columns that differ, when both sides have the row. */
  columns: string[];
}

export interface TableProof {
  table: string;
  rows: number;
  source: TableSum;
  target: TableSum;
  equal: boolean;
  /** Of an unequal table: the rows, up to `NAMED_ROWS` of them. */
  differing: DifferingRow[];
}

/** So many differing rows of a table are named; what is wrong with more is wrong with all. */
const NAMED_ROWS = 1000;

/** How many buckets are opened at once; a bucket holds a 4096th of the table. */
const BUCKETS_AT_ONCE = 16;

/** Compares the sums of a table on both sides, which may be underway, and names the rows that differ. */
export async function compareTable(
  shape: TableShape,
  source: Rows,
  target: Rows,
  sums: { source: Promise<TableSum>; target: TableSum | Promise<TableSum> },
): Promise<TableProof> {
  const [sourceSum, targetSum] = await Promise.all([sums.source, sums.target]);
  const equal = JSON.stringify(sourceSum) === JSON.stringify(targetSum);
  return {
    table: shape.name,
    rows: Number(sourceSum.rows),
    source: sourceSum,
    target: targetSum,
    equal,
    differing: equal ? [] : await nameDifferingRows(shape, source, target),
  };
}

async function nameDifferingRows(shape: TableShape, source: Rows, target: Rows): Promise<DifferingRow[]> {
  const onBoth = <T>(ask: (rows: Rows) => Promise<T>) =>
    Promise.all([source, target].map((rows) => asking(rows.side, () => ask(rows)))) as Promise<[T, T]>;

  const [there, here] = await onBoth((rows) => sumBuckets(rows, shape));
  const unequal = [...new Set([...there.keys(), ...here.keys()])].filter(
    (bucket) => there.get(bucket) !== here.get(bucket),
  );

  const differing: DifferingRow[] = [];
  while (unequal.length > 0 && differing.length < NAMED_ROWS) {
    const buckets = unequal.splice(0, BUCKETS_AT_ONCE);
    const [sent, arrived] = await onBoth((rows) => hashRows(rows, shape, buckets));
    for (const key of new Set([...sent.keys(), ...arrived.keys()])) {
      const row = differingRow(shape, key, sent.get(key), arrived.get(key));
      if (row) differing.push(row);
    }
  }
  return differing.slice(0, NAMED_ROWS);
}

function differingRow(
  { name: table, columns }: TableShape,
  key: string,
  sent: readonly (string | null)[] | undefined,
  arrived: readonly (string | null)[] | undefined,
): DifferingRow | undefined {
  if (!arrived) return { table, key, difference: 'missing at the target', columns: [] };
  if (!sent) return { table, key, difference: 'not at the source', columns: [] };
  const different = columns.filter((_, n) => sent[n] !== arrived[n]);
  return different.length > 0 ? { table, key, difference: 'changed', columns: different } : undefined;
}
