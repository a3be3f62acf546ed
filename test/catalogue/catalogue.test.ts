import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Catalogue, readCatalogue } from '../../src/catalogue/catalogue.ts';
import { type Allowance, compareCatalogues } from '../../src/catalogue/compare.ts';
import { comparedFacts, driftNumbers, type Kind, kinds } from '../../src/catalogue/kinds.ts';
import { embeddedMajors } from '../../src/db/embedded-postgres.ts';
import { adminUrl } from '../harness/postgres.ts';
import { majorOfTheRun, startServer } from '../harness/server.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';

// Servers and sources are made by the tests.
vi.setConfig({ testTimeout: 120_000 });

const schemas = ['public', 'storage', 'supabase_migrations', 'Back Office'];

let source: SupabaseSource;
let target: SupabaseSource;
let here: Catalogue;
let planting: pg.Client;

beforeAll(async () => {
  source = await createSource(adminUrl());
  target = await createSource(adminUrl());
  here = await reading(source.url);
  planting = new pg.Client(target.adminUrl);
  await planting.connect();
});

afterAll(async () => {
  await planting.end();
  await source.drop();
  await target.drop();
});

async function createSource(url: string): Promise<SupabaseSource> {
  const made = await createSupabaseSource(url, { users: 100, portal: 'without large values' });
  const admin = new pg.Client(made.adminUrl);
  await admin.connect();
  await admin.query(await readFile(new URL('one-of-each.sql', import.meta.url), 'utf8'));
  await admin.end();
  return made;
}

async function reading(url: string, set = ''): Promise<Catalogue> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(set);
    return await readCatalogue(client, schemas);
  } finally {
    await client.end();
  }
}

/** What is found when only this was done to the target, which is undone again. */
async function planted(statements: string, allowance?: Allowance) {
  await planting.query('begin');
  try {
    await planting.query(statements);
    return compareCatalogues(here, await readCatalogue(planting, schemas), allowance);
  } finally {
    await planting.query('rollback');
  }
}

const told = (drifts: ReturnType<typeof compareCatalogues>) => drifts.map(({ sentence }) => sentence);

/** Made in every-kind.test.ts. */
const elsewhere = new Set<Kind>([
  'foreign data wrapper',
  'foreign server',
  'user mapping',
  'language',
  'security label',
]);

test('the fixture has one of every kind, and every fact that is compared is one that is read', () => {
  const found = new Set([...here.objects.values()].map(({ kind }) => kind));
  expect([...found].sort()).toEqual((Object.keys(kinds) as Kind[]).filter((kind) => !elsewhere.has(kind)).sort());
  for (const { kind, facts } of here.objects.values()) {
    expect(Object.keys(facts)).toEqual(expect.arrayContaining(Object.keys(comparedFacts(kind))));
  }
});

test('two catalogues of one portal hold what is the same in both once', async () => {
  const again = await readCatalogue(planting, schemas, here);
  expect([...again.objects].filter(([key, object]) => here.objects.get(key) !== object)).toEqual([]);
});

test('a column that a parent got after its child may come first in the child, as it does where both are made anew', async () => {
  const made = async (statements: string) => {
    await planting.query('begin');
    try {
      await planting.query(statements);
      return await readCatalogue(planting, ['lineage']);
    } finally {
      await planting.query('rollback');
    }
  };
  const grown = await made(
    'create schema lineage; create table lineage.parent (a int); create table lineage.child (b int, c int) inherits (lineage.parent); alter table lineage.parent add column d int',
  );
  const anew = await made(
    'create schema lineage; create table lineage.parent (a int, d int); create table lineage.child (b int, c int) inherits (lineage.parent)',
  );
  const otherwise = await made(
    'create schema lineage; create table lineage.parent (a int, d int); create table lineage.child (c int, b int) inherits (lineage.parent)',
  );
  expect(told(compareCatalogues(grown, anew))).toEqual([]);
  expect(told(compareCatalogues(grown, otherwise))).toEqual([
    'Table lineage.child: order of columns is b, c at the source and c, b at the target.',
  ]);
});

