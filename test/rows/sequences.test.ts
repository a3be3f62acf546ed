/** Whether sequences stand where they stood. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareSequences } from '../../src/rows/sequences.ts';
import { emptyDatabase, type TestDatabase } from '../harness/postgres.ts';
import { query } from '../migrate/rows.ts';
import { onSides } from './sides.ts';

const sequences = `
  create table orders (id bigint generated always as identity primary key, no int not null);
  create sequence "Order No" start 1000 increment 5;
  alter table orders alter no set default nextval('"Order No"');
  create sequence down increment -1;
  create table countdown (n int default nextval('down'));
  create sequence untouched;
  insert into orders (no) select nextval('"Order No"') from generate_series(1, 10);
  insert into countdown select nextval('down') from generate_series(1, 3);`;

let source: TestDatabase;
let target: TestDatabase;
beforeAll(async () => {
  source = await emptyDatabase();
  target = await emptyDatabase();
  await query(source.url, sequences);
  await query(target.url, sequences);
});
afterAll(async () => {
  await source.drop();
  await target.drop();
});

async function differences(change: string, options = {}) {
  const pools = { source: source.pool, target: target.pool };
  return onSides(pools, async (sides) => {
    await sides.target.query(change);
    const { sequences, not_checked } = await compareSequences(sides, ['public'], options);
    const named = sequences.flatMap(({ sequence, differences, equal }) => {
      expect(equal).toBe(differences.length === 0);
      return differences.map((difference) => `${sequence}: ${difference}`);
    });
    return { named, not_checked: not_checked.map(({ what }) => what), compared: sequences.length };
  });
}

test('sequences that stand where they stood are equal', async () => {
  expect(await differences('')).toEqual({ named: [], not_checked: [], compared: 4 });
});

// setval takes no part in the transaction: each case puts back what it changed.
test.each([
  [
    'behind its own column',
    `setval('orders_id_seq', 9)`,
    ['public.orders_id_seq: 1 behind the source', 'public.orders_id_seq: behind max of public.orders.id'],
  ],
  [
    'behind a column that only takes from it',
    `setval('"Order No"', 1040)`,
    ['public."Order No": 5 behind the source', 'public."Order No": behind max of public.orders.no'],
  ],
  [
    'that counts down and is behind',
    `setval('down', -2)`,
    ['public.down: 1 behind the source', 'public.down: behind min of public.countdown.n'],
  ],
  [
    'that was not called yet',
    `setval('orders_id_seq', 10, false)`,
    ['public.orders_id_seq: 1 behind the source', 'public.orders_id_seq: behind max of public.orders.id'],
  ],
  ['that nobody takes from', `setval('untouched', 7)`, ['public.untouched: 7 ahead of the source']],
])('a sequence %s is named', async (_, change, named) => {
  const before = await query(
    target.url,
    'select quote_ident(sequencename) as name, last_value, start_value from pg_sequences',
  );
  try {
    expect(await differences(`select ${change}`)).toMatchObject({ named });
  } finally {
    for (const { name, last_value, start_value } of before) {
      await query(target.url, `select setval($1, $2::bigint, $3)`, [
        name,
        last_value ?? start_value,
        last_value !== null,
      ]);
    }
  }
});

test('a sequence that is missing, and one too many, are named', async () => {
  expect(await differences('drop sequence untouched; create sequence added')).toMatchObject({
    named: [
      'public.added: the sequence is not at the source',
      'public.untouched: the sequence is missing at the target',
    ],
  });
});

test('while the source lives on, one that has moved on there is not checked, unless rows are ahead of it', async () => {
  await query(source.url, `select nextval('untouched'), nextval('"Order No"')`);
  expect(await differences('')).toMatchObject({
    named: ['public."Order No": 5 behind the source', 'public.untouched: 1 behind the source'],
  });
  expect(await differences('', { lives_on: true })).toMatchObject({
    named: [],
    not_checked: ['where sequence public."Order No" stands', 'where sequence public.untouched stands'],
  });
  expect(await differences('insert into orders (no) values (1050)', { lives_on: true })).toMatchObject({
    named: expect.arrayContaining(['public."Order No": behind max of public.orders.no']),
  });
});
