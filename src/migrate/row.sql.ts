/** How a row of a carried table is read, told apart and summed up, in the same words on both sides. */
import pg from 'pg';
import type { TableShape } from './tables.ts';

const { escapeIdentifier, escapeLiteral } = pg;

export const columnList = ({ columns }: TableShape) => columns.map((name) => escapeIdentifier(name)).join(', ');

/** The table at the target, or at the source as it will be there. */
export const targetTable = ({ name }: TableShape) => `auth.${escapeIdentifier(name)}`;

/** A query for the source's rows in the form in which they are kept at the target. */
export function sourceRows(shape: TableShape): string {
  const expressions = shape.columns.map((name) => {
    const column = escapeIdentifier(name);
    if (!shape.hashed?.includes(name)) return column;
    return `case when ${column} <> '' then encode(sha256(convert_to(${column}, 'UTF8')), 'hex') else ${column} end as ${column}`;
  });
  return `select ${expressions.join(', ')} from ${targetTable(shape)}`;
}

/**
 * 64 bits that stand for a row's values: what was imported is remembered by it, and rows are compared by it. A NULL
 * counts for nothing, so a column that comes into being empty changes no fingerprint.
 */
export function fingerprint({ columns }: TableShape, alias: string): string {
  return columns
    .map((name) => `coalesce(hashtextextended(${alias}.${escapeIdentifier(name)}::text, ${seedOf(name)}), 0)`)
    .join(' # ');
}

/** The seed that ties a fingerprint's part to its column; a constant to the planner. */
const seedOf = (column: string) => `hashtextextended(${escapeLiteral(column)}, 0)`;

/** The seed that ties a value to its row, so that values which changed places are found. */
export const rowSeed = (alias: string) => `hashtextextended(${alias}.id::text, 0)`;
