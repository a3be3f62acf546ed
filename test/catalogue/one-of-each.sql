-- What the portal of the fixture has none of: one of each kind of object that a catalogue knows.
create extension citext schema extensions;
create schema "Back Office";
comment on schema "Back Office" is 'For the back office.';
create table "Back Office".parent (id bigint primary key, json text default 'x''"json"', mail extensions.citext);
create table "Back Office".child (extra text) inherits ("Back Office".parent) with (fillfactor = 70);
create table "Back Office".entries (
  id int, at date, parent int, parent_at date, primary key (id, at),
  foreign key (parent, parent_at) references "Back Office".entries (id, at)) partition by range (at);
create table "Back Office".entries_2025 partition of "Back Office".entries for values from ('2025-01-01') to ('2026-01-01');
create table "Back Office".entries_rest partition of "Back Office".entries default;
create index entries_parent on "Back Office".entries (parent);
create domain "Back Office".kind as varchar(9) check (value in ('new', 'it''s, [old]'));
create table "Back Office".lists (
  kind varchar(9) check (kind in ('new', 'it''s, [old]')), other varchar check (other in (kind, 'other')),
  known boolean generated always as (kind in ('new', 'old')) stored);
create view "Back Office".new_lists as select * from "Back Office".lists where kind in ('new', 'newer');
create index lists_old on "Back Office".lists (other) where kind not in ('new', 'newer');
create policy known on "Back Office".lists using (kind in ('new', 'newer'));
create function "Back Office".is_new(kind varchar) returns boolean language sql begin atomic; select kind in ('new', 'newer'); end;
create statistics "Back Office".lists_statistics on (kind in ('new', 'newer')), other from "Back Office".lists;
create unlogged table "Back Office".scratch (id int, key int check (key > 0), value interval default '1 day 02:03:04');
alter table "Back Office".scratch replica identity full;
create table "Back Office".fees (
  id int, half float8 default 0.1, since timestamptz default '2026-01-01 00:00:00+02', day date default '2026-02-03',
  amount numeric generated always as (half * 2.5) stored, blob bytea default '\xdeadbeef', primary key (id) include (half));
alter table "Back Office".fees alter column blob set storage external, alter column half set statistics 500;
alter table "Back Office".fees alter column blob set compression pglz;
create unique index fees_day on "Back Office".fees (day, lower(blob::text)) include (amount) nulls not distinct where half > 0.5;
create index fees_sum on "Back Office".fees ((half + id));
alter index "Back Office".fees_sum alter column 1 set statistics 77;
create index fees_half on "Back Office".fees (half desc nulls last) where since > '2026-01-01 00:00:00+00';
create statistics "Back Office".fees_statistics (ndistinct) on id, day from "Back Office".fees;
alter statistics "Back Office".fees_statistics set statistics 42;
alter table "Back Office".fees cluster on fees_pkey;
create rule keep as on delete to "Back Office".fees where old.half > 1 do instead nothing;
create view "Back Office".a_view with (security_barrier) as
  select f.id, f.json as "Text", case when f.json = 'fees.json' then extract(year from now()) end as year,
         (select count(*) from "Back Office".fees as f where f.id = p.id) as fees
    from "Back Office".parent as f join "Back Office".parent as p using (id) where f.id is not null order by 1;
create view "Back Office".one_table as
  select "Groß".id, "Groß".json, 'Groß.id' as text, (select "Groß".id + s.key from "Back Office".scratch as s limit 1) as x
    from "Back Office".parent as "Groß" where "Groß".id > 1 and "Groß".json is not null group by "Groß".id, "Groß".json;
create view "Back Office".two as select id from "Back Office".fees union all select key from "Back Office".scratch;
-- What newer majors print in another way, or spell anew.
create view "Back Office".as_text as
  select xmlserialize(content xmlelement(name fee, f.half) as text) as fee from "Back Office".fees as f;
create view "Back Office".a_sample as
  select f.id from "Back Office".fees as f tablesample bernoulli (10) repeatable (1) where f.id > 1;
create collation "Back Office".old_spelling (provider = icu, locale = 'en_US');
create collation "Back Office".phone_book (provider = icu, locale = 'de@collation=phonebook');
create function "Back Office".total(a int, b int default 2, out total int) language sql immutable parallel safe
  cost 7 begin atomic; select a + b; end;
create function "Back Office".json_of("json" text) returns table (id int, "value" text) language plpgsql rows 12 strict as $$
begin return query select 1, "json"; end $$;
create function "Back Office".jsons() returns setof text language sql stable
  begin atomic select p."json" from "Back Office".parent as p; select "json" from "Back Office".parent; end;