test('no fact is read and not compared, but for those that are of use by themselves', () => {
  const apart = new Map<string, Set<string>>();
  for (const { kind, facts } of here.objects.values()) {
    const compared = Object.keys(comparedFacts(kind));
    for (const fact of Object.keys(facts))
      if (!compared.includes(fact)) apart.set(kind, (apart.get(kind) ?? new Set()).add(fact));
  }
  expect(Object.fromEntries([...apart].map(([kind, facts]) => [kind, [...facts].sort()]))).toEqual({
    'default privilege': ['grantee', 'maker', 'on', 'schema', 'whole'],
    'large objects': ['owner'],
    constraint: ['references'],
    grant: ['grantee', 'owner'],
    role: ['superuser'],
    sequence: ['last_value'],
    trigger: ['function_schema'],
  });
});

describe('two equal databases', () => {
  test('have no drift', async () => {
    expect(told(compareCatalogues(here, await reading(target.url)))).toEqual([]);
  });

  test.each([
    ["set search_path = 'Back Office', public, extensions, auth"],
    ["set timezone = 'America/St_Johns'; set datestyle = 'SQL, DMY'; set intervalstyle = 'iso_8601'"],
    ['set extra_float_digits = -4; set bytea_output = escape; set quote_all_identifiers = on'],
  ])('have no drift where one session was told to %s', async (set) => {
    expect(told(compareCatalogues(here, await reading(target.url, set)))).toEqual([]);
  });

  const others = embeddedMajors.filter((major) => major !== majorOfTheRun);
  test.each(others)('have no drift where one is on PostgreSQL %i', async (major) => {
    const server = await startServer(major);
    try {
      const there = await createSource(server.url);
      const elsewhere = await reading(there.url);
      expect(Math.floor(elsewhere.server_version_num / 10_000)).toBe(major);
      expect(told(compareCatalogues(here, elsewhere))).toEqual([]);
      expect(told(compareCatalogues(elsewhere, here))).toEqual([]);
    } finally {
      await server.stop();
    }
  });
});

test('as many statements are asked of hundreds of tables as of a few', async () => {
  let asked = 0;
  const counting = Object.create(planting) as pg.Client;
  counting.query = ((...args: Parameters<pg.Client['query']>) => {
    asked++;
    return planting.query(...args);
  }) as unknown as pg.Client['query'];
  const few = await readCatalogue(counting, schemas);
  const before = asked;
  await planting.query('begin');
  try {
    await planting.query(`do $$ begin
      for n in 1 .. 300 loop
        execute format('create table public.t%s (id int primary key, of_t int references public.funds (id) check (of_t > 0))', n);
        execute format('create policy p on public.t%s using (true)', n);
      end loop;
    end $$`);
    const many = await readCatalogue(counting, schemas);
    expect(many.objects.size).toBeGreaterThan(few.objects.size + 300 * 7);
  } finally {
    await planting.query('rollback');
  }
  expect(asked).toBe(2 * before);
});

test('a session keeps the settings that it had', async () => {
  const client = new pg.Client(target.url);
  await client.connect();
  const settings =
    "select string_agg(current_setting(name), ' ') as all from unnest(array['search_path', 'TimeZone', 'extra_float_digits']) as name";
  await client.query("set timezone = 'Asia/Kathmandu'");
  const { rows: before } = await client.query(settings);
  await readCatalogue(client, schemas);
  const { rows: after } = await client.query(settings);
  await client.end();
  expect(after).toEqual(before);
});

