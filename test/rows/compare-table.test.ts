/** A large table is read in ranges of its pages, each side in its own. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareTable, type Ranges } from '../../src/rows/compare-table.ts';
import type { ComparedTable } from '../../src/rows/sums.sql.ts';
import { unreadable } from '../../src/verify/failure.ts';
import { emptyDatabase, type TestDatabase } from '../harness/postgres.ts';
import { query } from '../migrate/rows.ts';
import { onSides } from './sides.ts';

const ROWS = 5_000;
let source: TestDatabase;
let target: TestDatabase;
beforeAll(async () => {
  source = await emptyDatabase();
  target = await emptyDatabase();
  const rows = `create table many (id int primary key, v text);
    insert into many select n, md5(n::text) from generate_series(1, ${ROWS}) as n order by`;
  await query(source.url, `${rows} n`);
  await query(target.url, `${rows} -n`);
});
afterAll(async () => {
  await source.drop();
  await target.drop();
});

const column = { type: 'int4', native: true, alike: true, declared: 'integer' };
const many = (key: string[]): ComparedTable => ({
  schema: 'public',
  name: 'many',
  columns: [
    { ...column, name: 'id' },
    { ...column, name: 'v', type: 'text' },
  ],
  key,
  large_values: false,
  buckets: 64,
});
const ranges: Ranges = {
  source: [
    { from: 0, to: 7 },
    { from: 7, to: 20 },
    { from: 20, to: undefined },
  ],
  target: [
    { from: 0, to: 1 },
    { from: 1, to: undefined },
  ],
};

function compare(key: string[], change = '') {
  const read: number[] = [];
  return onSides({ source: source.pool, target: target.pool }, async (sides) => {
    await sides.target.query(change);
    const whole = await compareTable(sides, many(key), { source: [undefined], target: [undefined] });
    const inRanges = await compareTable(sides, many(key), ranges, (rows) => read.push(rows));
    expect(inRanges).toEqual(whole);
    return { ...inRanges, read };
  });
}

test.each([[['id']], [[]]])('its ranges add up to the whole, with the key %j', async (key) => {
  const { equal, source, target, read } = await compare(key);
  expect(equal).toBe(true);
  expect([source.rows, target]).toEqual([ROWS, source]);
  expect(read).toHaveLength(3);
  expect(read.reduce((sum, rows) => sum + rows)).toBe(ROWS);
});

test('a row is found whichever range it is in, on either side', async () => {
  const change = `update many set v = 'x' where id in (1, 2500, ${ROWS}); delete from many where id = 17`;
  const { differing } = await compare(['id'], change);
  expect(differing.map(({ row, difference }) => `${row} ${difference}`).sort()).toEqual([
    'id=1 changed',
    'id=17 missing at the target',
    'id=2500 changed',
    'id=5000 changed',
  ]);
});

test.each([
  ['54000', 'string buffer exceeds maximum allowed length'],
  ['XX000', 'invalid memory alloc request size 1200000003'],
])('a row that a server cannot put together is told with its table and side (%s)', async (code, message) => {
  await query(
    target.url,
    `create function too_large() returns text language plpgsql as $$ begin raise '${message}' using errcode = '${code}'; end $$;
     alter table many rename to kept; create view many as select id, too_large() as v from kept`,
  );
  const whole = { source: [undefined], target: [undefined] };
  const compared = onSides({ source: source.pool, target: target.pool }, (sides) =>
    compareTable(sides, many(['id']), whole),
  );
  try {
    const error = await compared.catch((thrown) => thrown);
    expect(error).toMatchObject({ name: 'Unreadable', side: 'target', reason: 'size', tables: ['public.many'] });
    expect(unreadable(error, { name: 'target', address: 'here', role: 'ops' })).toMatchObject({
      kind: 'target',
      message:
        'The target cannot be used: a row of public.many is larger than PostgreSQL can put together (1 GB). Look for it by pg_column_size of its columns, and compare it by hand.',
    });
  } finally {
    await query(target.url, 'drop view many; alter table kept rename to many; drop function too_large');
  }
});
