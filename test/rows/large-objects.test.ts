/** Whether large objects are the same, each with its owner, rights, comment and bytes. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareLargeObjects } from '../../src/rows/large-objects.ts';
import { adminUrl, emptyDatabase, type TestDatabase } from '../harness/postgres.ts';
import { query } from '../migrate/rows.ts';
import { onSides } from './sides.ts';

const objects = `
  select lo_from_bytea(1000 + n, sha256(n::text::bytea)) from generate_series(1, 450) as n;
  select lo_from_bytea(2000, ''), lo_from_bytea(4000000000, decode(repeat('0123456789abcdef', 1200000), 'hex'))`;

let source: TestDatabase;
let target: TestDatabase;
beforeAll(async () => {
  source = await emptyDatabase();
  target = await emptyDatabase();
  await query(source.url, objects);
  await query(target.url, objects);
  await query(source.url, 'create role lo_owner; create role lo_reader');
  for (const { url } of [source, target]) {
    await query(url, "grant select on large object 1003 to lo_reader; comment on large object 1003 is 'A scan.'");
  }
});
afterAll(async () => {
  await source.drop();
  await target.drop();
  await query(adminUrl(), 'drop role lo_owner; drop role lo_reader');
});

function compare(change: string, owners?: (role: string) => string) {
  return onSides({ source: source.pool, target: target.pool }, async (sides) => {
    await sides.target.query(change);
    return compareLargeObjects(sides, owners);
  });
}

test('equal ones are equal, whatever their number and length', async () => {
  const bytes = 450 * 32 + 9_600_000;
  expect(await compare('')).toEqual({ equal: true, count: 452, bytes, differing: [], more: false, not_checked: [] });
});

test.each([
  ['one that is missing', 'select lo_unlink(1300)', ['1300: missing at the target']],
  ['one too many', "select lo_from_bytea(4294967295, '')", ['4294967295: not at the source']],
  ['a byte within the last piece', "select lo_put(4000000000, 9599999, '\\x00')", ['4000000000: changed']],
  ['a byte too many', "select lo_put(1007, 32, '\\x00')", ['1007: 33 bytes instead of 32']],
  [
    'another owner',
    'alter large object 1001 owner to lo_owner',
    ['1001: owned by lo_owner instead of gatehouse_superuser'],
  ],
  [
    'a right that is lost, though another one of the same owner has it',
    'grant select on large object 1002 to lo_reader; revoke select on large object 1003 from lo_reader',
    ['1002: with SELECT to lo_reader', '1003: without SELECT to lo_reader'],
  ],
  ['a comment that is lost', 'comment on large object 1003 is null', ['1003: another comment']],
])('%s is named', async (_, change, named) => {
  const { equal, differing } = await compare(change);
  expect(equal).toBe(false);
  expect(differing.map(({ row, difference }) => `${row}: ${difference}`)).toEqual(named);
});

test('an owner whose place another role takes is no difference', async () => {
  const change = 'alter large object 1001 owner to lo_owner';
  const { differing } = await compare(change, (role) => (role === 'gatehouse_superuser' ? 'lo_owner' : role));
  expect(differing).toHaveLength(451);
  expect(differing).not.toContainEqual(expect.objectContaining({ row: '1001' }));
});

test('what the role may not read is listed as not checked', async () => {
  const change = 'set local role lo_reader';
  expect(await compare(change)).toMatchObject({
    equal: true,
    not_checked: [{ what: 'the bytes of 451 large objects' }],
  });
});
