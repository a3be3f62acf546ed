/** Each of the 36 classes of drift in two odd forms or more, all at once: each is named, and nothing that is not there. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Verification, verifyPortal } from '../../src/verify/verify.ts';
import { adminUrl } from '../harness/postgres.ts';
import { majorOfTheRun } from '../harness/server.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';
import { query } from '../migrate/rows.ts';
import { makeOddForms } from '../portal/odd-forms.ts';
import { copyOf, differingRows, dropCopy } from './harness.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let source: SupabaseSource;
let copy: string;
beforeAll(async () => {
  source = await createSupabaseSource(adminUrl(), { users: 100, portal: false });
  await makeOddForms(source.adminUrl);
  copy = await copyOf(source);
});
afterAll(async () => {
  await dropCopy(copy);
  await source.drop();
});

const aggregate = (minitcond: number) => `
  create or replace aggregate odd.agg(numeric) (
    sfunc = odd.mut, stype = numeric, sspace = 32, initcond = '1.50', finalfunc = odd.fin, finalfunc_extra,
    finalfunc_modify = shareable, combinefunc = odd.comb, msfunc = odd.mut, minvfunc = odd.inv, mstype = numeric,
    mfinalfunc = odd.fin, mfinalfunc_extra, minitcond = '${minitcond}', parallel = safe)`;

type Planting = [number | undefined, string, RegExp];

/** From 17 on a multirange belongs to whom its range does. */
const multirangeOwner: Planting[] =
  majorOfTheRun >= 17
    ? []
    : [
        [
          30,
          'alter type odd."Multi F" owner to odd_reader',
          /^30 Type odd\.frange: owner of its multirange is odd_group at the source and odd_reader/,
        ],
      ];

