/** A portal that was copied: everything is there, and its SQL works as it did. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CopyReport, copyPortal } from '../../src/copy/copy.ts';
import { findBrokenEntry } from '../../src/migrate/ledger.sql.ts';
import { emptyDatabase, type TestDatabase } from '../harness/postgres.ts';
import type { SupabaseSource } from '../harness/supabase-source.ts';
import { carriedRows, expectedRows } from '../migrate/rows.ts';
import { asClient, ask, portalRows } from '../portal/portal-rows.ts';
import { createPortalSource } from '../portal/portal-source.ts';

let source: SupabaseSource;
let target: TestDatabase;
let report: CopyReport;

const copy = (apply = true) =>
  copyPortal(
    { connectionString: source.url },
    { connectionString: target.url },
    { apply, env: process.env, operator: 'ops' },
  );
const value = async (url: string, text: string, values: unknown[] = []) =>
  Object.values((await ask<Record<string, unknown>>(url, text, values))[0] ?? {})[0];
const both = async (text: string) => [await ask(target.url, text), await ask(source.adminUrl, text)];

beforeAll(async () => {
  source = await createPortalSource({ users: 300, portal: 'without large values' });
  await ask(
    source.adminUrl,
    `create publication partners for table public.products;
     
     create table public."only computed" (n int generated always as (1) stored);
     insert into public."only computed" default values;
     create table public.named (what regclass); insert into public.named values ('public."Order"');
     set role postgres;
     create table public.drafts (id int primary key, name text); insert into public.drafts values (1, $$x$$);
     create policy "staff of auth" on public.drafts to postgres, service_role using (true)`,
  );
  target = await emptyDatabase();
  const { applied } = await copy(false);
  expect(applied).toBe(false);
  expect(await ask(target.url, "select from pg_namespace where nspname in ('auth', 'storage', 'extensions')")).toEqual(
    [],
  );
  report = await copy();
});
afterAll(async () => {
  await target.drop();
  await source.drop();
});

describe('every row is there', () => {
  test('of every table and materialized view of the portal', async () => {
    const rows = await portalRows(target.url);
    expect(rows).toEqual(await portalRows(source.adminUrl));
    expect(rows).toMatchObject({
      'public."order"': expect.stringMatching(/^29 /),
      'public.drafts': expect.stringMatching(/^1 /),
    });
  });

  test('of users, hashes, factors, sessions and one-time tokens, and the sign-ins under way', async () => {
    expect(await carriedRows(target.url)).toEqual(await expectedRows(source.adminUrl));
    const [here, there] = await both('select * from auth.flow_state');
    expect(here).toEqual(there);
    expect(here).not.toEqual([]);
  });

  test('of large objects, under their ids', async () => {
    const [here, there] = await both('select oid, md5(lo_get(oid)) from pg_largeobject_metadata');
    expect(here).toEqual(there);
    expect(report.large_objects).toBe(1);
  });

  test('and every sequence stands where it stood', async () => {
    const [here, there] = await both(
      `select sequencename, last_value from pg_sequences where schemaname = 'public' order by 1`,
    );
    expect(here).toEqual(there);
    const next =
      "insert into public.people (client_group_id, full_name) select id, 'x' from public.client_groups limit 1";
    await ask(target.url, `begin; ${next}; rollback`);
  });
});

test('old audit entries are history: once, under their ids, with who, what, when and where from, marked as brought along', async () => {
  const [here, there] = await both(
    `select id, created_at as at, payload ->> 'action' as action, nullif(payload ->> 'actor_username', '') as actor, nullif(ip_address, '') as ip
       from auth.audit_log_entries order by id`,
  );
  expect(here).toEqual([]);
  const events = await ask(
    target.url,
    `select id, occurred_at as at, action, actor_name as actor, host(ip) as ip
       from audit.events where details ->> 'imported_from' = 'auth.audit_log_entries' order by id`,
  );
  expect(events).toEqual(there);
  expect(report.history).toBe(events.length);
  expect(events.length).toBeGreaterThan(100);
});

describe('definitions are the same', () => {
  const facts = {
    policies: `select tablename, policyname, permissive, cmd, qual, with_check,
                      array(select case when r in ('postgres', 'gatehouse_superuser') then 'owner' else r::text end from unnest(roles) as r) as roles
                 from pg_policies where schemaname in ('public', 'storage') order by 1, 2`,
    'row security': `select oid::regclass::text, relrowsecurity, relforcerowsecurity from pg_class
                      where relnamespace in ('public'::regnamespace, 'storage'::regnamespace) and relkind in ('r', 'p') order by 1`,
    constraints: `select conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated, condeferrable from pg_constraint
                   where connamespace in ('public'::regnamespace, 'storage'::regnamespace) and contype <> 'n' order by 1, 2`,
    indexes: `select indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid from pg_index as i
                join pg_class as c on c.oid = indexrelid where relnamespace = 'public'::regnamespace order by 1`,
    triggers: `select tgrelid::regclass::text, pg_get_triggerdef(t.oid), tgenabled from pg_trigger as t
                 join pg_class as c on c.oid = tgrelid
                where relnamespace in ('public'::regnamespace, 'auth'::regnamespace) and not tgisinternal order by 1, 2`,
    functions: `select oid::regprocedure::text, prosrc, prosecdef, proconfig from pg_proc
                 where pronamespace = 'public'::regnamespace order by 1`,
    views: `select c.oid::regclass::text, relkind, reloptions, relispopulated from pg_class as c
             where relnamespace = 'public'::regnamespace and relkind in ('v', 'm') order by 1`,
    rights: `select c.oid::regclass::text as name, case when a.grantee = 0 then 'public' else pg_get_userbyid(a.grantee)::text end as who,
                    string_agg(distinct a.privilege_type, ' ') as what
               from pg_class as c, aclexplode(relacl) as a
              where relnamespace in ('public'::regnamespace, 'storage'::regnamespace)
                and pg_get_userbyid(a.grantee) in ('anon', 'authenticated', 'service_role') group by 1, 2 order by 1, 2`,
    'rights to columns': `select attrelid::regclass::text, attname, privilege_type from pg_attribute, aclexplode(attacl) as a
                           where attrelid = 'public.products'::regclass order by 1, 2, 3`,
    'what new tables are open to': `select pg_get_userbyid(grantee)::text as who, privilege_type from pg_default_acl, aclexplode(defaclacl)
                           where defaclobjtype = 'r' and defaclnamespace = 'public'::regnamespace
                             and pg_get_userbyid(grantee) in ('anon', 'service_role') group by 1, 2 order by 1, 2`,
    comments: `select obj_description(c.oid, 'pg_class'), col_description(c.oid, 4) from pg_class as c where relname = 'profiles'`,
    publications: `select pubname, schemaname, tablename from pg_publication_tables where pubname !~ '^supabase' order by 1, 2, 3`,
    partitions: `select inhrelid::regclass::text, inhparent::regclass::text from pg_inherits as i
                   join pg_class as c on c.oid = inhrelid where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`,
    columns: `select attrelid::regclass::text, attname, atttypid::regtype::text, attnotnull, attidentity, attgenerated, attcollation::regcollation::text
                from pg_attribute as a join pg_class as c on c.oid = attrelid
               where relnamespace = 'public'::regnamespace and attnum > 0 and not attisdropped order by 1, attnum`,
    'owners other than the administrator': `select relname, pg_get_userbyid(relowner) from pg_class
               where relkind = 'r' and pg_get_userbyid(relowner) = 'supabase_storage_admin' order by 1`,
  };
  test.each(Object.entries(facts))('%s', async (_, text) => {
    const [here, there] = await both(text);
    expect(here).toEqual(there);
    expect(here).not.toEqual([]);
  });
});

describe("the portal's SQL works", () => {
  /** Does work as a signed-in user does, through the roles and claims that an API request has. */
  const asUser = <T>(sub: string, work: (client: pg.Client) => Promise<T>) =>
    asClient(target.url, async (client) => {
      await client.query('begin');
      const claims = JSON.stringify({ sub, aal: 'aal2', role: 'authenticated', app_metadata: {} });
      await client.query("select set_config('request.jwt.claims', $1, true)", [claims]);
      await client.query('set local role authenticated');
      try {
        return await work(client);
      } finally {
        await client.query('rollback');
      }
    });

  test('a signed-in user sees their own rows alone, and cannot touch those of others', async () => {
    const owner = String(await value(target.url, 'select owner_id from public.portfolios order by id limit 1'));
    await asUser(owner, async (client) => {
      const { rows } = await client.query('select distinct owner_id from public.portfolios');
      expect(rows).toEqual([{ owner_id: owner }]);
      const { rowCount } = await client.query("update public.profiles set full_name = 'x' where id <> $1", [owner]);
      expect(rowCount).toBe(0);
      await expect(client.query('insert into public.funds (id) values (1)')).rejects.toThrow(/permission denied/);
    });
  });

  test('a default that calls an extension and one that reads the claims work for them', async () => {
    const adviser = String(await value(target.url, 'select adviser_id from public.client_groups limit 1'));
    await asUser(adviser, async (client) => {
      const { rows } = await client.query("insert into public.client_groups (name) values ('x') returning adviser_id");
      expect(rows).toEqual([{ adviser_id: adviser }]);
    });
  });

  test('a new sign-up gets its profile by the trigger on auth.users; who was copied has one', async () => {
    const id = '11111111-1111-4111-8111-111111111111';
    await ask(target.url, 'insert into auth.users (id, email, raw_user_meta_data) values ($1, $2, $3)', [
      id,
      'new@example.com',
      { full_name: 'New' },
    ]);
    expect(await ask(target.url, 'select email, full_name from public.profiles where id = $1', [id])).toEqual([
      { email: 'new@example.com', full_name: 'New' },
    ]);
    await ask(target.url, 'delete from auth.users where id = $1', [id]);
    expect(await value(target.url, 'select count(*)::int from public.profiles where id = $1', [id])).toBe(0);
  });

  test('foreign keys to auth.users hold', async () => {
    await expect(
      ask(target.url, "insert into public.portfolios (owner_id, name) values (gen_random_uuid(), 'x')"),
    ).rejects.toMatchObject({ code: '23503', constraint: 'portfolios_owner_id_fkey' });
  });
});

