-- Policies and triggers; those on storage.objects and auth.users are the portal's too.
set role postgres;

do $$
declare
  room constant integer := 620 - 24 - (select count(*) from pg_policy as p join pg_class as c on c.oid = p.polrelid
    where relnamespace in ('public'::regnamespace, 'storage'::regnamespace));
  made record;
begin
  for made in
    select *, row_number() over (order by k, n) as place, format('%I.%I', schema, t.name) as full_name
      from scale_tables as t, generate_series(1, 3) as k where n % 4 <> 3 order by k, n limit room
  loop
    if made.k = 1 then
      execute format('alter table %s enable row level security', made.full_name);
      if made.n % 20 = 0 then execute format('alter table %s force row level security', made.full_name); end if;
    end if;
    execute format('create policy %I on %s %s for %s to %s %s %s',
      (array['own rows', 'Advisers see "theirs"', 'nobody_else'])[made.k] || case when made.n % 7 = 0 then ' ' || made.n else '' end,
      made.full_name,
      case when made.place % 9 = 0 then 'as restrictive' else '' end,
      (array['all', 'select', 'insert', 'update', 'delete'])[1 + made.place % 5],
      (array['authenticated', 'authenticated, service_role', 'anon', 'public'])[1 + made.place % 4],
      case when made.place % 5 = 2 then '' else format('using (%s)', (array[
        'created_by = (select auth.uid())', 'crm.may_see(region, created_by)', '(auth.jwt() -> ''app_metadata'' ->> ''portal_role'') = ''adviser''',
        'exists (select from public.profiles as p where p.id = auth.uid() and p.risk <> ''cautious'')', 'region in (''north'', ''O''''Hare & "west"'')'])[1 + made.n % 5]) end,
      case when made.place % 5 in (0, 2, 3) then 'with check (auth.role() = ''authenticated'' and amount < 1e9)' else '' end);
    if made.place % 50 = 0 then
      execute format('comment on policy %I on %s is %L', (array['own rows', 'Advisers see "theirs"', 'nobody_else'])[made.k] || case when made.n % 7 = 0 then ' ' || made.n else '' end, made.full_name, 'Agreed with compliance; don''t change.');
    end if;
  end loop;
end $$;

do $$
declare
  functions constant text[] := (select array_agg(format('%I.%I', nspname, proname) order by nspname, proname)
    from pg_proc join pg_namespace as s on s.oid = pronamespace
   where prorettype = 'trigger'::regtype and nspname in ('public', 'crm', 'Reporting', 'archive') and prosrc like '%portal.changed%');
  room constant integer := 650 - 12 - (select count(*) from pg_trigger as t join pg_class as c on c.oid = t.tgrelid
    where not tgisinternal and relnamespace in ('public'::regnamespace, 'auth'::regnamespace));
  made record;
  is_partitioned boolean;
begin
  for made in
    select *, row_number() over (order by k, n) as place, format('%I.%I', schema, t.name) as full_name
      from scale_tables as t, generate_series(1, 2) as k order by k, n limit room
  loop
    is_partitioned := made.kind in ('hash', 'list', 'range');
    execute format('create %s trigger %I %s on %s %s execute function %s()',
      case when made.place % 14 = 0 and not is_partitioned then 'constraint' else '' end,
      case when made.n % 6 = 0 then 'Stamp It ' || made.k else 'stamp_' || made.n || '_' || made.k end,
      case when made.place % 14 = 0 and not is_partitioned then 'after insert or update'
           else (array['before insert', 'before update of name, region', 'after delete', 'after insert or update or delete'])[1 + made.place % 4] end,
      made.full_name,
      case when made.place % 14 = 0 and not is_partitioned then 'deferrable initially deferred for each row when (new.amount > 100)'
           when made.place % 4 = 1 then 'for each row when (old.name is distinct from new.name)'
           when made.place % 4 = 3 then 'for each statement' else 'for each row' end,
      functions[1 + made.place % cardinality(functions)]);
    if made.place % 40 = 0 then
      execute format('alter table %s disable trigger %I', made.full_name, case when made.n % 6 = 0 then 'Stamp It ' || made.k else 'stamp_' || made.n || '_' || made.k end);
    end if;
  end loop;
  for n in 1 .. 12 loop
    execute format('create trigger %I %s on auth.%I for each row execute function %s()', case when n % 4 = 0 then 'On Auth ' || n else 'portal_on_auth_' || n end,
      (array['after insert', 'after update of updated_at', 'after delete'])[1 + n % 3],
      (array['users', 'users', 'users', 'identities', 'sessions'])[1 + n % 5], functions[n]);
  end loop;
end $$;
reset role;

-- In a project its customer may write policies on storage.objects, by a right that only the platform can give.
do $$
begin
  for n in 1 .. 24 loop
    execute format('create policy %I on storage.objects for %s to %s %s %s', 'Portal files ' || n,
      (array['select', 'insert', 'update', 'delete'])[1 + n % 4], (array['authenticated', 'anon', 'authenticated, service_role'])[1 + n % 3],
      case when n % 4 <> 1 then format('using (bucket_id = %L and path_tokens[1] = (select auth.uid())::text)', 'bucket ' || n) else '' end,
      case when n % 4 = 1 then format('with check (bucket_id = %L and crm.may_see(''north'', owner))', 'bucket ' || n) else '' end);
  end loop;
end $$;
drop table scale_keys, scale_tables;
