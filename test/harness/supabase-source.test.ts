/** The Supabase-like source is what it says: the rights, the settings and the rows that a migration will meet. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decryptColumn } from '../../src/db/column-encryption.ts';
import { readHash } from '../../src/passwords/encoded-hash.ts';
import { anyMatches, loadArgon2 } from '../../src/passwords/engines.ts';
import { adminUrl } from './postgres.ts';
import { passwordPool } from './supabase-source/password-pool.ts';
import { createSupabaseSource, type SupabaseSource } from './supabase-source.ts';

let source: SupabaseSource;
let customer: pg.Client;
let admin: pg.Client;

beforeAll(async () => {
  source = await createSupabaseSource(adminUrl(), { users: 300, portal: 'without large values' });
  customer = new pg.Client(source.url);
  admin = new pg.Client(source.adminUrl);
  await customer.connect();
  await admin.connect();
});
afterAll(async () => {
  await customer.end();
  await admin.end();
  await source.drop();
});

const value = async (client: pg.Client, text: string) => Object.values((await client.query(text)).rows[0] ?? {})[0];

describe("the customer's role", () => {
  test('is postgres, no superuser, but may bypass row security and replicate', async () => {
    const { rows } = await customer.query(
      'select rolname, rolsuper, rolbypassrls, rolreplication, rolcreatedb from pg_roles where rolname = current_user',
    );
    expect(rows).toEqual([
      { rolname: 'postgres', rolsuper: false, rolbypassrls: true, rolreplication: true, rolcreatedb: true },
    ]);
  });

  test('meets the hosted settings: short floats, a statement timeout, few connections', async () => {
    expect(await value(customer, 'select 1/3::float8')).toBe(0.333333333333333);
    expect(await value(customer, 'show statement_timeout')).toBe('2min');
    expect(await value(customer, 'select datconnlimit from pg_database where datname = current_database()')).toBe(15);
  });

  test.each([
    ['reads every user', 'select count(*)::int from auth.users', undefined],
    [
      'hangs a trigger on auth.users',
      'create trigger t after insert on auth.users execute function public.stamp()',
      undefined,
    ],
    ['creates no table in auth', 'create table auth.mine (id int)', '42501'],
    ['disables no trigger there', 'alter table auth.users disable trigger on_auth_user_created', '42501'],
    ['turns no triggers off for itself', 'set session_replication_role = replica', '42501'],
    ['publishes no table of auth', 'create publication p for table auth.users', '42501'],
  ])('%s', async (_, statement, code) => {
    await customer.query('begin');
    const refused = await customer.query(statement).then(
      () => undefined,
      (error: pg.DatabaseError) => error.code,
    );
    await customer.query('rollback');
    expect(refused).toBe(code);
  });
});

test('schema auth belongs to supabase_auth_admin, with row security on and no policy', async () => {
  const { rows } = await admin.query(
    `select c.relowner::regrole::text as owner, c.relrowsecurity as secured,
            exists (select from pg_policy where polrelid = c.oid) as policies
       from pg_class as c where c.oid = 'auth.users'::regclass`,
  );
  expect(rows).toEqual([{ owner: 'supabase_auth_admin', secured: true, policies: false }]);
});

test('an API request sees its own portfolios alone, through the JWT that the policies read', async () => {
  const owner = await value(admin, 'select owner_id from public.portfolios order by id limit 1');
  const claims = JSON.stringify({ sub: owner, aal: 'aal2', app_metadata: {} });
  await customer.query('begin');
  await customer.query("select set_config('request.jwt.claims', $1, true)", [claims]);
  await customer.query('set local role authenticated');
  const { rows } = await customer.query('select distinct owner_id from public.portfolios');
  await customer.query('rollback');
  expect(rows).toEqual([{ owner_id: owner }]);
});

test('the portal has one of each thing that is hard to move', async () => {
  const facts = {
    'a restrictive policy': 'select count(*) from pg_policy where not polpermissive',
    'a table that forces row security': 'select count(*) from pg_class where relforcerowsecurity',
    'a security_invoker view': "select count(*) from pg_class where 'security_invoker=true' = any (reloptions)",
    'a materialized view': "select count(*) from pg_class where relkind = 'm'",
    'partitions, one of them the default': 'select count(*) from pg_partitioned_table where partdefid <> 0',
    'identity columns of both kinds':
      "select (count(distinct attidentity) = 2)::int from pg_attribute where attidentity <> ''",
    'an exclusion constraint': "select count(*) from pg_constraint where contype = 'x'",
    'a deferrable foreign key': "select count(*) from pg_constraint where contype = 'f' and condeferrable",
    'a constraint that was never validated': 'select count(*) from pg_constraint where not convalidated',
    'a disabled trigger': "select count(*) from pg_trigger where tgenabled = 'D'",
    'a column grant':
      "select count(*) from pg_attribute where attacl is not null and attrelid = 'public.products'::regclass",
    'a large object': 'select count(*) from pg_largeobject_metadata',
    'an ICU collation': "select count(*) from pg_collation where collname = 'names_de'",
    'a domain, a composite and a range':
      "select count(*) from pg_type where typname in ('isin', 'postal_address', 'fee_range')",
    'the event triggers that stay behind': "select count(*) from pg_event_trigger where evtname like '%pgrst%'",
    'policies on storage.objects': "select count(*) from pg_policy where polrelid = 'storage.objects'::regclass",
    'two tables whose names differ in case alone, one of them a word of SQL':
      "select (count(*) = 2)::int from pg_class where relname in ('Order', 'order')",
    'a table without a key': "select (not relhasindex)::int from pg_class where oid = 'public.activity_log'::regclass",
    'two tables that need each other':
      'select count(*) from pg_constraint as a join pg_constraint as b on a.conrelid = b.confrelid and a.confrelid = b.conrelid',
    'a sequence of two tables':
      "select (count(*) = 2)::int from pg_attrdef where pg_get_expr(adbin, adrelid) like '%document_number%'",
    'a table without a row': 'select (count(*) = 0)::int from public.complaints',
    'a trigger on auth.users':
      "select count(*) from pg_trigger where tgrelid = 'auth.users'::regclass and not tgisinternal",
    'NaN and infinities': "select count(*) from public.advice_notes where score = 'NaN' or expires = '-infinity'",
    'a date before Christ': "select count(*) from public.advice_notes where effective < '0001-01-01'",
    'the same row twice, without a key':
      'select count(*) from (select 1 from public.activity_log group by at, what having count(*) > 1) as twice',
  };
  for (const [what, query] of Object.entries(facts)) {
    expect(Number(await value(admin, query)), what).toBeGreaterThan(0);
  }
});

test('a portal at scale has as much as one that has grown for ten years', async () => {
  const portal = "('public', 'crm', 'Reporting', 'archive')";
  const objects = (table: string, schema: string, condition: string) =>
    `(select count(*)::int from ${table} where ${schema}::regnamespace::text = any (array(
        select quote_ident(name) from unnest(array['public', 'crm', 'Reporting', 'archive']) as name)) and ${condition})`;
  const scaled = await createSupabaseSource(adminUrl(), { users: 300, portal: 'at scale' });
  const client = new pg.Client(scaled.adminUrl);
  try {
    await client.connect();
    const { rows } = await client.query(
      `select ${objects('pg_class', 'relnamespace', "relkind in ('r', 'p')")} as tables,
              ${objects('pg_constraint', 'connamespace', "contype = 'f' and conparentid = 0")} as foreign_keys,
              ${objects('pg_proc', 'pronamespace', 'true')} as functions,
              ${objects('pg_type', 'typnamespace', "typtype = 'e'")} as enums,
              (select count(*)::int from pg_policy) as policies,
              (select count(*)::int from pg_trigger where not tgisinternal and tgparentid = 0) as triggers`,
    );
    expect(rows).toEqual([
      { tables: 550, foreign_keys: 1300, functions: 950, enums: 80, policies: 620, triggers: 650 },
    ]);
    const facts = {
      'functions that run as their owner, most of all':
        "select (avg(prosecdef::int) > 0.5)::int from pg_proc where pronamespace = any (array[2200, 'crm'::regnamespace::oid])",
      'triggers on auth.users':
        "select count(*) - 1 from pg_trigger where tgrelid = 'auth.users'::regclass and not tgisinternal",
      'columns of types of extensions':
        "select count(*) from pg_attribute where atttypid in ('extensions.citext'::regtype, 'public.email_address'::regtype)",
      'indexes by operators of extensions':
        "select count(*) from pg_opclass as o join pg_index as i on o.oid = any (i.indclass) where opcname = 'gin_trgm_ops'",
      'indexes over functions of the portal': "select count(*) from pg_indexes where indexdef like '%normalised(%'",
      'views on views': `select count(*) from pg_views where schemaname in ${portal} and definition like '%"View of %'`,
      'tables that inherit':
        "select count(*) from pg_inherits as i join pg_class as c on c.oid = i.inhparent where c.relkind = 'r'",
      'tables partitioned in each way': 'select (count(distinct partstrat) = 3)::int from pg_partitioned_table',
      'default privileges of its own schemas': `select count(*) from pg_default_acl where defaclnamespace = 'crm'::regnamespace`,
    };
    for (const [what, query] of Object.entries(facts)) {
      expect(Number(await value(client, query)), what).toBeGreaterThan(0);
    }
  } finally {
    await client.end();
    await scaled.drop();
  }
});

test('the same seed makes the same rows, another seed makes others', async () => {
  const [same, other] = await Promise.all([
    createSupabaseSource(adminUrl(), { users: 300, portal: 'without large values' }),
    createSupabaseSource(adminUrl(), { users: 300, portal: false, seed: 2 }),
  ]);
  const digest = async (url: string) => {
    const client = new pg.Client(url);
    await client.connect();
    try {
      const tables = ['users', 'identities', 'sessions', 'refresh_tokens', 'mfa_factors', 'one_time_tokens'];
      const sums = tables.map((table) => `(select md5(string_agg(t::text, '|' order by id)) from auth.${table} as t)`);
      return (await client.query(`select ${sums.map((sum, n) => `${sum} as ${tables[n]}`).join(', ')}`)).rows[0];
    } finally {
      await client.end();
    }
  };
  try {
    const made = await digest(source.adminUrl);
    expect(await digest(same.adminUrl)).toEqual(made);
    expect((await digest(other.adminUrl)).users).not.toBe(made.users);
  } finally {
    await Promise.all([same.drop(), other.drop()]);
  }
});

test.each(Object.entries(passwordPool))('the known passwords of %s are the ones that were hashed', async (_, pool) => {
  const argon2 = await loadArgon2();
  for (const { password, encrypted_password } of pool) {
    const hash = readHash(encrypted_password);
    expect(hash && (await anyMatches(hash, [Buffer.from(password)], argon2))).toBe(true);
  }
});

test('what is encrypted opens in its own row, with the key that is held', () => {
  const { people, keys } = source;
  const held = new Map([[keys.held.id, Buffer.from(keys.held.key, 'base64url')]]);
  const open = ({ id, encrypted_password }: { id: string; encrypted_password: string | null }) =>
    decryptColumn(encrypted_password ?? '', id, held);

  expect(open(people.encryptedPassword)).toBe(passwordPool.bcrypt_2a_10[1].encrypted_password);
  expect(open({ ...people.encryptedPassword, id: people.totp.id })).toBeUndefined();
  expect(open(people.encryptedLostKey)).toBeUndefined();
});
