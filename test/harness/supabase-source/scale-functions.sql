-- Functions, most of them SECURITY DEFINER, and the views.
set role postgres;

create function crm.may_see(region text, owner uuid) returns boolean language sql stable security definer set search_path = ''
  as $$ select owner = (select auth.uid()) or region = any (select jsonb_array_elements_text(auth.jwt() -> 'app_metadata' -> 'regions')) $$;

do $do$
declare
  room constant integer := 950 - (select count(*) from pg_proc
    where pronamespace in ('public'::regnamespace, 'crm'::regnamespace, '"Reporting"'::regnamespace, 'archive'::regnamespace));
  tables constant integer := (select count(*) from scale_tables);
  made record;
  name text;
  head text;
begin
  for made in
    select i, t.*, format('%I.%I', schema, t.name) as full_name,
           (select atttypid::regtype::text from pg_attribute where attrelid = format('%I.%I', schema, t.name)::regclass and attname = 'state') as state_type
      from generate_series(1, room) as i join scale_tables as t on t.n = 1 + (i * 7) % tables order by i
  loop
    name := format('%I.%I', made.schema, case when made.i % 13 = 0 then 'Do Step ' || made.i else (array['get', 'list', 'count', 'on', 'label', 'report', 'close', 'search'])[1 + made.i % 8] || '_' || made.i end);
    head := case when made.i % 10 < 2 then '' else 'security definer ' end
            || case made.i % 4 when 0 then 'set search_path = '''' ' when 1 then 'set search_path = public, extensions, pg_temp ' when 2 then 'set search_path to "$user", public set work_mem = ''16MB'' ' else '' end;
    execute case made.i % 8
      when 0 then format($f$create function %s(wanted %s) returns jsonb language plpgsql stable %s as $body$
declare
  found jsonb;
begin
  select to_jsonb(t) into found from %s as t where t.id = wanted and (t.created_by = auth.uid() or auth.role() = 'service_role');
  return coalesce(found, '{"error": "it''s not there\n"}');
end $body$$f$, name, made.key_type, head, made.full_name)
      when 1 then format('create function %s(searched text default ''%%'') returns setof %s language sql stable %s rows 50 as $body$ select * from %2$s where name ilike searched $body$', name, made.full_name, head)
      when 2 then format('create function %s(of_state %s) returns bigint language sql stable %s begin atomic select count(*) from %s where state = of_state; end', name, made.state_type, head, made.full_name)
      when 3 then format($f$create function %s() returns trigger language plpgsql %s as $body$
begin
  -- Says where something was changed, for whoever asks within the transaction.
  perform set_config('portal.changed', tg_table_schema || '.' || tg_table_name || ' %s', true);
  if tg_level = 'STATEMENT' then return null; end if;
  if tg_op = 'DELETE' then return old; end if;
  return new;
end $body$$f$, name, head, made.i)
      when 4 then format('create function %s(amount numeric, "Currency" text default ''CHF'', variadic rest text[] default ''{}'') returns text language sql immutable %s return "Currency" || '' '' || public.normalised(amount::text) || array_to_string(rest, E''\t'')', name, head)
      when 5 then format('create function %s(since timestamptz, out "Month" timestamptz, out rows bigint) returns setof record language plpgsql stable %s as $body$ begin return query select date_trunc(''month'', created_at), count(*) from %s where created_at >= since group by 1 order by 1; end $body$', name, head, made.full_name)
      when 6 then format('create procedure %s(inout closed integer default 0) language plpgsql %s as $body$ begin update %s set "Remarks" = ''closed'' where created_at < now() - interval ''10 years''; get diagnostics closed = row_count; end $body$', name, case when made.i % 10 < 2 then '' else 'security definer' end, made.full_name)
      else format('create function %s(of_table regclass, word extensions.citext) returns integer language plpgsql %s as $body$ declare found integer; begin execute format(''select count(*) from %%s where name operator(extensions.%%%%) $1'', of_table) into found using word::text; return found; end $body$', name, head)
    end;
    if made.i % 12 = 0 and made.i % 8 in (1, 2, 3) then execute format('comment on function %s is %L', name, 'No. ' || made.i || ' of the portal''s'); end if;
    if made.i % 9 = 0 then
      execute format('revoke all on routine %s from public, anon', name);
      execute format('grant execute on routine %s to authenticated', name);
    end if;
  end loop;
end $do$;

do $$
declare
  made record;
  before text;
  name text;
begin
  for made in select *, format('%I.%I', schema, t.name) as full_name from scale_tables as t where n % 8 = 4 order by n loop
    name := format('%I.%I', made.schema, case when made.n % 16 = 4 then 'View of ' || made.n else 'view_' || made.n end);
    if made.n % 24 = 4 or before is null then
      execute format('create view %s %s as select id::text as id, name, region, amount, created_at, public.normalised(name) as normalised_name from %s', name,
        case when made.n % 16 = 12 then 'with (security_invoker = true)' else 'with (security_barrier)' end, made.full_name);
    else
      execute format('create view %s as select id, name, region, amount, created_at, normalised_name from %s where amount > %s union all select id::text, name, region, amount, created_at, null from %s', name, before, made.n % 5, made.full_name);
    end if;
    execute format('grant select on %s to authenticated', name);
    before := name;
  end loop;
  execute format('create materialized view "Reporting"."By Region" as select region, count(*) as rows, sum(amount) as amount from %s group by region', before);
  create unique index on "Reporting"."By Region" (region);
  create materialized view crm.not_yet_filled as select region from "Reporting"."By Region" with no data;
end $$;

alter default privileges revoke execute on functions from public;
reset role;