/** Class, what is done to the copy, and what is said of it. */
const plantings: Planting[] = [
  // What publishes deletions forbids those that name no row.
  [35, 'drop publication odd_all', /^35 Publication odd_all is missing/],
  [
    35,
    "alter publication odd_filter set (publish = 'insert')",
    /^35 Publication odd_filter: operations is insert, delete/,
  ],
  [
    1,
    'delete from odd.ledger_eu_new_0 where ctid = (select min(ctid) from odd.ledger_eu_new_0)',
    /^odd\.ledger_eu_new_0 sha256 .*: missing at the target$/,
  ],
  [1, "delete from odd.nulls where ctid = '(0,2)'", /^odd\.nulls sha256 .*: missing at the target$/],
  [2, 'insert into odd.all_dropped default values', /^odd\.all_dropped sha256 .*: not at the source$/],
  [2, "insert into odd.heir (id, name, own, late) values (1, 'h', 9, 4)", /^odd\.heir sha256 .*: not at the source$/],
  [3, `update odd.enumed set es = '{b2,"D d",NULL}' where e = 'b2'`, /^odd\.enumed e=b2: changed es$/],
  [
    3,
    `update odd.vals set cs = '{a,"\\\\302",NULL}', arrb = '{7,8,9}', bp1 = 'a ', ts = ts || '', tt = '08:59:59+00' where id = 1`,
    /^odd\.vals id=1: changed cs .*arrb tt bp1$/,
  ],
  [4, "update odd.ranged set f = '[0.1,0.3)' where not isempty(f)", /^odd\.ranged .*: changed f n$/],
  [
    4,
    'update odd.vals set f4 = 2.8e-45, f = 5e-324 where id = 2; update odd.vals set f = 0 where id = 3',
    /^odd\.vals id=3: changed n f$/,
  ],
  [
    5,
    "update odd.comps set of_row.x7 = '2026-01-01 00:00:00.123457+00' where id = 1",
    /^odd\.comps id=1: changed of_row$/,
  ],
  [
    5,
    `update odd.booking set during = '["2026-01-01 00:00:00.000001+00",2026-01-02)'`,
    /^odd\.booking .*: changed during$/,
  ],
  [6, 'update odd.domained set f = null where a = 2.00', /^odd\.domained .*: changed f$/],
  [6, 'update odd.comps set c = null where id = 3', /^odd\.comps id=3: changed c$/],
  [7, "update odd.vals set j = (' ' || j::text)::json where id = 2", /^odd\.vals id=2: changed .*\bj\b/],
  [7, `update odd.vals set jb = jb || '{"n": 1.0}' where id = 1`, /^odd\.vals id=1: changed .*jb/],
  [8, "update odd.ranged set n = '{(,1.00],[2.00,)}' where n <> '{}'", /^odd\.ranged .*: changed f n$/],
  [8, 'update odd.vals set n = n::numeric(40, 5) where id = 3', /^odd\.vals id=3: changed n f$/],
  [
    9,
    `update odd.collated set a = U&'A\\0308pfel' where b = 'ä'`,
    /^odd\.collated a=(?:Ä|A\u0308)pfel: (?:missing at|not at)/,
  ],
  [9, "update odd.indexed set g = 'ci' where b = 1", /^odd\.indexed .*: changed g$/],
  [10, "update odd.vals set by = '\\x0000' where id = 2", /^odd\.vals id=2: changed .*by$/],
  [10, 'update odd.vals set by = null where id = 1', /^odd\.vals id=1: changed .* by /],
  [11, "select setval('odd.s_desc', -1, false)", /^odd\.s_desc: 1 behind/],
  [11, "select setval('odd.s_not_called', 77, true)", /^odd\.s_not_called: 1 ahead/],
  [12, 'alter table odd.enum_parts drop column v', /odd\.enum_parts(?:_b|_r)?(?:\.v is|: column v is) missing/],
  [12, `alter table odd."public.table" drop column "$1"`, /odd\."public\.table"(?:\."\$1" is|: column \$1 is) missing/],
  [13, 'alter table odd.vals alter bv type bit varying(9)', /^13 Column odd\.vals\.bv: type is/],
  [13, 'alter table odd.collated alter c type varchar(4) collate "POSIX"', /^13 Column odd\.collated\.c: type is/],
  [14, 'alter table odd.heir alter name drop default', /^14 Column odd\.heir\.name: default is/],
  [14, 'alter view odd.v_upd alter name drop default', /^14 Column odd\.v_upd\.name: default is/],
  [
    15,
    'alter table odd.ledger_eu_new_1 alter note drop not null',
    /^15 Column odd\.ledger_eu_new_1\.note: NOT NULL is/,
  ],
  [15, 'alter table odd.typed alter im drop not null', /^15 Column odd\.typed\.im: NOT NULL is/],
  [
    16,
    'alter table odd.booking drop constraint ck_noinherit',
    /^16 Constraint ck_noinherit on odd\.booking is missing/,
  ],
  [16, 'alter table odd.heir2 drop constraint positive', /^16 Constraint positive on odd\.heir2 is missing/],
  [
    17,
    'alter table odd.refers drop constraint fk_parts',
    /^17 Constraint fk_parts on odd\.refers(?:_1|_rest)? is missing/,
  ],
  [17, 'alter table odd.booking drop constraint fk_nv', /^17 Constraint fk_nv on odd\.booking is missing/],
  [
    18,
    'alter table odd.booking drop constraint deferred_exclude',
    /^18 Constraint deferred_exclude on odd\.booking is missing/,
  ],
  [
    18,
    'alter index odd.filled reset (fillfactor)',
    /Constraint filled on odd\.booking: storage parameters of its index is fillfactor=60/,
  ],
  [
    19,
    'drop index odd.mv_ix; create unique index mv_ix on odd.mv (id, name, (id + 0))',
    /^19 Index odd\.mv_ix: predicate is/,
  ],
  [
    19,
    'drop index odd.pub_open; create unique index pub_open on odd.pub_t (a, b)',
    /^19 Index odd\.pub_open: predicate is/,
  ],
  [20, 'drop policy part_policy on odd.ledger_eu_new_0', /^20 Policy part_policy on odd\.ledger_eu_new_0 is missing/],
  [20, 'drop policy p_restr on odd.pub_t', /^20 Policy p_restr on odd\.pub_t is missing/],
  [21, 'alter policy p_many on odd.pub_t with check (b >= 0)', /^21 Policy p_many on odd\.pub_t: WITH CHECK is/],
  [21, 'alter policy p_del on odd.pub_t to authenticated', /^21 Policy p_del on odd\.pub_t: roles is/],
  [22, 'alter table odd.pub_t no force row level security', /^22 Table odd\.pub_t: FORCE row level security is/],
  [
    22,
    'alter table odd.ledger_eu_new_0 disable row level security',
    /^22 Table odd\.ledger_eu_new_0: row level security is/,
  ],
  [23, 'drop trigger t3 on odd.triggered', /^23 Trigger t3 on odd\.triggered is missing/],
  [23, 'drop trigger instead_of on odd.v_upd', /^23 Trigger instead_of on odd\.v_upd is missing/],
  [24, 'alter table odd.triggered enable trigger t1', /^24 Trigger t1 on odd\.triggered: state is always/],
  [
    24,
    'alter table odd.ledger_eu_new_1 enable trigger pt',
    /^24 Trigger pt on odd\.ledger_eu_new_1: state is disabled/,
  ],
  [25, aggregate(1), /^25 Function odd\.agg\(numeric\): definition is/],
  [25, 'alter procedure odd.proc reset work_mem', /^25 Function odd\.proc\(.*\): settings/],
  [26, 'alter view odd.v_local reset (security_invoker)', /^26 View odd\.v_local: security_invoker is/],
  [26, 'alter view odd.v_invoker set (security_invoker = off)', /^26 View odd\.v_invoker: security_invoker is/],
  [27, 'revoke usage on type odd.en from odd_reader', /^27 Grant of USAGE to odd_reader on type odd\.en/],
  [27, 'revoke select (c) on odd.v_case from anon', /^27 Grant of SELECT to anon on column odd\.v_case\.c/],
  [28, 'grant update (a) on odd.pub_t to public', /^28 Grant of UPDATE to public on column odd\.pub_t\.a/],
  [28, 'grant create on schema "odd Önly" to anon', /^28 Grant of CREATE to anon on schema "odd Önly"/],
  [
    29,
    'alter default privileges in schema odd revoke grant option for select on tables from odd_reader',
    /^29 Default privilege of SELECT with grant option to odd_reader on tables/,
  ],
  [
    29,
    'alter default privileges in schema odd revoke usage on types from odd_reader',
    /^29 Default privilege of USAGE to odd_reader on types/,
  ],
  [
    29,
    'alter default privileges for role odd_group revoke all on sequences from odd_group',
    /^29 Default privilege of nothing to its owner on sequences that odd_group makes: at the target only/,
  ],
  [30, 'alter table odd.enum_parts owner to postgres', /^30 Table odd\.enum_parts: owner is odd_group/],
  [30, 'alter statistics odd.st_all owner to odd_reader', /^30 Statistics odd\.st_all: owner is odd_group/],
  ...multirangeOwner,
  [31, 'alter table odd.searched alter ts drop expression', /^31 Column odd\.searched\.ts: GENERATED is/],
  [31, 'alter table odd.generated alter d drop expression', /^31 Column odd\.generated\.d: GENERATED is/],
  [
    32,
    'alter table odd.identity_default alter id drop identity',
    /^32 Column odd\.identity_default\.id: IDENTITY is by default|identity_default_id_seq.* is missing/,
  ],
  [
    32,
    'alter table odd.identity_always alter id set generated by default',
    /^32 Column odd\.identity_always\.id: IDENTITY is always/,
  ],
  [
    33,
    'alter table odd.ledger_eu detach partition odd.ledger_eu_rest',
    /^33 Table odd\.ledger_eu_rest: partition is|\bodd\.ledger_eu_rest\b|odd\.ledger_eu_rest_\w+_idx/,
  ],
  [
    33,
    'alter table odd.refers detach partition odd.refers_rest',
    /^33 Table odd\.refers_rest: partition is|^odd\.refers_rest: a partition of/,
  ],
  [34, 'refresh materialized view odd.mv with no data', /^34 Materialized view odd\.mv: populated is on/],
  [34, 'refresh materialized view odd.mv_two with no data', /^34 Materialized view odd\.mv_two: populated is on/],
  [36, 'comment on cast (odd.cmp as int) is null', /^36 Cast odd\.cmp as integer: comment is CA/],
  // What a child inherits is its own as well from then on.
  [
    undefined,
    'alter table odd.heir no inherit odd.base; alter table odd.heir inherit odd.base',
    /^Column odd\.(?:heir|zero_child)\.\w+: definition of its own is off at the source and on at the target/,
  ],
  [
    undefined,
    'alter table odd.zero_child no inherit odd.base; alter table odd.zero_child inherit odd.base',
    /^Constraint short on odd\.(?:heir|zero_child): definition of its own is off at the source and on at the target/,
  ],
  [36, 'comment on type odd."Multi F" is null', /^36 Type odd\.frange: comment of its multirange is many at once/],
  [36, 'comment on index odd.base_pkey is null', /^36 Constraint base_pkey on odd\.base: comment of its index is/],
];

