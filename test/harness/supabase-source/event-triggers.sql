-- The event triggers of a Supabase project, which must not be carried along. Last of all, so that they do not run while
-- the source is being made.
do $$
declare
  watch record;
begin
  for watch in
    select * from (values
      ('issue_pg_cron_access', 'ddl_command_end', 'create extension', 'grant_pg_cron_access'),
      ('issue_pg_net_access', 'ddl_command_end', 'create extension', 'grant_pg_net_access'),
      ('issue_pg_graphql_access', 'ddl_command_end', 'create function', 'grant_pg_graphql_access'),
      ('issue_graphql_placeholder', 'sql_drop', 'drop extension', 'set_graphql_placeholder'),
      ('pgrst_ddl_watch', 'ddl_command_end', null, 'pgrst_ddl_watch'),
      ('pgrst_drop_watch', 'sql_drop', null, 'pgrst_drop_watch')
    ) as watches (name, event, tag, function)
  loop
    execute format(
      'create function extensions.%I() returns event_trigger language plpgsql as $f$ begin notify pgrst, ''reload schema''; end $f$',
      watch.function);
    execute format('alter function extensions.%I() owner to supabase_admin', watch.function);
    execute format('create event trigger %I on %s %s execute function extensions.%I()', watch.name, watch.event,
                   case when watch.tag is not null then format('when tag in (%L)', upper(watch.tag)) end, watch.function);
    execute format('alter event trigger %I owner to supabase_admin', watch.name);
  end loop;
end $$;