create procedure "Back Office".nothing() language plpgsql security definer as 'begin end';
create function "Back Office".add_up(numeric, numeric) returns numeric language sql as 'select $1 + $2';
create aggregate "Back Office".add_all(numeric) (sfunc = "Back Office".add_up, stype = numeric, initcond = '0');
create operator "Back Office".|+| (function = "Back Office".add_up, leftarg = numeric, rightarg = numeric);
create function "Back Office".to_text(public.postal_address) returns text language sql as $$ select $1.line $$;
create cast (public.postal_address as text) with function "Back Office".to_text(public.postal_address) as assignment;
create operator class "Back Office".backwards for type int using btree as
  operator 1 >, operator 2 >=, operator 3 =, operator 4 <=, operator 5 <, function 1 btint4cmp(int, int);
alter operator family "Back Office".backwards using btree add operator 1 > (int, bigint), function 1 btint48cmp(int, bigint);
create operator family "Back Office".lonely using hash;
create access method heap_too type table handler heap_tableam_handler;
create conversion "Back Office".narrow for 'UTF8' to 'LATIN1' from utf8_to_iso8859_1;
create function "Back Office".from_sql(internal) returns internal language internal immutable as 'varchar_support';
create transform for date language plpgsql (from sql with function "Back Office".from_sql(internal));
create cast (bit as interval) with inout;
create text search parser "Back Office".plain (
  start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype, headline = prsd_headline);
create text search template "Back Office".as_is (init = dsimple_init, lexize = dsimple_lexize);
create materialized view "Back Office".busy as select id, half from "Back Office".fees where half > 0;
create unique index busy_id on "Back Office".busy (id);
create materialized view "Back Office".idle as select * from "Back Office".busy with no data;
create text search configuration "Back Office".notes (copy = pg_catalog.simple);
create text search dictionary "Back Office".words (template = pg_catalog.simple, stopwords = 'english');
create domain "Back Office".percentage as numeric(5, 2) default 0 not null
  constraint up_to_100 check (value <= 100) constraint from_0 check (value >= 0);
create function "Back Office".watch() returns event_trigger language plpgsql as 'begin end';
create event trigger watch_tables on ddl_command_end when tag in ('CREATE TABLE', 'ALTER TABLE') execute function "Back Office".watch();
alter event trigger watch_tables disable;
create publication back_office for table "Back Office".fees (id, half) where (half > 0.5), "Back Office".child;
create policy "own sessions" on auth.sessions for select to authenticated using (user_id = auth.uid());
create policy "own files" on storage.objects to authenticated, service_role using (owner = auth.uid());
grant usage on schema "Back Office" to authenticated;
grant select on "Back Office".fees to anon with grant option;
revoke execute on function "Back Office".total from public;
alter default privileges in schema "Back Office" grant select on tables to anon;
alter default privileges revoke execute on functions from public;
comment on constraint up_to_100 on domain "Back Office".percentage is 'Not more.';
comment on index "Back Office".fees_half is 'Halves.';
comment on function "Back Office".total(int, int) is 'A sum.';
comment on policy "own profile" on public.profiles is 'Who they are.';
comment on trigger stamp on public.profiles is 'When.';
comment on type public.risk_profile is 'How bold.';
comment on view "Back Office".a_view is 'A view.';
comment on trigger on_auth_user_created on auth.users is 'Who comes gets a profile.';
comment on index "Back Office".fees_pkey is 'Key.';
comment on column public.postal_address.line is 'Street and number.';
comment on materialized view "Back Office".busy is 'Made of fees.';
comment on column "Back Office".busy.half is 'A half.';
comment on statistics "Back Office".fees_statistics is 'Days.';
comment on rule keep on "Back Office".fees is 'None goes.';
comment on operator class "Back Office".backwards using btree is 'Last first.';
comment on operator family "Back Office".lonely using hash is 'Empty.';
comment on access method heap_too is 'A heap.';
comment on conversion "Back Office".narrow is 'Fewer letters.';
comment on transform for date language plpgsql is 'A date.';
comment on cast (bit as interval) is 'Bits.';
comment on text search parser "Back Office".plain is 'Words.';
comment on text search template "Back Office".as_is is 'As it is.';
comment on text search configuration "Back Office".notes is 'Notes.';
comment on text search dictionary "Back Office".words is 'Words.';
comment on event trigger watch_tables is 'Watches.';
comment on publication back_office is 'Fees.';
