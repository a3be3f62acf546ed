/**
 * The digest of a row: SHA-256 over its columns' values, each with its length and apart from NULL, in PostgreSQL's binary
 * form where that is the same on every server, else as text. Rows are compared by sums of digests: 128 bits of each, as
 * two exact sums of 64. Two different tables have equal sums by accident with a probability of 2^-128: a proof against
 * everything but an adversary, who would rather change both tables. Hashes of 32 or 64 bits, that other tools sum up, meet
 * by accident in tables of some thousand or some billion rows.
 */
import pg from 'pg';
import type { ColumnFacts } from './tables.sql.ts';

const { escapeIdentifier } = pg;

/** A column as both sides have it. */
export interface ComparedColumn extends ColumnFacts {
  /** Whether both sides have it in one and the same type: else values are compared as text. */
  alike: boolean;
}

/** Types whose binary form is the value and nothing else, and short. `numeric` holds its scale. */
const short = new Set(
  `bool int2 int4 int8 numeric money uuid date time timetz timestamp timestamptz interval oid char name inet cidr macaddr
   macaddr8`.split(/\s+/),
);
/** The same of types whose values can be large. `json` is its text. */
const long = new Set(['text', 'varchar', 'bpchar', 'bytea', 'json', 'jsonb', 'bit', 'varbit']);
/** Of these the length is known without reading the value; and the function that makes bytes of it. */
const measurable: Record<string, string> = {
  text: 'textsend',
  varchar: 'varcharsend',
  bpchar: 'bpcharsend',
  bytea: '',
};
const floats = new Set(['float4', 'float8']);

/** Values beyond this many bytes go into the row's digest as digests of their own, so that no row becomes one large value. */
const LARGE_BYTES = 65_536;

/** The value of a column, in a form whose bytes are the same on two servers only when the value is. */
function form({ name, type, native, alike }: ComparedColumn, large_values: boolean): string {
  const column = escapeIdentifier(name);
  // A domain's value as what it is made of. Quoted, a type has no length that it would be cut to.
  const value = `${column}::pg_catalog.${escapeIdentifier(type)}`;
  // By the type's output function: a cast to text takes the padding from char(n).
  const text = `row(${column})::text`;
  const digest = `sha256(textsend(${text}))`;
  if (!native || !alike) return large_values ? digest : text;
  if (short.has(type)) return value;
  // A copy through text knows one NaN; arithmetic makes others.
  if (floats.has(type)) return `case when ${column} = 'NaN' then 'NaN'::${type} else ${value} end`;
  if (!long.has(type)) return large_values ? digest : text;
  if (!large_values) return value;
  const send = measurable[type];
  if (send === undefined) return digest;
  const bytes = `${send}(${value})`;
  return `case when octet_length(${value}) > ${LARGE_BYTES} then sha256(${bytes}) else ${bytes} end`;
}

export function rowDigest(columns: readonly ComparedColumn[], large_values: boolean): string {
  return `sha256(record_send(row(${columns.map((column) => form(column, large_values)).join(', ')})))`;
}

/** 64 bits of a key, for dealing rows out to buckets: nothing is proved by them. */
export function keyHash(key: readonly string[]): string {
  return key.reduce((seed, name) => `hashtextextended(${escapeIdentifier(name)}::text collate "C", ${seed})`, '0');
}
