/** Whether tables hold the same rows: whatever differs is named, and what is equal is equal under every setting. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NAMED_ROWS } from '../../src/rows/compare-table.ts';
import { emptyDatabase, type TestDatabase } from '../harness/postgres.ts';
import { query } from '../migrate/rows.ts';
import { compare, differences } from './sides.ts';

const kinds = readFileSync(new URL('kinds.sql', import.meta.url), 'utf8');

let source: TestDatabase;
let target: TestDatabase;
const pools = () => ({ source: source.pool, target: target.pool });

beforeAll(async () => {
  source = await emptyDatabase();
  target = await emptyDatabase();
  await query(source.url, kinds);
  await query(target.url, kinds);
});
afterAll(async () => {
  await source.drop();
  await target.drop();
});

describe('equal rows are equal', () => {
  test('of every kind of value and of table', async () => {
    const { tables } = await compare(pools());
    expect(tables.filter(({ equal }) => !equal)).toEqual([]);
    expect(tables.map(({ table, key, source }) => [table, key, source.rows])).toEqual([
      ['public."Mixed Case"', ['select'], 2],
      ['public.big', ['id'], 3],
      ['public.blank', ['id'], 0],
      ['public.child', [], 1],
      ['public.keyless', [], 20],
      ['public.kinds', ['id'], 3],
      ['public.parent', ['id'], 1],
      ['public.partly', [], 2],
      ['public.parts_1', ['id', 'at'], 7],
      ['public.parts_rest', ['id', 'at'], 23],
      ['public.unit', [], 2],
    ]);
  });

  test('whatever the databases print by default', async () => {
    const defaults = {
      source: [
        "timezone = 'America/St_Johns'",
        "datestyle = 'SQL, MDY'",
        "bytea_output = 'escape'",
        'enable_tidscan = off',
      ],
      target: [
        "timezone = 'Asia/Kathmandu'",
        "datestyle = 'German, DMY'",
        'extra_float_digits = -10',
        "intervalstyle = 'sql_standard'",
        "search_path = 'public'",
        "client_encoding = 'LATIN1'",
        "lc_monetary = 'C.UTF-8'",
      ],
    };
    const sides = { source, target };
    const nameOf = ({ url }: TestDatabase) => new URL(url).pathname.slice(1);
    try {
      for (const side of ['source', 'target'] as const) {
        for (const setting of defaults[side]) {
          await query(sides[side].url, `alter database ${nameOf(sides[side])} set ${setting}`);
        }
      }
      const fresh = {
        source: new pg.Pool({ connectionString: source.url }),
        target: new pg.Pool({ connectionString: target.url }),
      };
      expect(await differences(fresh)).toEqual([]);
      expect(await differences(fresh, 'update kinds set f8 = 0.33333333333333337 where id = 1')).toHaveLength(1);
      await Promise.all([fresh.source.end(), fresh.target.end()]);
    } finally {
      for (const side of Object.values(sides)) await query(side.url, `alter database ${nameOf(side)} reset all`);
    }
  });

  test.each([
    [
      'in whatever order they are stored',
      'create temp table t as table keyless; truncate keyless; insert into keyless select * from t order by a desc',
    ],
    [
      'wherever a column stands',
      'alter table keyless rename c to x; alter table keyless add c text; update keyless set c = x; alter table keyless drop x',
    ],
    ['when NaN comes from arithmetic', "update kinds set f8 = 'Infinity'::float8 - 'Infinity'::float8 where id = 2"],
    [
      'in a type that is another, where each value reads the same',
      'alter table blank alter id type bigint; alter table kinds alter vc type text, alter num type numeric(9, 1)',
    ],
    ['without the key that the source has', 'alter table kinds drop constraint kinds_pkey'],
  ])('%s', async (_, change) => {
    expect(await differences(pools(), change)).toEqual([]);
  });
});

describe('one difference among equal rows is found, and named to row and column', () => {
  const cell = (change: string, columns: string) =>
    [`update kinds set ${change} where id = 1`, `public.kinds id=1: changed ${columns}`] as const;

  const cases: [what: string, change: string, difference: string][] = [
    ['a missing row', 'delete from kinds where id = 2', 'public.kinds id=2: missing at the target'],
    ['a row too many', 'insert into blank values (7)', 'public.blank id=7: not at the source'],
    ['a changed cell, and what is generated from it', ...cell("txt = 'x'", 'txt gen')],
    ['the last digit of a double', ...cell('f8 = 0.33333333333333337', 'f8')],
    ['the last digit of a real', ...cell('f4 = 1.1000001', 'f4')],
    ['a double in an array', ...cell("farr = '{0.3,NaN}'", 'farr')],
    ['a double in a range', ...cell("rng = '[0.3,2]'", 'rng')],
    ['a zero without its minus', 'update kinds set f8 = 0 where id = 3', 'public.kinds id=3: changed f8'],
    ['a NaN that is infinite', "update kinds set f8 = 'Infinity' where id = 2", 'public.kinds id=2: changed f8'],
    ['microseconds cut to milliseconds', ...cell("at = date_trunc('milliseconds', at)", 'at')],
    ['a time zone', ...cell("tz = '01:02+00'", 'tz')],
    ['a year before Christ', "update kinds set d = '0044-03-15' where id = 2", 'public.kinds id=2: changed d'],
    ['an infinite date that is NULL', 'update kinds set d = null where id = 3', 'public.kinds id=3: changed d'],
    ['a month that is thirty days', ...cell("i = '32 days'", 'i')],
    ["NULL that is ''", "update kinds set txt = '' where id = 3", 'public.kinds id=3: changed txt gen'],
    ["'' that is NULL", 'update kinds set txt = null where id = 2', 'public.kinds id=2: changed txt gen'],
    ['json with other spaces', ...cell(`js = '{"b": 1, "a":2}'`, 'js')],
    ['json with its keys in order', ...cell(`js = '{"a":2, "b":1}'`, 'js')],
    ['jsonb with another scale', ...cell(`jb = '{"b": 1.0, "a": 2}'`, 'jb')],
    ['another numeric scale', ...cell('num = 1.00', 'num')],
    ['a letter in its decomposed form', ...cell("txt = U&'A\\0308rger'", 'txt gen')],
    ['a text that its collation holds equal', ...cell("col = 'STRASSE'", 'col')],
    ['citext in other letters', ...cell("ci = 'citext'", 'ci')],
    ['a space at the end', ...cell("vc = 'vc '", 'vc')],
    ['a shorter char(n)', 'alter table kinds alter ch type char(2)', 'public.kinds id=1: changed ch'],
    [
      'the padding of a char(n), in a type without',
      'alter table kinds alter ch type text',
      'public.kinds id=1: changed ch',
    ],
    [
      'a number that only the other type has room for',
      'alter table blank alter id type bigint; insert into blank values (1099511627776)',
      'public.blank id=1099511627776: not at the source',
    ],
    ['a byte', ...cell("by = '\\x00fe'", 'by')],
    ['a NULL in an array', ...cell(`arr = '{a,"NULL",""}'`, 'arr')],
    ['a bound that is not in its range', ...cell("rng = '[0.30000000000000004,2)'", 'rng')],
    ['a field of a composite', ...cell(`comp = '("x y",)'`, 'comp')],
    ['an enum', ...cell("e = 'high'", 'e')],
    ['a domain', ...cell("dom = 'don'", 'dom')],
    ['a netmask', ...cell("ip = '10.0.0.1/25'", 'ip')],
    ['a bit', ...cell("bits = '1010'", 'bits')],
    ['a cent', ...cell("m = '1.51'", 'm')],
    ['an XML document', ...cell("x = '<a />'", 'x')],
    ['a column with quotes in its name', ...cell(`"Groß ""q""" = 'r'`, 'Groß "q"')],
    [
      'a row of a table with spaces in its name',
      `update "Mixed Case" set "Größe" = 3 where "select" like 'emoji%'`,
      'public."Mixed Case" select=emoji 🦊: changed Größe',
    ],
    [
      'a letter in the middle of a large text',
      "update big set v = overlay(v placing 'x' from 60000) where id = 2",
      'public.big id=2: changed v',
    ],
    [
      'a bit at the end of a large bytea',
      'update big set b = set_bit(b, octet_length(b) * 8 - 1, 1 - get_bit(b, octet_length(b) * 8 - 1)) where id = 3',
      'public.big id=3: changed b',
    ],
    ['a member of a large jsonb', `update big set j = j || '{"77": 1}' where id = 1`, 'public.big id=1: changed j'],
    [
      'a row of a partition',
      'delete from parts where id = 1',
      'public.parts_1 (id, at)=(1, 2024-07-01): missing at the target',
    ],
    ['a row of a parent alone', "update only parent set v = 'x'", 'public.parent id=1: changed v'],
    [
      'a column that is not there',
      'alter table child drop column more',
      'public.child: column more is missing at the target',
    ],
    ['a column too many', 'alter table blank add extra int', 'public.blank: column extra is not at the source'],
    [
      'a partition that was detached',
      'alter table parts detach partition parts_1',
      'public.parts_1: a partition of public.parts at the source, no partition at the target',
    ],
    ['a table that is not there', 'drop table child', 'public.child: the table is missing at the target'],
    ['a table too many', 'create table more (id int)', 'public.more: the table is not at the source'],
  ];

  test.each(cases)('%s', async (_, change, difference) => {
    expect(await differences(pools(), change)).toEqual([difference]);
  });

  test('two values that changed places, one in each of two rows', async () => {
    const swap = 'update kinds set f4 = case id when 2 then -0.0::float4 else ' + "'Infinity'" + ' end where id > 1';
    expect(await differences(pools(), swap)).toEqual([
      expect.stringMatching(/^public\.kinds id=[23]: changed f4$/),
      expect.stringMatching(/^public\.kinds id=[23]: changed f4$/),
    ]);
  });
});

describe('in a table without a key, where equal rows are counted,', () => {
  const one = '(select ctid from keyless where a = 3 limit 1)';
  const place = String.raw`sha256 [0-9a-f]{16}…, ctid \(0,\d+\) at the`;
  test.each([
    ['one that is missing', `delete from keyless where ctid = ${one}`, [`${place} source: missing at the target`]],
    [
      'one too many',
      `insert into keyless select * from keyless where ctid = ${one}`,
      [`${place} target: not at the source`],
    ],
    ['one that changed', `update keyless set d = '' where ctid = ${one}`, [`${place} source: changed d`]],
    [
      'one that is there in place of another',
      `update keyless set a = 4, b = 'b4', c = 'other' where ctid = ${one}`,
      [`${place} source: missing at the target`, `${place} target: not at the source`],
    ],
    [
      'two of a kind in place of two of another',
      `update keyless set a = 4, b = 'b4' where ctid in (select ctid from keyless where a = 3 limit 2)`,
      [
        `${place} source: missing at the target`,
        `${place} source: missing at the target`,
        `${place} target: not at the source`,
        `${place} target: not at the source`,
      ],
    ],
    ['a row without columns', 'insert into unit default values', [`public.unit ${place} target: not at the source`]],
  ])('%s is found', async (_, change, patterns) => {
    expect(await differences(pools(), change)).toEqual(
      patterns.map((pattern) => expect.stringMatching(new RegExp(`${pattern}$`))),
    );
  });
});

test(`of a table that differs everywhere ${NAMED_ROWS} rows are named, and all are counted`, async () => {
  const fill = 'insert into blank select n from generate_series(1, 20000) as n';
  const { tables } = await compare(pools(), fill);
  const blank = tables.find(({ table }) => table === 'public.blank');
  expect(blank).toMatchObject({ equal: false, more: true, source: { rows: 0 }, target: { rows: 20000 } });
  expect(blank?.differing).toHaveLength(NAMED_ROWS);
});

test('no value is in what is said of a row, but for its key', async () => {
  const secret = 'do-not-show-this';
  const change = `update kinds set txt = '${secret}', by = '${secret}'; insert into keyless values (1, '${secret}')`;
  expect(JSON.stringify(await compare(pools(), change))).not.toContain(secret);
});

test('what holds rows and is no table of the portal is listed as not compared', async () => {
  const make =
    'create foreign data wrapper afar; create server there foreign data wrapper afar; create foreign table far (id int) server there';
  try {
    await query(source.url, make);
    const { not_checked } = await compare(pools());
    expect(not_checked).toEqual([
      { what: 'the rows of foreign table public.far', why: 'its rows are in another database' },
    ]);
  } finally {
    await query(source.url, 'drop foreign data wrapper afar cascade');
  }
  // Only the source is asked: what is not there is nothing that could be missing.
  expect((await compare(pools(), make)).not_checked).toEqual([]);
});

test('a materialized view is compared where both sides have filled it; one of another time is said, and is no difference', async () => {
  const make = `create materialized view totals as select n % 2 as odd, count(*) from generate_series(1, 20) as n group by 1;
    create materialized view empty as select 1 as one with no data;
    create materialized view late as select 1 as one`;
  try {
    await query(source.url, make);
    await query(target.url, `${make}; refresh materialized view late with no data`);
    const same = await compare(pools());
    expect(same.tables.find(({ table }) => table === 'public.totals')).toMatchObject({
      equal: true,
      source: { rows: 2 },
    });
    expect(same.tables.map(({ table }) => table)).not.toContain('public.late');
    expect(same.not_checked).toEqual([]);

    const { tables, not_checked } = await compare(
      pools(),
      'drop materialized view totals; create materialized view totals as select 2 as odd, 3::bigint as count',
    );
    expect(tables.filter(({ equal }) => !equal)).toEqual([]);
    expect(tables.map(({ table }) => table)).not.toContain('public.totals');
    expect(not_checked).toEqual([
      {
        what: 'the rows of materialized view public.totals',
        why: expect.stringMatching(
          /^it was made of its tables at another time .* \(2 rows at the source, 1 at the target\): refresh/,
        ),
      },
    ]);
  } finally {
    for (const { url } of [source, target]) await query(url, 'drop materialized view if exists totals, empty, late');
  }
});

test('a role that does not see all rows of a table is told which, before anything is compared', async () => {
  await query(source.url, 'create role rows_reader');
  try {
    await expect(
      compare(pools(), 'grant select on kinds to rows_reader; set local role rows_reader'),
    ).rejects.toMatchObject({
      name: 'Unreadable',
      side: 'target',
      reason: 'rights',
      tables: expect.arrayContaining(['public.big', 'public."Mixed Case"']),
    });
    const policy = 'alter table kinds enable row level security; create policy one on kinds using (id = 1)';
    const reader = 'grant pg_read_all_data to rows_reader; set local role rows_reader';
    await expect(compare(pools(), `${policy}; ${reader}`)).rejects.toMatchObject({
      side: 'target',
      reason: 'row level security',
      tables: ['public.kinds'],
    });
  } finally {
    await query(source.url, 'drop role rows_reader');
  }
});
