import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compareCatalogues, describeDifference } from '../../src/db/adopt.ts';
import {
  type Catalogue,
  findCatalogue,
  readFunctionDefinitions,
  readSupabaseCatalogue,
} from '../../src/db/catalogue.sql.ts';
import { applySchemaChanges } from '../../src/db/schema-changes.ts';
import { emptyDatabase, type TestDatabase } from '../harness/postgres.ts';

const authSchema = await readFile(new URL('../../drizzle/0000_supabase_auth.sql', import.meta.url), 'utf8');

let database: TestDatabase;
beforeEach(async () => {
  database = await emptyDatabase();
});
afterEach(() => database.drop());

/** A database in which Supabase Auth, at its newest, made schema auth, and then `changed` happened to it. */
async function supabaseDatabase(changed: string): Promise<void> {
  await database.pool.query(authSchema);
  await database.pool.query(`
    insert into auth.users (id, email, raw_user_meta_data)
    select gen_random_uuid(), format('user%s@example.com', n), '{"n": 1.0}' from generate_series(1, 20) as n;
    insert into auth.sessions (id, user_id, created_at) select gen_random_uuid(), id, '2026-01-02 03:04:05.678901Z' from auth.users;
    insert into auth.oauth_clients (id, registration_type, redirect_uris, grant_types, client_type, token_endpoint_auth_method)
    values (gen_random_uuid(), 'dynamic', '', '', 'public', 'none'),
           (gen_random_uuid(), 'dynamic', '', '', 'confidential', 'client_secret_basic')`);
  await database.pool.query(changed);
}

/** Everything that was in auth's rows, whatever columns were added since. */
async function checksum(columns: Record<string, string>): Promise<string[]> {
  const sums: string[] = [];
  for (const [table, list] of Object.entries(columns)) {
    const { rows } = await database.pool.query(
      `select '${table} ' || count(*) || ' ' || md5(string_agg(row::text, ',' order by row::text)) as sum
         from (select ${list} from auth.${table}) as row`,
    );
    sums.push(rows[0].sum);
  }
  return sums;
}

async function columnsNow(): Promise<Record<string, string>> {
  const { rows } = await database.pool.query<{ table: string; list: string }>(`
    select table_name as table, string_agg(format('%I', column_name), ', ' order by ordinal_position) as list
      from information_schema.columns where table_schema = 'auth' and table_name <> 'schema_migrations' group by table_name`);
  return Object.fromEntries(rows.map(({ table, list }) => [table, list]));
}

async function catalogueNow(): Promise<Catalogue> {
  const client = await database.pool.connect();
  await client.query('begin');
  const catalogue = await findCatalogue(client);
  await client.query('rollback');
  client.release();
  return catalogue;
}

const since2024 = `
  drop table auth.oauth_consents, auth.oauth_authorizations, auth.oauth_client_states, auth.custom_oauth_providers,
             auth.webauthn_credentials, auth.webauthn_challenges;
  alter table auth.sessions drop column oauth_client_id, drop column refresh_token_hmac_key,
                            drop column refresh_token_counter, drop column scopes;
  drop table auth.oauth_clients;
  drop type auth.oauth_registration_type, auth.oauth_authorization_status, auth.oauth_response_type, auth.oauth_client_type;
  alter table auth.flow_state drop column invite_token, drop column referrer, drop column oauth_client_state_id,
                              drop column linking_target_id, drop column email_optional;
  alter table auth.flow_state alter column auth_code set not null, alter column code_challenge set not null,
                              alter column code_challenge_method set not null;
  alter table auth.mfa_factors drop column last_webauthn_challenge_data;
  alter table auth.sso_providers drop column disabled;
  drop index auth.sso_providers_resource_id_pattern_idx;
  delete from auth.schema_migrations where version > '20241009103726'`;

