-- A portal that has grown for ten years: 550 tables in four schemas with what hangs on them. What is drawn by lot hangs on
-- the seed, what must be there is there with any. It is made in parts, for a transaction that locks all of it at once would
-- need more locks than a server has room for.
create extension citext schema extensions;
create extension pg_trgm schema extensions;

set role postgres;

create schema crm;
create schema "Reporting";
create schema archive;
grant usage on schema crm, "Reporting", archive to authenticated, service_role;
alter default privileges in schema crm grant select, insert, update, delete on tables to authenticated;
alter default privileges in schema crm grant all on tables to service_role;
alter default privileges in schema crm grant usage on sequences to authenticated, service_role;
alter default privileges in schema "Reporting" grant select on tables to authenticated;
alter default privileges in schema archive revoke execute on functions from public;

-- What tables are made of: types and functions over extensions, which are not on everybody's search_path.
create domain public.email_address as extensions.citext check (value operator(extensions.~) '^[^@]+@[^@]+$');
create domain crm."Percent" as numeric(7, 4) default 0 check (value between 0 and 100);
create type crm.money_amount as (amount numeric(18, 2), currency char(3));
create function public.normalised(text) returns text language sql immutable strict parallel safe
  set search_path = '' as $$ select lower(btrim(regexp_replace($1, '\s+', ' ', 'g'))) $$;
create function crm."Initials Of"(name text) returns text language sql immutable as
  $$ select string_agg(left(word, 1), '') from regexp_split_to_table(name, '\s+') as word $$;
create function crm.nearly_equal(text, text) returns boolean language sql immutable
  set search_path = '' as $$ select public.normalised($1) = public.normalised($2) $$;
create operator crm.~== (function = crm.nearly_equal, leftarg = text, rightarg = text, commutator = operator(crm.~==));
create function crm.later_of(anyelement, anyelement) returns anyelement language sql immutable as
  $$ select greatest($1, $2) $$;
create aggregate crm.latest(anyelement) (sfunc = crm.later_of, stype = anyelement);
create text search configuration crm.names (copy = simple);

do $$
declare
  words constant text[] := array['open', 'closed', 'In Review', 'on hold', 'won''t do', 'Übergeben', 'sent', 'ACCEPTED'];
  enums constant integer := 80 - (select count(*) from pg_type where typtype = 'e' and typnamespace = 'public'::regnamespace);
begin
  for n in 1 .. enums loop
    execute format('create type %s as enum (%s)',
      case when n % 9 = 0 then format('public."Stage %s"', n) when n % 4 = 0 then 'crm.kind_' || n else 'public.status_' || n end,
      (select string_agg(quote_literal(word), ', ' order by place) from unnest(words) with ordinality as w (word, place)
        where place <= 3 + n % 6));
  end loop;
end $$;

-- Every table with what its keys, policies and triggers will need to know.
create temp table scale_tables as
with room as (
  select 550 - 12 * 4 - count(*) as tables from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace),
numbered as (select n::integer from room, generate_series(1, room.tables) as n),
named as (
  select n, (pg_temp.pick(0, 70, 560) + n * 253) % 560 as place, pg_temp.pick(n, 71, 20) as of_schema, pg_temp.pick(n, 72, 10) as style
    from numbered),
worded as (
  select *, (array['adviser', 'household', 'provider', 'tax', 'pension', 'annuity', 'mortgage', 'insurance', 'fee', 'invoice',
                   'meeting', 'task', 'letter', 'review', 'risk', 'compliance', 'fund', 'order', 'trade', 'cash'])[1 + place % 20]
         || '_' ||
         (array['accounts', 'addresses', 'answers', 'batches', 'changes', 'comments', 'contacts', 'documents', 'entries', 'events',
                'files', 'flags', 'forms', 'groups', 'history', 'imports', 'items', 'limits', 'links', 'lists', 'members', 'notes',
                'plans', 'queues', 'ratings', 'rules', 'runs', 'steps'])[1 + place / 20] as name
    from named)
select n,
       case when of_schema < 13 then 'public' when of_schema < 17 then 'crm' when of_schema < 19 then 'Reporting' else 'archive' end as schema,
       case n when 11 then 'user' when 12 then 'Select' when 13 then 'order.lines' when 14 then 'size "in inches", 100 %'
              when 15 then 'größen_und_maße' when 16 then rpad('as_long_as_a_name_may_be', 63, '_x')
              when 17 then 'advisers''_diary' when 18 then '1st_contact' when 19 then 'back\slash'
              else case style when 0 then replace(initcap(replace(name, '_', ' ')), ' ', '')
                              when 1 then initcap(replace(name, '_', ' ')) else name end end as name,
       case when n % 40 = 3 and n < 480 then (array['hash', 'list', 'range'])[1 + n / 40 % 3]
            when n % 53 = 9 then 'child' when n % 61 = 7 then 'keyless' else 'ordinary' end as kind,
       case when n % 3 = 0 then 'uuid' else 'bigint' end as key_type
  from worded;