/** Every difference, a line each. */
const lines = (found: Verification) => [
  ...found.catalogue.drift.map(({ number, sentence }) => `${number ?? ''} ${sentence}`.trim()),
  ...differingRows(found),
];

/** What a server may be told to do or print by default, and no comparison may hang on. */
const defaults = {
  datestyle: "'German, DMY'",
  intervalstyle: 'sql_standard',
  extra_float_digits: '-15',
  bytea_output: 'escape',
  standard_conforming_strings: 'off',
  quote_all_identifiers: 'on',
  timezone: "'Pacific/Apia'",
  xmloption: 'document',
  row_security: 'off',
  array_nulls: 'off',
  transform_null_equals: 'on',
  default_text_search_config: "'pg_catalog.german'",
  jit_above_cost: '0',
  enable_hashagg: 'off',
  enable_tidscan: 'off',
  enable_seqscan: 'off',
  work_mem: "'64kB'",
  statement_timeout: "'10ms'",
  default_transaction_isolation: 'serializable',
  session_replication_role: 'replica',
  client_encoding: "'SQL_ASCII'",
};

test('odd forms are equal whatever either database prints by default', async () => {
  for (const url of [copy, source.adminUrl]) {
    const name = new URL(url).pathname.slice(1);
    const set = Object.entries(defaults).map(([setting, value]) => `alter database ${name} set ${setting} = ${value}`);
    await query(adminUrl(), set.join(';'));
    try {
      expect(lines(await verifyPortal({ connectionString: source.url }, { connectionString: copy }))).toEqual([]);
    } finally {
      await query(adminUrl(), set.map((one) => one.replace(/ set (\w+) = .*/, ' reset $1')).join(';'));
    }
  }
});

test('two of each class at least', () => {
  const classes = plantings.map(([one]) => one).filter((one) => one !== undefined);
  const twice = new Set(classes.filter((one, at) => classes.indexOf(one) < at));
  expect([...twice].sort((a, b) => a - b)).toEqual(Array.from({ length: 36 }, (_, n) => n + 1));
});

test('every one is named, and nothing beside what is so', async () => {
  const sides = [{ connectionString: source.url }, { connectionString: copy }] as const;
  expect(lines(await verifyPortal(...sides))).toEqual([]);
  await query(copy, `set session_replication_role = replica; ${plantings.map(([, change]) => change).join(';\n')}`);

  const found = lines(await verifyPortal(...sides));

  const unnamed = plantings.filter(([, , said]) => !found.some((line) => said.test(line)));
  expect(unnamed.map(([number, change]) => `${number ?? ''} ${change}`)).toEqual([]);
  expect(found.filter((line) => !plantings.some(([, , said]) => said.test(line)))).toEqual([]);
});