/** What is done to the target → the one thing that is found: its number in the research's list, its name, its object. */
const plantings: [number, string, string, string][] = [
  [12, 'missing column', 'alter table public.people drop column nicknames', 'public.people.nicknames'],
  [
    13,
    'column type changed',
    'alter table public.advice_notes alter score type double precision',
    'public.advice_notes.score',
  ],
  [13, 'column type changed', 'alter table public.funds alter units type numeric(10, 2)', 'public.funds.units'],
  [
    13,
    'column type changed',
    'alter table public.client_groups alter name type text collate "C"',
    'public.client_groups.name',
  ],
  [
    14,
    'default lost',
    'alter table public.client_groups alter adviser_id drop default',
    'public.client_groups.adviser_id',
  ],
  [
    14,
    'default lost',
    `alter table "Back Office".scratch alter value set default '1 day 02:03:05'`,
    '"Back Office".scratch.value',
  ],
  [15, 'NOT NULL lost', 'alter table public.people alter full_name drop not null', 'public.people.full_name'],
  [
    16,
    'CHECK lost',
    'alter table public.people drop constraint document_is_positive',
    'document_is_positive on public.people',
  ],
  [
    17,
    'foreign key missing or not valid',
    'alter table public.profiles drop constraint profiles_id_fkey',
    'profiles_id_fkey on public.profiles',
  ],
  [
    17,
    'foreign key missing or not valid',
    `alter table public.profiles drop constraint profiles_id_fkey;
     alter table public.profiles add constraint profiles_id_fkey foreign key (id) references auth.users (id) on delete cascade not valid`,
    'profiles_id_fkey on public.profiles',
  ],
  [18, 'index missing or invalid', 'drop index public.portfolios_settings_idx', 'public.portfolios_settings_idx'],
  [
    18,
    'index missing or invalid',
    `update pg_index set indisvalid = false where indexrelid = 'public.portfolios_owner_idx'::regclass`,
    'public.portfolios_owner_idx',
  ],
  [
    18,
    'index missing or invalid',
    'alter table public.products drop constraint products_code_key',
    'products_code_key on public.products',
  ],
  [
    19,
    'unique predicate lost',
    `drop index public.products_name_active;
     create unique index products_name_active on public.products (lower(name))`,
    'public.products_name_active',
  ],
  [20, 'policy lost', 'drop policy "second factor" on public.portfolios', '"second factor" on public.portfolios'],
  [20, 'policy lost', 'drop policy "own sessions" on auth.sessions', '"own sessions" on auth.sessions'],
  [20, 'policy lost', 'drop policy "own files" on storage.objects', '"own files" on storage.objects'],
  [
    21,
    'policy changed',
    'alter policy "own profile" on public.profiles using (true)',
    '"own profile" on public.profiles',
  ],
  [
    21,
    'policy changed',
    'alter policy "nobody signed out" on public.advice_notes to public',
    '"nobody signed out" on public.advice_notes',
  ],
  [22, 'row level security off', 'alter table public.profiles disable row level security', 'public.profiles'],
  [22, 'row level security off', 'alter table public.portfolios no force row level security', 'public.portfolios'],
  [23, 'trigger missing', 'drop trigger on_auth_user_created on auth.users', 'on_auth_user_created on auth.users'],
  [23, 'trigger missing', 'drop trigger stamp on public.profiles', 'stamp on public.profiles'],
  [24, 'trigger disabled', 'alter table public.profiles disable trigger stamp', 'stamp on public.profiles'],
  [
    24,
    'trigger disabled',
    'alter table public.advice_notes enable trigger log_note',
    'log_note on public.advice_notes',
  ],
  [25, 'function changed', 'alter function public.handle_new_user() security invoker', 'public.handle_new_user()'],
  [25, 'function changed', 'alter function public.handle_new_user() reset search_path', 'public.handle_new_user()'],
  [
    25,
    'function changed',
    `create or replace function public.stamp() returns trigger language plpgsql as 'begin return new; end'`,
    'public.stamp()',
  ],
  [
    26,
    'security_invoker lost',
    'alter view public.portfolio_totals reset (security_invoker)',
    'public.portfolio_totals',
  ],
  [
    27,
    'grant lost',
    'revoke select on public.profiles from authenticated',
    'to authenticated on table public.profiles',
  ],
  [27, 'grant lost', 'revoke select (name) on public.products from anon', 'to anon on column public.products.name'],
  [
    27,
    'grant lost',
    'revoke grant option for select on "Back Office".fees from anon',
    'to anon on table "Back Office".fees',
  ],
  [28, 'grant too wide', 'grant select on public.complaints to anon', 'to anon on table public.complaints'],
  [
    28,
    'grant too wide',
    'grant execute on function "Back Office".total(int, int) to public',
    'to public on function "Back Office".total(integer, integer)',
  ],
  [
    29,
    'default privilege lost',
    'alter default privileges for role postgres in schema public revoke all on tables from anon',
    'to anon on tables that postgres makes in schema public',
  ],
  [
    30,
    'owner wrong',
    'alter function public.handle_new_user() owner to supabase_storage_admin',
    'public.handle_new_user()',
  ],
  [
    31,
    'generated column turned plain',
    'alter table public.portfolios alter total drop expression',
    'public.portfolios.total',
  ],
  [
    33,
    'partition detached',
    'alter table public.valuations detach partition public.valuations_2025',
    'public.valuations_2025',
  ],
  [
    34,
    'materialized view not populated',
    'refresh materialized view public.firm_totals with no data',
    'public.firm_totals',
  ],
  [35, 'publication or extension missing', 'drop publication back_office', 'back_office'],
  [
    35,
    'publication or extension missing',
    'alter publication supabase_realtime drop table public.portfolios',
    'supabase_realtime',
  ],
  [35, 'publication or extension missing', 'drop extension pg_stat_statements', 'pg_stat_statements'],
  [
    36,
    'comment lost',
    'comment on column public.profiles."Preferred Name" is null',
    'public.profiles."Preferred Name"',
  ],
  [
    36,
    'comment lost',
    'comment on policy "own profile" on public.profiles is null',
    '"own profile" on public.profiles',
  ],
];

