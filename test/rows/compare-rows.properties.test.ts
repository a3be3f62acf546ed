/** Random tables with random rows: equal ones are never called different, and a single change is always found where it is. */
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { emptyDatabase, type TestDatabase } from '../harness/postgres.ts';
import { differences } from './sides.ts';

let source: TestDatabase;
let target: TestDatabase;
beforeAll(async () => {
  source = await emptyDatabase();
  target = await emptyDatabase();
});
afterAll(async () => {
  await source.drop();
  await target.drop();
});

const float = fc.double({ noDefaultInfinity: false });
const word = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => !text.includes('\0'));
const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 6 }).filter((text) => !text.includes('\0'));
const micros = fc.integer({ min: 0, max: 4_000_000_000 }).map((n) => `${n} microseconds`);
const printed = (value: number) => (Object.is(value, -0) ? '-0' : String(value));

/** Type → values of it, as SQL reads them. Two texts of a type are different values. */
const types: Record<string, fc.Arbitrary<string>> = {
  int: fc.integer().map(String),
  int8: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  float8: float.map(printed),
  float4: fc.float().map(printed),
  numeric: fc
    .tuple(fc.integer(), fc.integer({ min: 0, max: 9 }))
    .map(([n, scale]) => (n / 1000).toFixed(scale).replace(/^-(?=[0.]+$)/, '')),
  text: word,
  'char(3)': fc.string({ unit: fc.constantFrom('a', 'b', 'ö'), minLength: 3, maxLength: 3 }),
  bool: fc.boolean().map(String),
  bytea: fc.uint8Array({ maxLength: 8 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`),
  timestamptz: micros.map((after) => `2024-03-31 00:59:59.${after.split(' ')[0]?.padStart(10, '0').slice(-6)}+00`),
  json: word.map((text) => JSON.stringify({ text })),
  jsonb: fc.integer().map((n) => JSON.stringify({ n })),
  'text[]': fc.array(fc.integer({ max: 99 }), { maxLength: 3 }).map((of) => `{${of.join(',')}}`),
  uuid: fc.uuid(),
};

const column = fc.constantFrom(...Object.keys(types)).chain((type) => {
  const value = types[type] as fc.Arbitrary<string>;
  return fc.record({ type: fc.constant(type), value: fc.constant(fc.option(value, { nil: null, freq: 6 })) });
});

/** A table with rows, and a cell of it with another value. Names are what a portal might call a column. */
const table = fc
  .record({
    columns: fc.array(column, { minLength: 1, maxLength: 5 }),
    names: fc.uniqueArray(fc.oneof(name, fc.constantFrom('id', 'ID', 'select', 'a b')), { minLength: 5, maxLength: 5 }),
    key: fc.boolean(),
  })
  .chain(({ columns, names, key }) => {
    const cells = columns.map(({ value }) => value);
    return fc.record({
      names: fc.constant(names.slice(0, columns.length)),
      types: fc.constant(columns.map(({ type }) => type)),
      key: fc.constant(key),
      rows: fc.array(fc.tuple(...cells), { minLength: 1, maxLength: 12 }),
      place: fc.record({ row: fc.nat(), column: fc.nat({ max: columns.length - 1 }) }),
      change: fc.constantFrom('cell', 'missing', 'added') as fc.Arbitrary<'cell' | 'missing' | 'added'>,
      other: fc.tuple(...cells),
    });
  });

test('nothing but a change is found, and every change is', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(table, async ({ names, types, key, rows, place, change, other }) => {
      const columns = names.map((name, n) => `${pg.escapeIdentifier(name)} ${types[n]}`);
      const value = (text: string | null | undefined) => (text == null ? 'null' : pg.escapeLiteral(text));
      const insert = (row: readonly (string | null)[], n: number) =>
        `insert into t values (${[...(key ? [n] : []), ...row.map(value)].join(', ')});`;
      const create = `set search_path = public; drop table if exists t; create table t (${[...(key ? ['"the key" int primary key'] : []), ...columns].join(', ')});`;
      await source.pool.query(create + rows.map(insert).join(''));
      await target.pool.query(create + rows.map(insert).reverse().join(''));
      const sides = { source: source.pool, target: target.pool };
      expect(await differences(sides)).toEqual([]);

      const row = place.row % rows.length;
      const [before, after] = [rows[row]?.[place.column], other[place.column]];
      const name = names[place.column] ?? '';
      if (change === 'cell' && before === after) return;
      const one = `where ctid = (select ctid from t offset ${rows.length - 1 - row} limit 1)`;
      const changes = {
        cell: `update t set ${pg.escapeIdentifier(name)} = ${value(after)} ${one}`,
        missing: `delete from t ${one}`,
        added: insert(other, rows.length),
      };
      const found = await differences(sides, changes[change]);
      if (!key) {
        expect(found).not.toEqual([]);
        return;
      }
      expect(found).toEqual([
        {
          cell: `public.t the key=${row}: changed ${name}`,
          missing: `public.t the key=${row}: missing at the target`,
          added: `public.t the key=${rows.length}: not at the source`,
        }[change],
      ]);
    }),
    { numRuns: 60 },
  );
});
