/** Two databases with the same rows, compared as the product compares them. */
import type pg from 'pg';
import { compareRows, type RowsComparison } from '../../src/rows/compare-rows.ts';
import type { Sides } from '../../src/rows/compare-table.ts';

/** Runs work on both databases, each in a transaction that reads of one moment and is rolled back. */
export async function onSides<T>(pools: Sides<pg.Pool>, work: (sides: Sides) => Promise<T>): Promise<T> {
  const sides = { source: await pools.source.connect(), target: await pools.target.connect() };
  try {
    for (const client of Object.values(sides))
      await client.query('begin transaction isolation level repeatable read; set local search_path = public');
    return await work(sides);
  } finally {
    for (const client of Object.values(sides)) {
      await client.query('rollback');
      client.release();
    }
  }
}

/** @param change What is done to the target first. */
export function compare(pools: Sides<pg.Pool>, change = ''): Promise<RowsComparison> {
  return onSides(pools, async (sides) => {
    await sides.target.query(change);
    return compareRows(sides, ['public']);
  });
}

/** Every difference as a line: what is wrong with a table, and each row that differs. */
export async function differences(pools: Sides<pg.Pool>, change = ''): Promise<string[]> {
  const { tables } = await compare(pools, change);
  return tables.flatMap(({ table, shape, differing, equal }) => {
    const found = [
      ...shape.map((what) => `${table}: ${what}`),
      ...differing.map(({ row, difference, columns }) => `${table} ${row}: ${[difference, ...columns].join(' ')}`),
    ];
    if (equal !== (found.length === 0)) throw new Error(`${table}: equal is ${equal}, and ${found.length} are named`);
    return found;
  });
}