const olderShapes: [string, string][] = [
  ['the newest Supabase Auth', ''],
  ['Supabase Auth of October 2024', since2024],
  [
    'Supabase Auth before phone factors and one-time tokens',
    `${since2024};
     alter type auth.factor_type rename to factor_type_new;
     create type auth.factor_type as enum ('totp', 'webauthn');
     alter table auth.mfa_factors alter column factor_type type auth.factor_type using factor_type::text::auth.factor_type;
     drop type auth.factor_type_new;
     alter table auth.mfa_factors drop column phone, drop column last_challenged_at,
                                  drop column web_authn_credential, drop column web_authn_aaguid;
     drop table auth.one_time_tokens;
     drop type auth.one_time_token_type;
     drop index auth.users_is_anonymous_idx;
     alter table auth.users drop column is_anonymous;
     delete from auth.schema_migrations where version > '20240115144230'`,
  ],
  [
    'a Supabase Auth whose OAuth clients had no authentication method yet',
    `alter table auth.oauth_clients drop column token_endpoint_auth_method;
     delete from auth.schema_migrations where version > '20251111201300'`,
  ],
  [
    'a schema that lost its functions, checks, foreign keys, sequence default and row security',
    `drop function auth.uid(), auth.jwt();
     alter table auth.users drop constraint users_email_change_confirm_status_check, disable row level security;
     alter table auth.sessions drop constraint sessions_user_id_fkey;
     alter table auth.identities drop constraint identities_pkey, alter column id drop default;
     alter table auth.refresh_tokens alter column id drop default;
     alter table auth.audit_log_entries alter column ip_address drop not null`,
  ],
  ['nothing but the empty schema', 'drop schema auth cascade; create schema auth'],
];

describe.each(olderShapes)('schema auth of %s', (_, shape) => {
  it('is brought forward to today, keeps every row, and leaves nothing to report', async () => {
    await supabaseDatabase(shape);
    const columns = await columnsNow();
    const before = await checksum(columns);

    const { applied, differences } = await applySchemaChanges(database.pool);

    expect(applied[0]).toBe('0000_supabase_auth');
    expect(differences).toEqual([]);
    expect(await checksum(columns)).toEqual(before);
    const supabase = await readSupabaseCatalogue();
    const now = await catalogueNow();
    const left = compareCatalogues(supabase, now, await readFunctionDefinitions());
    expect([...left.steps, ...left.differences].map(describeDifference)).toEqual([]);
    expect(now.schema_migrations).toEqual(supabase.schema_migrations);
    const { rows: sequences } = await database.pool.query(
      `select pg_get_serial_sequence('auth.refresh_tokens', 'id') as sequence`,
    );
    expect(sequences).toEqual([{ sequence: 'auth.refresh_tokens_id_seq' }]);
    const { rows } = await database.pool.query(
      `select distinct client_type, token_endpoint_auth_method from auth.oauth_clients where client_type = 'public'`,
    );
    for (const client of rows) expect(client.token_endpoint_auth_method).toBe('none');
  });
});

const foreignThings: [string, string, string][] = [
  [
    'a column',
    'alter table auth.users add column nickname text',
    'column auth.users.nickname is not part of Supabase Auth and stays: text',
  ],
  ['a table', 'create table auth.notes (id int)', 'table auth.notes is not part of Supabase Auth and stays: a table'],
  [
    'an index',
    'create index users_role_idx on auth.users (role)',
    'index users_role_idx on auth.users is not part of Supabase Auth and stays: CREATE INDEX users_role_idx ON auth.users USING btree (role)',
  ],
  [
    'a check',
    `alter table auth.users add constraint "no spam" check (email <> '')`,
    "constraint no spam on auth.users is not part of Supabase Auth and stays: CHECK (((email)::text <> ''::text))",
  ],
  [
    "a portal's trigger",
    `create function public.handle_new_user() returns trigger language plpgsql as 'begin return new; end';
     create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user()`,
    'trigger on_auth_user_created on auth.users is not part of Supabase Auth and stays: CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.handle_new_user()',
  ],
  [
    'a function',
    `create function auth.is_admin() returns boolean language sql stable as 'select true'`,
    'function auth.is_admin() is not part of Supabase Auth and stays: returns boolean language sql stable',
  ],
  [
    'a label of a type',
    `alter type auth.aal_level add value 'aal4'`,
    'type auth.aal_level is aal1, aal2, aal3, aal4, in Supabase Auth it is aal1, aal2, aal3',
  ],
  [
    'a change of a newer Supabase Auth',
    `insert into auth.schema_migrations values ('20990101000000')`,
    'auth.schema_migrations is not part of Supabase Auth and stays: applied: 20990101000000',
  ],
];