test.each(plantings)('class %i, %s: %s', async (number, name, statements, object) => {
  const drifts = await planted(statements);
  expect(drifts.map((drift) => [drift.number, drift.name, drift.object])).toContainEqual([number, name, object]);
  // Named once, and nothing else with it but what is true as well.
  expect(drifts.length, told(drifts).join('\n')).toBeLessThanOrEqual(
    drifts.some(({ number }) => number === 33) ? 8 : 1,
  );
  for (const { sentence } of drifts) expect(sentence).toMatch(/^[A-Z].*\.$/s);
});

test('class 32, identity turned plain: the column is named, and the sequence that is gone with it', async () => {
  expect(told(await planted('alter table public.people alter id drop identity'))).toEqual([
    'Sequence public.people_id_seq is missing at the target.',
    'Column public.people.id: IDENTITY is always at the source and not set at the target.',
  ]);
});

test('every class from 12 to 36 is planted', () => {
  const classes = new Set(Object.values(driftNumbers).filter((number) => number !== undefined));
  expect([...new Set(plantings.map(([number]) => number)), 32].sort()).toEqual([...classes].sort());
  expect(classes.size).toBe(25);
});

/** What the research's list does not have, and is found all the same. */
test.each([
  [
    'create or replace function "Back Office".jsons() returns setof text language sql stable begin atomic select 1::text; end',
    /^Function "Back Office"\.jsons\(\): body is /,
  ],
  ['drop table public.activity_log', 'Table public.activity_log is missing at the target.'],
  ['create table public.extra (id int)', 'Table public.extra is at the target and not at the source.'],
  ['drop schema "Back Office" cascade', 'Schema "Back Office" is missing at the target.'],
  [
    'alter table public.funds disable trigger all',
    'Constraint funds_portfolio_id_fkey on public.funds: enforced is on at the source and off at the target.',
  ],
  [
    `alter type public.risk_profile rename value 'balanced' to 'Balanced'`,
    'Type public.risk_profile: definition is cautious, balanced, Adventurous! at the source and cautious, Balanced, Adventurous! at the target.',
  ],
  ['alter domain "Back Office".percentage drop constraint from_0', /^Type "Back Office"\.percentage: definition is /],
  [
    'alter sequence public.document_number increment 1',
    'Sequence public.document_number: INCREMENT is 5 at the source and 1 at the target.',
  ],
  [
    'alter sequence public.funds_id_seq owned by none',
    'Sequence public.funds_id_seq: OWNED BY is public.funds.id at the source and not set at the target.',
  ],
  [
    'create or replace view public.adviser_directory as select id, full_name from public.profiles where true',
    /^View public\.adviser_directory: query is /,
  ],
  [
    'create policy "everybody" on public.profiles using (true)',
    'Policy everybody on public.profiles is at the target and not at the source.',
  ],
  ['drop rule keep on "Back Office".fees', 'Rule keep on "Back Office".fees is missing at the target.'],
  ['drop event trigger watch_tables', 'Event trigger watch_tables is missing at the target.'],
  [
    'alter table "Back Office".scratch set logged',
    'Table "Back Office".scratch: persistence is unlogged at the source and logged at the target.',
  ],
  [
    'alter table "Back Office".child no inherit "Back Office".parent',
    'Table "Back Office".child: parents is "Back Office".parent at the source and none at the target.',
  ],
  [
    'alter table public.products drop column name cascade; alter table public.products add column name text',
    /^Table public\.products: order of columns is /,
  ],
  [
    'alter table "Back Office".fees alter column blob set storage extended',
    'Column "Back Office".fees.blob: STORAGE is e at the source and not set at the target.',
  ],
  [
    'drop index "Back Office".fees_day; create unique index fees_day on "Back Office".fees (day, lower(blob::text)) include (amount) where half > 0.5',
    /^Index "Back Office"\.fees_day: definition is /,
  ],
  ['alter role service_role nobypassrls', 'Role service_role: BYPASSRLS is on at the source and off at the target.'],
  [
    'revoke anon from authenticator',
    'Role authenticator: membership is anon, authenticated, service_role at the source and authenticated, service_role at the target.',
  ],
  ['select lo_unlink(max(oid)) from pg_largeobject_metadata', /^Large objects of postgres/],
  [
    'alter default privileges for role postgres in schema public grant all on functions to public',
    'Default privilege of EXECUTE to public on functions that postgres makes in schema public: at the target only.',
  ],
  [
    'alter statistics "Back Office".fees_statistics owner to authenticated',
    'Statistics "Back Office".fees_statistics: owner is gatehouse_superuser at the source and authenticated at the target.',
  ],
])('%s: %s', async (statements, sentence) => {
  expect(told(await planted(statements))).toContainEqual(
    typeof sentence === 'string' ? sentence : expect.stringMatching(sentence),
  );
});

