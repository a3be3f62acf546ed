-- The roles of a Supabase project. They belong to the cluster, so each is made once and shared by every source in it.
-- `postgres` is what a customer signs in with: no superuser, but BYPASSRLS and REPLICATION.
do $$
declare
  role record;
begin
  for role in
    select * from (values
      ('supabase_admin', 'superuser login replication bypassrls createdb createrole'),
      ('postgres', 'nosuperuser createdb createrole login replication bypassrls password ''postgres'''),
      ('anon', 'nologin noinherit'),
      ('authenticated', 'nologin noinherit'),
      ('service_role', 'nologin noinherit bypassrls'),
      ('authenticator', 'login noinherit'),
      ('dashboard_user', 'nologin createdb createrole replication'),
      ('supabase_auth_admin', 'login noinherit createrole'),
      ('supabase_storage_admin', 'login noinherit createrole'),
      ('supabase_functions_admin', 'login noinherit createrole'),
      ('supabase_replication_admin', 'login replication'),
      ('supabase_read_only_user', 'login bypassrls'),
      ('supabase_realtime_admin', 'nologin noinherit'),
      ('supabase_etl_admin', 'login replication'),
      ('pgbouncer', 'login')
    ) as roles (name, attributes)
    where not exists (select from pg_roles where rolname = name)
  loop
    execute format('create role %I %s', role.name, role.attributes);
    case role.name
      when 'postgres' then
        grant pg_read_all_data, pg_monitor, pg_signal_backend to postgres;
      when 'anon' then
        alter role anon set statement_timeout = '3s';
      when 'authenticated' then
        alter role authenticated set statement_timeout = '8s';
      when 'authenticator' then
        alter role authenticator set statement_timeout = '8s';
        alter role authenticator set lock_timeout = '8s';
      when 'supabase_auth_admin' then
        alter role supabase_auth_admin set search_path = 'auth';
        alter role supabase_auth_admin set idle_in_transaction_session_timeout = '60s';
      when 'supabase_read_only_user' then
        grant pg_read_all_data to supabase_read_only_user;
      else null;
    end case;
  end loop;

  if (select rolsuper from pg_roles where rolname = 'postgres') then
    raise 'in a Supabase project postgres is no superuser: give this cluster another name for its own';
  end if;
  grant anon, authenticated, service_role to postgres, authenticator;
end $$;
