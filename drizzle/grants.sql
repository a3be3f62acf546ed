-- Who may do what in the database (DESIGN §4). Run after every schema change, as often as one likes: new tables are covered
-- by being there. Roles are made where they are missing and the connecting role may make them; what cannot be done is
-- told as a warning, and the service then runs with the rights of the role that it connects as.
do $$
declare
  name text;
  object record;
  me oid := quote_ident(current_user)::regrole;
  may_create boolean := (select rolsuper or rolcreaterole from pg_roles where rolname = current_user);
begin
  foreach name in array array['gatehouse_owner', 'gatehouse_app', 'gatehouse_auditor'] loop
    continue when exists (select from pg_roles where rolname = name);
    if not may_create then
      raise warning 'role % does not exist and % may not create roles: its rights are not granted', name, current_user;
      continue;
    end if;
    begin
      execute format('create role %I nologin', name);
    exception when duplicate_object or unique_violation then
      null; -- Another database of the same server is being set up right now.
    end;
  end loop;

  -- Owner: of gatehouse and audit, and of auth where auth is ours to give.
  if exists (select from pg_roles where rolname = 'gatehouse_owner') then
    if not pg_has_role(current_user, 'gatehouse_owner', 'usage') and may_create then
      execute format('grant gatehouse_owner to %I', current_user);
    end if;
    if pg_has_role(current_user, 'gatehouse_owner', 'usage') then
      for object in
        select 'schema' as kind, format('%I', nspname) as name, 0 as position
          from pg_namespace where nspname in ('gatehouse', 'audit', 'auth') and nspowner = me
        union all
        select case relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end, format('%I.%I', nspname, relname), 1
          from pg_class as c join pg_namespace as n on n.oid = relnamespace
         where nspname in ('gatehouse', 'audit', 'auth') and relkind in ('r', 'p', 'v', 'S')
           and relowner = me
           -- A column's sequence follows its table.
           and (relkind <> 'S' or not exists (
             select from pg_depend where objid = c.oid and classid = 'pg_class'::regclass and deptype in ('a', 'i')))
        union all
        select 'function', format('%I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)), 2
          from pg_proc as p join pg_namespace as n on n.oid = pronamespace
         where nspname in ('gatehouse', 'audit', 'auth') and proowner = me
        union all
        select 'type', format('%I.%I', nspname, typname), 3
          from pg_type as t join pg_namespace as n on n.oid = typnamespace
         where nspname in ('gatehouse', 'audit', 'auth') and typtype in ('e', 'd')
           and typowner = me
        order by position
      loop
        execute format('alter %s %s owner to gatehouse_owner', object.kind, object.name);
      end loop;
    else
      raise warning '% is not a member of gatehouse_owner: what it made stays its own', current_user;
    end if;
  end if;

  -- The service: reads and writes, changes no schema, and only adds to the audit log.
  if exists (select from pg_roles where rolname = 'gatehouse_app') then
    grant usage on schema auth, gatehouse, audit to gatehouse_app;
    for object in
      select format('%I.%I', nspname, relname) as name,
             relrowsecurity and not exists (select from pg_policy where polrelid = c.oid and polname = 'gatehouse_app') as closed
        from pg_class as c join pg_namespace as n on n.oid = relnamespace
       where nspname in ('auth', 'gatehouse') and relkind in ('r', 'p') and pg_has_role(relowner, 'usage')
    loop
      execute format('grant select, insert, update, delete on %s to gatehouse_app', object.name);
      -- Supabase turns row security on without a policy: only the owner would pass.
      if object.closed then
        execute format('create policy gatehouse_app on %s to gatehouse_app using (true) with check (true)', object.name);
      end if;
    end loop;
    revoke insert, update, delete on gatehouse.schema_changes, auth.schema_migrations from gatehouse_app;
    grant usage on sequence auth.refresh_tokens_id_seq to gatehouse_app;
    grant select, insert on audit.events to gatehouse_app;
    grant execute on function audit.ensure_partitions to gatehouse_app;
  end if;

  -- The auditor: views, nothing else.
  if exists (select from pg_roles where rolname = 'gatehouse_auditor') then
    grant usage on schema audit to gatehouse_auditor;
    grant select on audit.trail to gatehouse_auditor;
  end if;
end $$;

revoke execute on function audit.ensure_partitions from public;
