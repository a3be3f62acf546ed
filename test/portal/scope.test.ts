import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PortalScope, portalScope } from '../../src/portal/scope.ts';
import { adminUrl, emptyDatabase, type TestDatabase } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';

let source: SupabaseSource;
let target: TestDatabase;
let scope: PortalScope;
let unaided: PortalScope;

beforeAll(async () => {
  source = await createSupabaseSource(adminUrl(), { users: 100, portal: 'without large values' });
  target = await emptyDatabase();
  const admin = new pg.Client(source.adminUrl);
  await admin.connect();
  await admin.query(`
    do $$ begin
      create role scope_reports nologin; create role scope_analyst login; create role scope_bystander login;
    exception when duplicate_object then null; end $$;
    grant scope_reports to scope_analyst;
    create schema "Portal Reports" authorization postgres;
    create schema audit authorization postgres;
    create schema cron authorization supabase_admin;
    create extension pg_trgm schema extensions;
    create table "Portal Reports".names (name text);
    create index on "Portal Reports".names using gin (name extensions.gin_trgm_ops);
    grant select on "Portal Reports".names to scope_reports`);
  await admin.end();

  const client = new pg.Client(source.url);
  await client.connect();
  const here = new pg.Client(target.url);
  await here.connect();
  scope = await portalScope(client, here).finally(() => here.end());
  unaided = await portalScope(client).finally(() => client.end());
});

afterAll(async () => {
  await source.drop();
  await target.drop();
});

const named = <T extends { name: string }>(things: readonly T[], name: string) =>
  things.find((thing) => thing.name === name);

test('what nobody but the portal can have made is the portal’s, whatever it is called', () => {
  expect(scope.schemas).toEqual(['Portal Reports', 'public', 'storage', 'supabase_migrations']);
});

test.each([
  ['auth', 'made here'],
  ['extensions', 'made here'],
  ['realtime', 'stays'],
  ['graphql', 'stays'],
  ['graphql_public', 'stays'],
  ['pgbouncer', 'stays'],
  ['supabase_functions', 'stays'],
  ['vault', 'decide'],
  ['cron', 'decide'],
  ['audit', 'decide'],
  ['storage', 'moves'],
])('schema %s: %s, with a reason', (name, treatment) => {
  expect(named(scope.treatments, name)).toMatchObject({ treatment, why: expect.stringMatching(/\.$/) });
});

test('an extension that the target has is made there; one that it lacks is for the operator where the portal needs it', () => {
  expect(named(scope.extensions, 'uuid-ossp')).toMatchObject({ treatment: 'made here', schema: 'extensions' });
  expect(named(scope.extensions, 'uuid-ossp')?.used).toBeGreaterThan(0);
  expect(named(scope.extensions, 'pg_trgm')).toMatchObject({ treatment: 'made here', used: 1 });
  expect(named(unaided.extensions, 'btree_gist')).toMatchObject({ treatment: 'decide', target_version: undefined });
  expect(named(unaided.extensions, 'pg_stat_statements')).toMatchObject({ treatment: 'stays', used: 0 });
});

test.each([
  ['postgres', 'owner'],
  ['supabase_admin', 'owner'],
  ['gatehouse_superuser', 'owner'],
  ['anon', 'itself'],
  ['authenticated', 'itself'],
  ['service_role', 'itself'],
  ['authenticator', 'itself'],
  ['supabase_storage_admin', 'itself'],
  ['scope_reports', 'itself'],
  ['scope_analyst', 'itself'],
  ['pgbouncer', 'nobody'],
  ['dashboard_user', 'nobody'],
  ['supabase_auth_admin', 'nobody'],
  ['scope_bystander', 'nobody'],
])('role %s becomes %s', (name, becomes) => {
  expect(named(scope.roles, name)).toMatchObject({ becomes });
});

test('what roles and the database are set to is known', () => {
  expect(named(scope.roles, 'anon')?.settings).toEqual(['statement_timeout=3s']);
  expect(named(scope.roles, 'authenticator')?.member_of).toEqual(['anon', 'authenticated', 'service_role']);
  expect(scope.database_settings).toContain('search_path="$user", public, extensions');
});
