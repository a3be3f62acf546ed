/** Sums over rows and columns that are equal on two sides only when the rows are. */
import pg from 'pg';
import type { Side } from './failure.ts';
import { fingerprint, rowSeed, sourceRows, targetTable } from './row.sql.ts';
import type { TableShape } from './tables.ts';

/** The sum of a column: how many values, and their checksum, a sum of 64-bit hashes each of which is tied to its row. */
export interface ColumnSum {
  column: string;
  values: string;
  checksum: string;
}

export interface TableSum {
  rows: string;
  columns: ColumnSum[];
}

/** Which side's rows, and without which keys. */
export interface Rows {
  client: pg.ClientBase;
  side: Side;
  except: readonly string[];
}

/**
 * What is selected below it is computed once per row, however often it is used above; written so, it does not keep the
 * planner from using several cores.
 */
const FENCE = `offset bigint '0'`;

/** The rows in question, with `seed`. At the target they are those that were imported, not its own. */
function rowsOf(shape: TableShape, { name }: Side): string {
  const rows =
    name === 'source'
      ? sourceRows(shape)
      : `select t.* from ${targetTable(shape)} as t
           join gatehouse.migrated_rows as r on r.table_name = ${pg.escapeLiteral(shape.name)} and r.key = t.id::text`;
  return `(select *, ${rowSeed('r')} as seed from (${rows}) as r where id::text <> all ($1::text[]) ${FENCE}) as r`;
}

export async function sumTable({ client, side, except }: Rows, shape: TableShape): Promise<TableSum> {
  const { rows } = await client.query<Record<string, string>>(`select ${sumOf(shape)} from ${rowsOf(shape, side)}`, [
    except,
  ]);
  return readSum(shape, rows[0]);
}

/**
 * Remembers every row that this transaction put into the table itself, and resolves to their sum. Both are queries that
 * the server may answer on several cores: one that writes, or asks for the transaction's id, may not be.
 */
export async function rememberLoaded(target: pg.ClientBase, shape: TableShape): Promise<TableSum> {
  const { rows } = await target.query<{ xid: string }>('select pg_current_xact_id()::xid::text as xid');
  // The planner thinks that hardly a row has a given xmin, unless it cannot see that it is asked for that.
  const ours = `coalesce(t.xmin = ${pg.escapeLiteral(rows[0]?.xid ?? '')}::xid, false)`;
  const loaded = `select t.* from ${targetTable(shape)} as t where ${ours}`;
  // The planner thinks that a row which one core hands to another costs what forty functions do.
  await target.query('set local parallel_tuple_cost = 0.01');
  await target.query(
    `create temp table remembered on commit drop as
     select r.id::text as key, ${fingerprint(shape, 'r')} as fingerprint from (${loaded}) as r`,
  );
  await target.query(
    'insert into gatehouse.migrated_rows (table_name, key, fingerprint) select $1, key, fingerprint from pg_temp.remembered',
    [shape.name],
  );
  await target.query('drop table pg_temp.remembered');
  const sums = await target.query<Record<string, string>>(
    `select ${sumOf(shape)} from (select *, ${rowSeed('r')} as seed from (${loaded}) as r ${FENCE}) as r`,
  );
  return readSum(shape, sums.rows[0]);
}

/** The hash of a value that is tied to its row. */
const hashOf = (column: string) => `hashtextextended(${column}::text, seed)`;

/** What {@link readSum} reads. */
function sumOf({ columns }: TableShape): string {
  const sums = columns.map((name, n) => {
    const column = pg.escapeIdentifier(name);
    return `count(${column})::text as n${n}, coalesce(sum(${hashOf(column)}), 0)::text as s${n}`;
  });
  return `count(*)::text as "rows", ${sums.join(', ')}`;
}

function readSum({ columns }: TableShape, row: Record<string, string> = {}): TableSum {
  return {
    rows: row.rows ?? '0',
    columns: columns.map((column, n) => ({ column, values: row[`n${n}`] ?? '0', checksum: row[`s${n}`] ?? '0' })),
  };
}

/** Rows are looked for in buckets, so that a difference is found without carrying every row over. */
const BUCKETS = 4096;

/** Bucket → what it adds up to. */
export async function sumBuckets({ client, side, except }: Rows, shape: TableShape): Promise<Map<number, string>> {
  const { rows } = await client.query<{ bucket: number; sum: string }>(
    `select (seed & ${BUCKETS - 1})::int as bucket, count(*) || ':' || sum(${fingerprint(shape, 'r')}) as sum
       from ${rowsOf(shape, side)} group by 1`,
    [except],
  );
  return new Map(rows.map(({ bucket, sum }) => [bucket, sum]));
}

/** Key → one hash per column, of the rows in these buckets. */
export async function hashRows(
  { client, side, except }: Rows,
  shape: TableShape,
  buckets: readonly number[],
): Promise<Map<string, (string | null)[]>> {
  const hashes = shape.columns.map((name) => `${hashOf(pg.escapeIdentifier(name))}::text`);
  const { rows } = await client.query<{ key: string; hashes: (string | null)[] }>(
    `select id::text as key, array[${hashes.join(', ')}] as hashes
       from ${rowsOf(shape, side)} where (seed & ${BUCKETS - 1})::int = any ($2::int[])`,
    [except, buckets],
  );
  return new Map(rows.map(({ key, hashes }) => [key, hashes]));
}
