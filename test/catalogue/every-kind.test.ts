/** Nothing that a database can be made of is passed over: it is of a kind, or on the list of what is not compared. */
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Catalogue, readCatalogue } from '../../src/catalogue/catalogue.ts';
import { type Allowance, compareCatalogues, type Drift } from '../../src/catalogue/compare.ts';
import { catalogues, untold } from '../../src/catalogue/coverage.ts';
import { type Kind, kinds } from '../../src/catalogue/kinds.ts';
import { startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts';
import { adminUrl } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';

const schemas = ['public', 'storage', 'supabase_migrations', 'Back Office'];
const names = `{${schemas.map((name) => `"${name}"`).join(',')}}`;

let portal: SupabaseSource;
let client: pg.Client;
let before: Catalogue;

beforeAll(async () => {
  portal = await createSupabaseSource(adminUrl(), { users: 100, portal: 'without large values' });
  client = new pg.Client(portal.adminUrl);
  await client.connect();
  for (const file of ['one-of-each.sql', 'elsewhere.sql']) {
    await client.query(await readFile(new URL(file, import.meta.url), 'utf8'));
  }
  before = await readCatalogue(client, schemas);
});

afterAll(async () => {
  await client.end();
  await portal.drop();
});

/** What is found when only this was done, which is undone again. */
async function planted(statements: string, allowance?: Allowance): Promise<Drift[]> {
  await client.query('begin');
  try {
    await client.query(statements);
    return compareCatalogues(before, await readCatalogue(client, schemas), allowance);
  } finally {
    await client.query('rollback');
  }
}

const told = (drifts: readonly Drift[]) => drifts.map(({ sentence }) => sentence);

/** PostgreSQL's own tables of a server. */
async function listCatalogues(of: pg.Client): Promise<string[]> {
  const { rows } = await of.query<{ name: string }>(
    `select relname::text as name from pg_class
      where relnamespace = 'pg_catalog'::regnamespace and relkind = 'r' order by relname collate "C"`,
  );
  return rows.map(({ name }) => name);
}

test('what PostgreSQL keeps in any of its own tables is of a kind, or is said not to be compared', async () => {
  const known = Object.keys(catalogues).sort();
  expect(await listCatalogues(client)).toEqual(known);

  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-newest-'));
  await chmod(directory, 0o711);
  const newest = await startEmbeddedPostgres({ directory, settings: { fsync: 'off' }, version: 18 });
  const there = new pg.Client(newest.url);
  try {
    await there.connect();
    expect(await listCatalogues(there)).toEqual(known);
  } finally {
    await there.end();
    await newest.stop();
    await rm(directory, { recursive: true, force: true });
  }

  const of = Object.values(catalogues).flatMap((kindsOf) => ('what' in kindsOf ? [] : kindsOf));
  // Rights are with what they are on.
  expect(new Set<Kind>([...of, 'grant'])).toEqual(new Set(Object.keys(kinds)));
  expect(untold.map(({ what }) => what)).toContain('subscriptions');
});

test('one of every kind is equal to itself, and a changed comment of any of it is found', async () => {
  expect(told(compareCatalogues(before, await readCatalogue(client, schemas)))).toEqual([]);
  const ofThese = `
    d.objoid >= 16384 and d.classoid <> 'pg_extension'::regclass
      and not exists (select from pg_depend as e where e.classid = d.classoid and e.objid = d.objoid and e.deptype = 'e')
      and exists (
        select from pg_identify_object(d.classoid, d.objoid, d.objsubid) as o,
                    pg_identify_object_as_address(d.classoid, d.objoid, d.objsubid) as a
         where case when o.type = 'schema' then a.object_names[1] = any ('${names}')
                    else o.schema is null or o.schema = any (select quote_ident(s) from unnest('${names}'::text[]) as s) end)`;
  const { rows } = await client.query(`select from pg_description as d where ${ofThese}`);
  expect(rows.length).toBeGreaterThan(30);
  const found = await planted(`update pg_description as d set description = description || '!' where ${ofThese}`);
  expect(found.map(({ name }) => name)).toEqual(rows.map(() => 'comment lost'));
});

/** What is done → the one thing that is said. */
test.each<[string, string | RegExp]>([
  ['drop index "Back Office".busy_id', 'Index "Back Office".busy_id is missing at the target.'],
  [
    'refresh materialized view "Back Office".busy with no data',
    'Materialized view "Back Office".busy: populated is on at the source and off at the target.',
  ],
  [
    'refresh materialized view "Back Office".idle',
    'Materialized view "Back Office".idle: populated is off at the source and on at the target.',
  ],
  ['drop materialized view "Back Office".idle', 'Materialized view "Back Office".idle is missing at the target.'],
  [
    `alter server elsewhere options (set token 'another secret', add port '7')`,
    'Foreign server elsewhere: options are not those of the source (port, token).',
  ],
  [
    `alter foreign table "Back Office".far options (set at 'another secret')`,
    'Table "Back Office".far: options are not those of the source (at).',
  ],
  [
    `alter foreign table "Back Office".far alter id options (drop place)`,
    'Column "Back Office".far.id: options are not those of the source (place).',
  ],
  [
    `alter foreign data wrapper nowhere options (set debug 'another secret')`,
    'Foreign data wrapper nowhere: options are not those of the source (debug).',
  ],
  ['drop foreign table "Back Office".far', 'Table "Back Office".far is missing at the target.'],
  [
    'drop user mapping for public server elsewhere',
    'User mapping of public on foreign server elsewhere is missing at the target.',
  ],
  [
    'create user mapping for anon server elsewhere',
    'User mapping of anon on foreign server elsewhere is at the target and not at the source.',
  ],
  [
    'revoke usage on foreign server elsewhere from authenticated',
    /^Grant of USAGE to authenticated on foreign server elsewhere/,
  ],
  [
    'alter operator family "Back Office".backwards using btree drop operator 1 (int, bigint)',
    /^Operator family "Back Office"\.backwards for btree: members that are of none of its classes is /,
  ],
  [
    'drop operator family "Back Office".lonely using hash',
    /^Operator family "Back Office"\.lonely for hash is missing/,
  ],
  ['drop access method heap_too', 'Access method heap_too is missing at the target.'],
  ['drop language spoken', 'Language spoken is missing at the target.'],
  ['revoke usage on language spoken from public', /^Grant of USAGE to public on language spoken: not at the target\.$/],
  ['drop conversion "Back Office".narrow', 'Conversion "Back Office".narrow is missing at the target.'],
  ['drop transform for date language plpgsql', 'Transform for date language plpgsql is missing at the target.'],
  ['drop cast (bit as interval)', 'Cast bit as interval is missing at the target.'],
  ['drop text search parser "Back Office".plain', 'Text search parser "Back Office".plain is missing at the target.'],
  [
    'drop text search template "Back Office".as_is',
    'Text search template "Back Office".as_is is missing at the target.',
  ],
  [
    'alter text search configuration "Back Office".notes alter mapping for word with english_stem',
    /^Text search configuration "Back Office"\.notes: definition is /,
  ],
  [
    'alter statistics "Back Office".fees_statistics set statistics 43',
    'Statistics "Back Office".fees_statistics: STATISTICS is 42 at the source and 43 at the target.',
  ],
  [
    'alter index "Back Office".fees_sum alter column 1 set statistics -1',
    'Index "Back Office".fees_sum: STATISTICS is 1: 77 at the source and none at the target.',
  ],
  [
    'alter table "Back Office".fees set without cluster',
    'Constraint fees_pkey on "Back Office".fees: CLUSTER is on at the source and off at the target.',
  ],
  [
    'alter publication back_office set table "Back Office".fees (id, half) where (half > 0.6), "Back Office".child',
    /^Publication back_office: tables is /,
  ],
])('%s', async (statements, sentence) => {
  const drifts = await planted(statements);
  expect(told(drifts)).toEqual([typeof sentence === 'string' ? sentence : expect.stringMatching(sentence)]);
});

test('a security label is compared, whatever it is on', async () => {
  const labels = `
    insert into pg_seclabel (classoid, objoid, objsubid, provider, label) values
      ('pg_class'::regclass, 'public.people'::regclass, 0, 'anon', 'TABLESAMPLE'),
      ('pg_class'::regclass, 'public.people'::regclass, 3, 'anon', 'MASKED'),
      ('pg_proc'::regclass, 'public.stamp'::regproc, 0, 'anon', 'TRUSTED'),
      ('pg_namespace'::regclass, '"Back Office"'::regnamespace, 0, 'anon', 'TRUSTED')`;
  const title = (object: string) => `Security label of anon on ${object}`;
  const objects = [
    'function public.stamp()',
    'schema "Back Office"',
    'table column public.people.full_name',
    'table public.people',
  ];
  expect(told(await planted(labels))).toEqual(
    objects.map((object) => `${title(object)} is at the target and not at the source.`),
  );

  await client.query('begin');
  await client.query(labels);
  const labelled = await readCatalogue(client, schemas);
  await client.query("update pg_seclabel set label = 'MASKED WITH NULL' where objsubid = 3");
  const changed = compareCatalogues(labelled, await readCatalogue(client, schemas));
  await client.query('drop table public.people cascade');
  const dropped = compareCatalogues(labelled, await readCatalogue(client, schemas));
  await client.query('rollback');
  expect(told(changed)).toEqual([
    `${title('table column public.people.full_name')}: label is MASKED at the source and MASKED WITH NULL at the target.`,
  ]);
  // Gone with what it was on.
  expect(dropped.filter(({ kind }) => kind === 'security label')).toEqual([]);
});

test('no option of a wrapper, a server, a table or a user mapping is in a catalogue or in what is said of it', async () => {
  const drifts = await planted(
    `alter server elsewhere options (set token 'another secret');
     alter user mapping for authenticated server elsewhere options (set password 'another secret')`,
  );
  expect(drifts).toHaveLength(1);
  const all = JSON.stringify([drifts, [...before.objects.values()]]);
  expect(all).not.toMatch(/not to be shown|another secret|ledger\.example\.com/);
  // Nor anything that it could be guessed from.
  expect(JSON.stringify(drifts)).not.toMatch(/[0-9a-f]{64}/);
});

test('a user mapping is that of the role which takes the place of its own', async () => {
  const statements = `create role accountant; create user mapping for accountant server elsewhere;
    drop user mapping for authenticated server elsewhere`;
  const roles = new Map([['authenticated', 'accountant']]);
  const mappings = (drifts: readonly Drift[]) => drifts.filter(({ kind }) => kind === 'user mapping');
  expect(mappings(await planted(statements))).toHaveLength(2);
  expect(mappings(await planted(statements, { roles }))).toEqual([]);
});