it.each(foreignThings)('%s beyond what we know of Supabase Auth is named and kept', async (_, change, line) => {
  await supabaseDatabase(change);
  const before = await catalogueNow();
  const { differences } = await applySchemaChanges(database.pool);
  expect(differences.map(describeDifference)).toEqual([line]);
  expect(await catalogueNow()).toEqual(before);
});

it('a column of another type is named, not retyped, and the ledger does not claim otherwise', async () => {
  await supabaseDatabase(`
    alter table auth.users alter column phone type varchar(15);
    delete from auth.schema_migrations where version = '20260625000000'`);
  const { differences } = await applySchemaChanges(database.pool);
  expect(differences.map(describeDifference)).toEqual([
    'column auth.users.phone is character varying(15), in Supabase Auth it is text',
  ]);
  const { tables, schema_migrations } = await catalogueNow();
  expect(tables.users?.columns.find(({ name }) => name === 'phone')?.type).toBe('character varying(15)');
  expect(schema_migrations).not.toContain('20260625000000');
});

it('what the rows do not allow is named with the reason, and the rows stay', async () => {
  await supabaseDatabase(`
    drop index auth.users_email_partial_key;
    insert into auth.users (id, email) values (gen_random_uuid(), 'twice@example.com'), (gen_random_uuid(), 'twice@example.com')`);
  const { differences } = await applySchemaChanges(database.pool);
  expect(differences).toEqual([
    {
      object: 'index users_email_partial_key on auth.users',
      expected:
        'CREATE UNIQUE INDEX users_email_partial_key ON auth.users USING btree (email) WHERE (is_sso_user = false)',
      found: undefined,
      reason: 'could not create unique index "users_email_partial_key"',
    },
  ]);
  const { rows } = await database.pool.query(
    `select count(*)::int as n from auth.users where email = 'twice@example.com'`,
  );
  expect(rows).toEqual([{ n: 2 }]);
});

it("indexes that GoTrue makes at run time are Supabase's own", async () => {
  await supabaseDatabase('create index idx_users_email on auth.users (email)');
  expect((await applySchemaChanges(database.pool)).differences).toEqual([]);
});

it('a schema auth of another application is left alone', async () => {
  await database.pool.query('create schema auth; create table auth.users (id int primary key, login text)');
  const before = await catalogueNow();
  await expect(applySchemaChanges(database.pool)).rejects.toThrow(
    "Schema auth of this database is not Supabase Auth's (it has no column auth.users.instance_id): use a database of its own.",
  );
  expect(await catalogueNow()).toEqual(before);
});

it('a schema auth that belongs to somebody else is left alone, with the sentence that says what to run', async () => {
  const role = `operator_${new URL(database.url).pathname.slice(-12)}`;
  const owner = role.replace('operator', 'auth_admin');
  await supabaseDatabase(`
    create role ${owner};
    create role ${role} login password 'secret';
    grant create on database ${new URL(database.url).pathname.slice(1)} to ${role};
    alter table auth.users owner to ${owner};
    grant usage on schema auth to ${role}`);
  const url = new URL(database.url);
  url.username = role;
  url.password = 'secret';
  const before = await catalogueNow();
  await expect(applySchemaChanges(url.href)).rejects.toThrow(
    /^Schema auth belongs to the role \S+, whose rights operator_\w+ does not have: run "grant \S+ to operator_\w+" as a superuser, or connect as the owner\.$/,
  );
  expect(await catalogueNow()).toEqual(before);
  await database.pool.query(`
    reassign owned by ${owner} to current_user; drop owned by ${owner}; drop owned by ${role}; drop role ${owner}; drop role ${role}`);
});
