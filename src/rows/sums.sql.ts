/** What the rows of a table add up to, in buckets, and the rows of a bucket; a digest is all that leaves the server of a row. */
import pg from 'pg';
import { type ComparedColumn, keyHash, rowDigest } from './digest.sql.ts';
import { inSql } from './tables.sql.ts';

const { escapeIdentifier } = pg;

/** A table as both sides have it, and how its rows are looked at. */
export interface ComparedTable {
  schema: string;
  name: string;
  columns: readonly ComparedColumn[];
  /** Columns that tell rows apart; empty where only all of them together do. */
  key: readonly string[];
  large_values: boolean;
  /** A power of two. */
  buckets: number;
}

/** What the rows of a bucket add up to: how many, and the two halves of their digests. */
export interface Sum {
  rows: number;
  high: bigint;
  low: bigint;
}

/** Where in a table: pages from one on, up to another. */
export interface PageRange {
  from: number;
  /** Undefined for the last range: rows may have been added behind it. */
  to: number | undefined;
}

const digestOf = ({ columns, large_values }: ComparedTable) =>
  `('x' || encode(${rowDigest(columns, large_values)}, 'hex'))::bit(128)`;

/** Every row is in one bucket: by its key, or, without one, by its digest, so that equal rows come together. */
const bucketOf = ({ key, buckets }: ComparedTable, digest: string) =>
  key.length > 0 ? `${keyHash(key)} & ${buckets - 1}` : `substring(${digest} from 65 for 64)::bigint & ${buckets - 1}`;

/** Bucket → what its rows in this part of the table add up to. */
export async function sumBuckets(
  client: pg.ClientBase,
  table: ComparedTable,
  range?: PageRange,
): Promise<Map<number, Sum>> {
  const bounds = range
    ? `where ctid >= '(${range.from},0)'${range.to === undefined ? '' : ` and ctid < '(${range.to},0)'`}`
    : '';
  const keyed = table.key.length > 0;
  const { rows } = await client.query<{ bucket: number; rows: number; high: string; low: string }>(
    `select (${keyed ? 'bucket' : bucketOf(table, 'digest')})::int as bucket, count(*)::float8 as rows,
            sum(substring(digest from 1 for 64)::bigint)::text as high,
            sum(substring(digest from 65 for 64)::bigint)::text as low
       from (select ${keyed ? `${bucketOf(table, '')} as bucket, ` : ''}${digestOf(table)} as digest
               from only ${inSql(table)} ${bounds} offset 0) as r
      group by 1`,
  );
  return new Map(rows.map(({ bucket, rows, high, low }) => [bucket, { rows, high: BigInt(high), low: BigInt(low) }]));
}

/** Rows that are equal in every column: as many as there are. */
export interface Rows {
  /** Digest of the key, or of the whole row. */
  identity: string;
  digest: string;
  times: number;
  /** Where one of them is. */
  ctid: string;
}

export async function listRows(
  client: pg.ClientBase,
  table: ComparedTable,
  buckets: readonly number[],
): Promise<Rows[]> {
  const { columns, key, large_values } = table;
  const identity = rowDigest(
    columns.filter(({ name }) => key.includes(name)),
    large_values,
  );
  const keyed = key.length > 0;
  const { rows } = await client.query<Rows>(
    `select encode(${keyed ? 'identity' : "''"}, 'hex') as identity, digest::text as digest, count(*)::float8 as times,
            min(ctid)::text as ctid
       from (select ctid, ${keyed ? `${identity} as identity, ` : ''}${digestOf(table)} as digest
               from only ${inSql(table)}
              ${keyed ? `where ${bucketOf(table, '')} = any ($1::bigint[])` : ''} offset 0) as r
      ${keyed ? '' : `where ${bucketOf(table, 'digest')} = any ($1::bigint[])`}
      group by 1, 2`,
    [buckets],
  );
  return rows.map((row) => (keyed ? row : { ...row, identity: row.digest }));
}

/** One row: what it is called, and the digest of each of its columns. */
export interface RowDetails {
  /** The text of each key column, cut short. */
  key: string[];
  columns: string[];
}

/** Place → the row there. */
export async function readDetails(
  client: pg.ClientBase,
  table: ComparedTable,
  ctids: readonly string[],
): Promise<Map<string, RowDetails>> {
  const key = table.key.map((name) => `left(${escapeIdentifier(name)}::text, 100)`);
  const columns = table.columns.map((column) => `encode(${rowDigest([column], table.large_values)}, 'hex')`);
  const { rows } = await client.query<RowDetails & { ctid: string }>(
    `select ctid::text, array[${key.join(', ')}]::text[] as key, array[${columns.join(', ')}]::text[] as columns
       from only ${inSql(table)}
      where ctid = any ($1::tid[])`,
    [ctids],
  );
  return new Map(rows.map(({ ctid, ...details }) => [ctid, details]));
}
