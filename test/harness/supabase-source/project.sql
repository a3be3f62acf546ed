-- A Supabase project around schema auth, as its customer finds it: who owns what, who may do what, and the schemas and
-- event triggers that must stay behind. Run in the new database by a superuser, before schema auth is filled.

alter schema public owner to pg_database_owner;
create schema extensions authorization supabase_admin;
create schema graphql authorization supabase_admin;
create schema graphql_public authorization supabase_admin;
create schema pgbouncer authorization pgbouncer;
create schema realtime authorization supabase_admin;
create schema storage authorization supabase_admin;
create schema supabase_functions authorization supabase_admin;
create schema supabase_migrations authorization postgres;
create schema vault authorization supabase_admin;

grant usage, create on schema extensions to postgres, dashboard_user;
grant usage on schema extensions, public, storage, graphql_public, realtime
  to postgres, anon, authenticated, service_role;
grant create on schema public to postgres;

create extension "uuid-ossp" schema extensions;
create extension pgcrypto schema extensions;
create extension pg_stat_statements schema extensions;
create extension btree_gist schema extensions;

-- Until the change of 2026 everything new in public is open to the API roles; row level security alone protects it.
alter default privileges for role postgres in schema public
  grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on functions to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
  grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
  grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
  grant all on functions to postgres, anon, authenticated, service_role;

set role supabase_admin;

-- pgjwt is not packaged for Debian: its one function that portals call.
create function extensions.sign(payload json, secret text, algorithm text default 'HS256') returns text
language sql immutable set search_path = extensions as $$
  with part as (
    select rtrim(translate(encode(convert_to(text, 'utf8'), 'base64'), E'+/\n', '-_'), '=') as text, n
      from (values (1, json_build_object('alg', algorithm, 'typ', 'JWT')::text), (2, payload::text)) as p (n, text)),
  signed as (select string_agg(text, '.' order by n) as text from part)
  select text || '.' || rtrim(translate(encode(hmac(text, secret, 'sha256'), 'base64'), E'+/\n', '-_'), '=')
    from signed $$;

create function graphql_public.graphql(query text default null, variables jsonb default null) returns jsonb
language sql stable as $$ select jsonb_build_object('errors', '[{"message": "pg_graphql is not enabled."}]'::jsonb) $$;

create function pgbouncer.get_auth(p_usename text) returns table (username text, password text)
language sql security definer set search_path = '' as $$
  select usename::text, passwd::text from pg_catalog.pg_shadow where usename = p_usename $$;
revoke all on function pgbouncer.get_auth(text) from public;
grant execute on function pgbouncer.get_auth(text) to pgbouncer;

create table vault.secrets (
  id uuid primary key default gen_random_uuid(),
  name text,
  description text not null default '',
  secret text not null,
  created_at timestamptz not null default current_timestamp,
  updated_at timestamptz not null default current_timestamp);

create table realtime.subscription (
  id bigint generated always as identity primary key,
  subscription_id uuid not null,
  entity regclass not null,
  claims jsonb not null,
  created_at timestamp not null default timezone('utc', now()));

create table supabase_functions.hooks (
  id bigserial primary key,
  hook_table_id integer not null,
  hook_name text not null,
  created_at timestamptz not null default now(),
  request_id bigint);

reset role;
set role postgres;

create table supabase_migrations.schema_migrations (
  version text primary key,
  statements text[],
  name text);
insert into supabase_migrations.schema_migrations values
  ('20230104090000', array['create table profiles (id uuid primary key)', 'alter table profiles enable row level security'], 'profiles'),
  ('20240611143000', array[E'comment on table profiles is ''One row per user;\n; with a semicolon'''], 'comments');

reset role;

create table storage.buckets (
  id text primary key,
  name text not null,
  owner uuid,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  public boolean default false,
  avif_autodetection boolean default false,
  file_size_limit bigint,
  allowed_mime_types text[],
  owner_id text);
create unique index bname on storage.buckets (name);
create table storage.objects (
  id uuid primary key default gen_random_uuid(),
  bucket_id text references storage.buckets (id),
  name text,
  owner uuid,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  last_accessed_at timestamptz default now(),
  metadata jsonb,
  path_tokens text[] generated always as (string_to_array(name, '/')) stored,
  version text,
  owner_id text,
  user_metadata jsonb);
create unique index bucketid_objname on storage.objects (bucket_id, name);
create table storage.migrations (
  id integer primary key,
  name varchar(100) unique not null,
  hash varchar(40) not null,
  executed_at timestamp default current_timestamp);
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
alter table storage.migrations enable row level security;
alter table storage.buckets owner to supabase_storage_admin;
alter table storage.objects owner to supabase_storage_admin;
alter table storage.migrations owner to supabase_storage_admin;
grant all on storage.buckets, storage.objects to postgres, anon, authenticated, service_role;

-- Schema auth belongs to two service roles. Since April 2025 `postgres` may read and write its rows and hang triggers on
-- its tables, but owns nothing in it.
do $$
declare
  thing record;
begin
  alter schema auth owner to supabase_admin;
  for thing in
    select format('alter table %s owner to supabase_auth_admin', oid::regclass) as change
      from pg_class where relnamespace = 'auth'::regnamespace and relkind = 'r'
    union all
    -- A sequence that belongs to a column follows its table.
    select format('alter sequence %s owner to supabase_auth_admin', c.oid::regclass)
      from pg_class as c
     where relnamespace = 'auth'::regnamespace and relkind = 'S'
       and not exists (select from pg_depend as d where d.objid = c.oid and d.deptype = 'a')
    union all
    select format('alter function %s owner to supabase_auth_admin', oid::regprocedure)
      from pg_proc where pronamespace = 'auth'::regnamespace
    union all
    select format('alter type %s owner to supabase_auth_admin', oid::regtype)
      from pg_type where typnamespace = 'auth'::regnamespace and typtype = 'e'
  loop
    execute thing.change;
  end loop;
end $$;
grant all on schema auth to supabase_auth_admin;
grant usage on schema auth to postgres, dashboard_user, anon, authenticated, service_role;
grant all on all tables in schema auth to postgres, dashboard_user;
grant all on all sequences in schema auth to postgres, dashboard_user;
alter default privileges for role supabase_auth_admin in schema auth grant all on tables to postgres, dashboard_user;
alter default privileges for role supabase_auth_admin in schema auth grant all on sequences to postgres, dashboard_user;

create publication supabase_realtime;
alter publication supabase_realtime owner to postgres;