alter table scale_tables add primary key (n);
-- A child has the columns of its parent, the ordinary table before it.
update scale_tables as child
   set key_type = (select key_type from scale_tables as t where t.n < child.n and kind = 'ordinary' order by n desc limit 1)
 where kind = 'child';

do $$
declare
  made record;
  enums constant text[] := (select array_agg(oid::regtype::text order by oid) from pg_type
                             where typtype = 'e' and typnamespace in ('public'::regnamespace, 'crm'::regnamespace));
  columns text;
  key text;
  rest text;
  parent text;
begin
  for made in select *, format('%I.%I', schema, name) as full_name from scale_tables order by n loop
    key := case made.kind when 'list' then 'id, region' when 'range' then 'id, created_at' else 'id' end;
    columns := format(
      'id %s not null %s, region text not null default ''south'', created_at timestamptz not null default now(), created_by uuid%s, name text not null, '
      'state %s, amount numeric(18, %s), "Remarks" text, settings jsonb not null default ''{}''',
      made.key_type,
      case when made.key_type = 'bigint' then case when made.kind in ('ordinary', 'keyless') then format('generated %s as identity', (array['always', 'by default'])[1 + made.n % 2]) else '' end
           when made.n % 2 = 0 then 'default extensions.uuid_generate_v4()' else 'default gen_random_uuid()' end,
      case when made.n % 4 = 0 then ' default auth.uid()' else '' end,
      enums[1 + made.n % cardinality(enums)], made.n % 7);
    columns := columns || case made.n % 10
      when 0 then ', email extensions.citext, normalised_name text generated always as (public.normalised(name)) stored'
      when 1 then ', contact public.email_address, share crm."Percent"'
      when 2 then ', total crm.money_amount, tags text[] not null default ''{}'''
      when 3 then ', secret text not null default encode(extensions.gen_random_bytes(12), ''hex''), held daterange'
      when 4 then ', rate double precision, weight real, payload bytea'
      when 5 then ', "Größe" integer, "order" smallint, since date, at time'
      when 6 then ', document json, took interval, address inet'
      else '' end;
    if made.kind = 'child' then
      parent := (select format('%I.%I', schema, name) from scale_tables where n < made.n and kind = 'ordinary' order by n desc limit 1);
      execute format('create table %s (extra_%s text, primary key (id)) inherits (%s)', made.full_name, made.n, parent);
    else
      rest := case made.kind when 'hash' then 'partition by hash (id)' when 'list' then 'partition by list (region)'
                             when 'range' then 'partition by range (created_at)' else '' end;
      execute format('create table %s (%s%s%s) %s', made.full_name, columns,
        case when made.kind <> 'keyless' then format(', primary key (%s)', key) else '' end,
        case when made.n % 5 = 0 then format(', constraint %I check (amount >= 0 or amount is null)', 'Amount is positive ' || made.n) else '' end, rest);
      for part in 0 .. 3 loop
        exit when rest = '';
        execute format('create table %I.%I partition of %s %s', case when part = 3 then 'archive' else made.schema end, left(made.name, 50) || '_' || made.n || '_p' || part, made.full_name,
          case when made.kind = 'hash' then format('for values with (modulus 4, remainder %s)', part)
               when part = 3 then 'default'
               when made.kind = 'list' then format('for values in (%L)', (array['north', 'south', 'O''Hare & "west"'])[1 + part])
               else format('for values from (%L) to (%L)', make_date(2023 + part, 1, 1), make_date(2024 + part, 1, 1)) end);
      end loop;
    end if;
    case made.n % 8
      when 0 then execute format('create index on %s (created_by) where created_by is not null', made.full_name);
      when 1 then execute format('create index on %s (public.normalised(name))', made.full_name);
      when 2 then execute format('create index on %s using gin (name extensions.gin_trgm_ops)', made.full_name);
      when 3 then execute format('create index on %s (created_at desc, id) include (name)', made.full_name);
      when 4 then execute format('create index on %s using gin (settings jsonb_path_ops)', made.full_name);
      when 5 then execute format('create index on %s (crm."Initials Of"(name), lower("Remarks"))', made.full_name);
      else null;
    end case;
    if made.n % 30 = 0 then execute format('create statistics crm.%I on region, state from %s', 'statistics_' || made.n, made.full_name); end if;
    if made.n % 6 = 0 then execute format('comment on table %s is %L', made.full_name, 'Table no. ' || made.n || E':\nkept by "operations", not ''sales''.'); end if;
    if made.n % 9 = 0 then execute format('comment on column %s."Remarks" is %L', made.full_name, 'What the adviser said; \ and % as they are.'); end if;
    if made.n % 25 = 0 then execute format('revoke all on %s from anon; grant select (id, name), update ("Remarks") on %1$s to anon', made.full_name); end if;
    if made.n % 45 = 0 then execute format('alter table %s replica identity full', made.full_name); end if;
    if made.n % 35 = 0 and made.kind = 'ordinary' then execute format('alter table %s set (fillfactor = 80, autovacuum_enabled = false)', made.full_name); end if;
  end loop;
end $$;

reset role;