test("Supabase's event triggers and publication stay behind", async () => {
  expect(await ask(target.url, 'select evtname from pg_event_trigger')).toEqual([]);
  expect(await ask(target.url, "select from pg_publication where pubname ~ '^supabase'")).toEqual([]);
});

test('the ledger tells of every table and of the end, its chain is whole, and the audit log has its head', async () => {
  const steps = await ask<{ step: string; n: number }>(
    target.url,
    `select step, count(*)::int as n from gatehouse.migration_ledger
      where details ->> 'command' = 'migrate copy' group by 1 order by 1`,
  );
  expect(steps).toEqual([
    { step: 'finished', n: 1 },
    { step: 'started', n: 1 },
    { step: 'table_copied', n: report.tables.length },
  ]);
  expect(await asClient(target.url, (client) => findBrokenEntry(client as pg.Client))).toBeUndefined();
  expect(
    await value(
      target.url,
      "select details ->> 'ledger_hash' from audit.events where action = 'migration_finished' and path = 'migrate copy'",
    ),
  ).toBe(report.ledger_hash);
});

test('a copy that is complete is not repeated', async () => {
  const before = await portalRows(target.url);
  const again = await copy();
  expect(again).toMatchObject({ applied: false, plan: { complete_since: expect.any(String) } });
  expect(await portalRows(target.url)).toEqual(before);
});

test('nothing of a password is in the ledger, the steps or the audit log', async () => {
  const texts = await ask<{ text: string }>(
    target.url,
    `select details::text as text from gatehouse.migration_ledger
     union all select details::text from gatehouse.portal_copy_steps
     union all select c::text from gatehouse.portal_copies as c
     union all select e::text from audit.events as e where path = 'migrate copy'`,
  );
  const { password } = new URL(target.url);
  for (const { text } of texts) expect(text).not.toContain(password);
});