test('of two long texts the sentence has the place where they part, and the drift has both', async () => {
  const body = (amount: number) => `select ${'1 + '.repeat(100)}${amount}${' + 1'.repeat(100)}`;
  const make = (amount: number) =>
    `create or replace function public.long() returns int language sql as '${body(amount)}'`;
  await planting.query('begin');
  await planting.query(make(7));
  const before = await readCatalogue(planting, schemas);
  await planting.query(make(8));
  const [drift] = compareCatalogues(before, await readCatalogue(planting, schemas));
  await planting.query('rollback');
  expect(drift?.sentence).toMatch(
    /^Function public\.long\(\): body is …(?:1 \+ )+7 .*… at the source and …(?:1 \+ )+8 .*… at the target\.$/,
  );
  expect([drift?.source, drift?.target]).toEqual([body(7), body(8)]);
});

test('a lost table is one drift, with nothing of what hung on it but what refers to it from elsewhere', async () => {
  expect(told(await planted('drop table public.activity_log'))).toEqual([
    'Table public.activity_log is missing at the target.',
    expect.stringMatching(/^Publication supabase_realtime: tables is /),
  ]);
});

describe('what is another on purpose', () => {
  test('is no drift where it is allowed: an owner that took over, with its rights', async () => {
    const roles = new Map([['postgres', 'portal_owner']]);
    const statements = `create role portal_owner superuser;
      do $$ declare thing text; begin
        execute 'reassign owned by postgres to portal_owner';
        for thing in select oid::regclass from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S') loop
          execute format('revoke all on %s from postgres', thing);
        end loop;
      end $$;
      revoke all on schema public, storage from postgres;
      revoke all on storage.buckets, storage.objects from postgres;
      alter default privileges for role supabase_admin in schema public revoke all on tables from postgres;
      alter default privileges for role supabase_admin in schema public revoke all on sequences from postgres;
      alter default privileges for role supabase_admin in schema public revoke all on functions from postgres;
      alter default privileges for role postgres in schema public revoke all on tables from postgres, anon, authenticated, service_role;
      alter default privileges for role postgres in schema public revoke all on sequences from postgres, anon, authenticated, service_role;
      alter default privileges for role postgres in schema public revoke all on functions from postgres, anon, authenticated, service_role;
      alter default privileges for role portal_owner in schema public grant all on tables to anon, authenticated, service_role;
      alter default privileges for role portal_owner in schema public grant all on sequences to anon, authenticated, service_role;
      alter default privileges for role portal_owner in schema public grant all on functions to anon, authenticated, service_role`;
    expect((await planted(statements)).length).toBeGreaterThan(50);
    expect(told(await planted(statements, { roles }))).toEqual([]);
  });

  test('whatever else is named as left behind', async () => {
    const absent = new Set(['publication supabase_realtime', 'trigger stamp on public.profiles']);
    const statements = 'drop publication supabase_realtime; drop trigger stamp on public.profiles';
    expect(told(await planted(statements))).toHaveLength(2);
    expect(told(await planted(statements, { absent }))).toEqual([]);
  });

  test('an extension that stays behind, or that is in another schema', async () => {
    const extensions = new Map([['pg_stat_statements', 'absent'] as const]);
    expect(told(await planted('drop extension pg_stat_statements', { extensions }))).toEqual([]);
    const elsewhere = new Map([['pg_stat_statements', 'anywhere'] as const]);
    const moved = 'alter extension pg_stat_statements set schema public';
    expect(told(await planted(moved))).toContainEqual(
      'Extension pg_stat_statements: schema is extensions at the source and public at the target.',
    );
    expect(told(await planted(moved, { extensions: elsewhere }))).toEqual([]);
  });
});
