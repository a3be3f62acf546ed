-- Forty rows in every table, and the keys between the tables, most of them to a table that was drawn by lot: so there are
-- cycles, and no order in which tables could be filled one after the other.
set role postgres;

create function pg_temp.key_of(key_type text, n integer, row_number bigint) returns text language sql stable as $$
  select case key_type when 'uuid' then pg_temp.uuid_of('scale ' || n, row_number)::text else row_number::text end $$;

create temp table scale_keys as
with candidates as (
  select t.n, k, row_number() over (order by k, t.n) as place,
         case when (t.n + k) % 17 = 0 then -1
              else (select array_agg(n order by n) from scale_tables where kind in ('ordinary', 'hash', 'child'))
                   [1 + pg_temp.pick(t.n * 3 + k, 73, (select count(*)::integer from scale_tables where kind in ('ordinary', 'hash', 'child')))] end as target
    from scale_tables as t, generate_series(1, 3) as k
   where kind <> 'child'),
room as (
  select 1300 - count(*) as keys from pg_constraint where contype = 'f' and conparentid = 0 and connamespace = 'public'::regnamespace)
select n, k, nullif(target, -1) as target,
       (array['owner_id', 'parent_id', 'Linked To'])[k] as column_name,
       coalesce((select key_type from scale_tables as t where t.n = target), 'uuid') as key_type,
       coalesce((select format('%I.%I', schema, name) from scale_tables as t where t.n = target), 'auth.users') as referenced
  from candidates, room
 where place <= room.keys;

do $$
declare
  key record;
begin
  for key in
    select k.*, format('%I.%I', t.schema, t.name) as full_name from scale_keys as k join scale_tables as t using (n)
     order by k, n
  loop
    execute format('alter table %s add column %I %s', key.full_name, key.column_name, key.key_type);
  end loop;
end $$;

reset role;
-- A value for each column that not every table has.
create temp table scale_values (column_name, expression) as values
  ('email', $$'Someone.' || i || '@Example.com'$$),
  ('contact', $$'contact' || i || '@EXAMPLE.com'$$),
  ('share', $$i * 0.0125$$),
  ('total', $$(i * 1000.5, 'CHF')::crm.money_amount$$),
  ('tags', $$(array['a,b', '"c"', null, ''])[1:i % 4]$$),
  ('secret', $$md5('secret ' || i)$$),
  ('held', $$daterange(date '2020-01-01' + i::integer, null)$$),
  ('rate', $$case when i % 9 = 0 then 'NaN' else 1 / (i + 2)::float8 end$$),
  ('weight', $$case when i % 9 = 0 then '-Infinity' else i / 3.0 end::real$$),
  ('payload', $$decode(md5('payload ' || i), 'hex')$$),
  ('Größe', $$-i$$),
  ('order', $$i % 3$$),
  ('since', $$case when i % 11 = 0 then 'infinity' else date '1999-12-31' + i::integer end$$),
  ('at', $$time '08:00:00.000001' + i * interval '1 minute'$$),
  ('document', $$('{"b": ' || i || ',  "a": 1, "a": 2}')::json$$),
  ('took', $$i * interval '1 mon -1 day 00:00:00.5'$$),
  ('address', $$('10.0.' || i || '.0/24')::inet$$);

do $do$
declare
  made record;
begin
  for made in
    select t.*, format('%I.%I', schema, name) as full_name, keys.*, extra.*
      from scale_tables as t,
           lateral (
             select coalesce(string_agg(format(', %I', column_name), '' order by k), '') as key_columns,
                    coalesce(string_agg(
                      case when target is null then format(', (select id from auth.users order by id offset (i * %s) %% 20 limit 1)', k)
                           else format(', case when i %% 7 <> 0 then pg_temp.key_of(%L, %s, 1 + (i * %s) %% 40)::%1$s end', key_type, target, 2 * k + 1) end,
                      '' order by k), '') as key_values
               from scale_keys as k where k.n = t.n) as keys,
           lateral (
             select coalesce(string_agg(format(', %I', column_name), '' order by column_name), '') as extra_columns,
                    coalesce(string_agg(', ' || expression, '' order by column_name), '') as extra_values
               from scale_values
              where column_name in (select attname from pg_attribute where attrelid = format('%I.%I', schema, name)::regclass)) as extra
     order by n
  loop
    execute format($insert$
      insert into %s (id, region, created_at, created_by, name, state, amount, "Remarks", settings %s) overriding system value
      select pg_temp.key_of(%L, %s, i)::%3$s, (array['north', 'south', 'O''Hare & "west"', 'east'])[1 + i %% 4], pg_temp.moment(i * 1000 + %4$s),
             case when i %% 3 = 0 then (select id from auth.users order by id offset i %% 20 limit 1) end,
             'Row ' || i || E' of table\t' || %4$s, (select (enum_range(null::%s))[1 + i %% 3]), i * 1.25,
             case i %% 5 when 0 then E'line\r\n\\N' when 1 then '' end, jsonb_build_object('i', i, 'big', 12345678901234567890.5) %s
        from generate_series(1, 40) as i$insert$,
      made.full_name, made.key_columns || made.extra_columns, made.key_type, made.n,
      (select atttypid::regtype from pg_attribute where attrelid = made.full_name::regclass and attname = 'state'),
      made.key_values || made.extra_values);
    if pg_get_serial_sequence(made.full_name, 'id') is not null then
      perform setval(pg_get_serial_sequence(made.full_name, 'id'), 40 + made.n);
    end if;
  end loop;
end $do$;
drop table scale_values;
