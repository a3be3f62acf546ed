-- One table of each shape, and in `kinds` one column of each kind of value.
create extension citext;
create type mood as enum ('low', 'high');
create domain short as varchar(5);
create type place as (street text, no int);
create type span as range (subtype = float8);
create collation de (provider = icu, locale = 'de-u-ks-level1', deterministic = false);

create table kinds (
  id int primary key,
  f8 float8, f4 float4, num numeric,
  at timestamptz, lt timestamp, d date, t time, tz timetz, i interval,
  txt text, ci citext, col text collate de, ch char(6), vc varchar(9), dom short,
  by bytea, js json, jb jsonb, arr text[], farr float8[], comp place, rng span, e mood,
  u uuid, ip inet, bits varbit, m money, ok bool, x xml, o oid, rc regclass, tv tsvector, c "char",
  "Groß ""q""" text,
  gen text generated always as (txt || '!') stored);
insert into kinds values (
  1, 1 / 3::float8, 1.1, 1.0,
  '2024-01-01 00:00:00.123456+00', '2024-01-01', '2024-02-29', '01:02:03.4', '01:02+03', '1 mon 2 days',
  'Ärger', 'Citext', 'straße', 'ab', 'vc', 'dom',
  '\x00ff', '{"b":1, "a":2}', '{"b": 1, "a": 2}', '{a,NULL,""}', '{0.30000000000000004,NaN}', '("x y",1)', '[0.30000000000000004,2]', 'low',
  '00000000-0000-0000-0000-000000000001', '10.0.0.1/24', '101', '1.50', true, '<a/>', 1, 'kinds', 'a:1 b', 'z',
  'q');
insert into kinds (id, f8, f4, at, lt, d, txt) values
  (2, 'NaN', 'Infinity', 'infinity', '-infinity', '0044-03-15 BC', ''),
  (3, -0.0::float8, -0.0::float4, '4713-01-01 BC', 'infinity', 'infinity', null);

-- Its key is not its primary one.
create table "Mixed Case" ("Key ""1""" text, "select" text not null unique, "Größe" int);
insert into "Mixed Case" values ('a', E'tab\t''quote''', 1), ('b', 'emoji 🦊', 2);

create table keyless (a int, b text, c text, d text);
insert into keyless select n % 5, 'b' || n % 5, 'c', null from generate_series(1, 20) as n;

create table parts (id int, at date not null, v text, primary key (id, at)) partition by range (at);
create table parts_1 partition of parts for values from ('2024-01-01') to ('2025-01-01');
create table parts_rest partition of parts default;
insert into parts select n, date '2024-06-01' + n * 30, 'v' || n from generate_series(1, 30) as n;

create table parent (id int primary key, v text);
create table child (more int) inherits (parent);
insert into parent values (1, 'p');
insert into child values (1, 'c', 2);

create table blank (id int primary key);
create table unit ();
insert into unit default values;
insert into unit default values;

create table big (id int primary key, v text, b bytea, j jsonb);
insert into big
select n,
       (select string_agg(md5((n * 10000 + k)::text), '') from generate_series(1, 4000) as k),
       (select string_agg(sha512((n * 10000 + k)::text::bytea), '') from generate_series(1, 2000) as k),
       (select jsonb_object_agg(k, md5(k::text)) from generate_series(1, 3000) as k)
  from generate_series(1, 3) as n;

-- None of its indexes is a key: one is for some rows only, one of an expression, one lets NULL in twice, one is deferrable.
create table partly (a int not null, b text not null, c int unique, d int not null unique deferrable);
create unique index on partly (a) where b = 'x';
create unique index on partly (lower(b));
insert into partly values (1, 'x', null, 1), (1, 'y', null, 2);
