-- The portal's rows: as many as the users ask for, and one of each value that a careless copy changes. Run with triggers
-- off, by a superuser, after the users are there.

insert into public.profiles (id, email, full_name, "Preferred Name", risk, updated_at)
select id, email, coalesce(raw_user_meta_data ->> 'full_name', 'Somebody'), nullif(raw_user_meta_data ->> 'nick', ''),
       (enum_range(null::public.risk_profile))[1 + pg_temp.pick(hashtextextended(id::text, 0), 30, 3)], created_at
  from auth.users where not is_anonymous;

insert into public.client_groups (id, name, adviser_id, address, tags, fees, created_at)
select pg_temp.uuid_of('group', n), 'Family ' || n, p.id,
       ('Am Markt ' || n, 'St. Gallen', lpad(n::text, 5, '0'))::public.postal_address,
       array['since ' || 1990 + n % 35, 'tag,with,commas', '"quoted"'], public.fee_range(0.25, 1.5 + n % 3),
       pg_temp.moment(n)
  from (select id, row_number() over (order by id) as n from public.profiles) as p
 where n % 5 = 1;

insert into public.people (id, client_group_id, full_name, born, nicknames)
overriding system value
select n * 2 + k, pg_temp.uuid_of('group', n), 'Person ' || n * 2 + k, date '1940-01-01' + (n % 20000)::int,
       case when k = 0 then array['Öti', null, ''] end
  from (select row_number() over (order by id) * 5 - 4 as n from public.client_groups) as g,
       generate_series(0, 1) as k;
update public.client_groups as g set head_id = p.id
  from (select client_group_id, min(id) as id from public.people group by 1) as p
 where p.client_group_id = g.id;

insert into public.products (id, code, name, terms, "order", "Größe")
select n, 'CH' || lpad(n::text, 9, '0') || n % 10, 'Fund no. ' || n, decode(md5(n::text), 'hex'),
       nullif(n % 7, 0), case n % 2 when 0 then 'groß' end
  from generate_series(1, 40) as n;

insert into public.portfolios (id, owner_id, client_group_id, name, cash, invested, settings)
select pg_temp.uuid_of('portfolio', n), id, (select id from public.client_groups order by id limit 1),
       'Portfolio ' || n, (n % 9973) * 1.2345 - 4, n * 17.0001,
       jsonb_build_object('currency', 'CHF', 'limit', 12345678901234567890.123456789, 'n', n)
  from (select id, row_number() over (order by id) as n from public.profiles) as p
 where n % 3 = 0;

insert into public.funds (product_id, portfolio_id, held, units)
select 1 + k * 13 % 40, p.id, daterange(date '2020-01-01' + k * 100, date '2020-01-01' + k * 100 + 100), k / 3.0
  from public.portfolios as p, generate_series(1, 2) as k;

insert into public.valuations (portfolio_id, valued_at, amount, irr)
select p.id, timestamptz '2024-10-01 00:00:00.123456+00' + k * interval '100 days 01:02:03.000007',
       round((p.total * (1 + k / 100.0))::numeric, 2), 1 / (3 + k)::float8 + 1e-17 * pg_temp.pick(k, 31, 1000)
  from public.portfolios as p, generate_series(1, 8) as k;

insert into public.activity_log (at, actor, what, details)
select pg_temp.moment(n), id, 'signed in', ('{"b": ' || n || ',  "a":1, "a":2}')::json
  from (select id, row_number() over (order by id) as n from public.profiles) as p;
insert into public.activity_log select * from public.activity_log where details ->> 'b' = '1';

insert into public.advice_notes (portfolio_id, body, attachment, effective, expires, score) values
  (null, E'tab\there, CR LF\r\nthere, backslash \\ and \\N and \\. alone', '\x00ff5c0a0d', 'infinity', '-infinity', 'NaN'),
  (null, E'\\N', '', '0044-03-15 BC', '4713-01-01 00:00:00.000001 BC', 'Infinity'),
  (null, 'emoji 🦊👩‍👩‍👧, noncharacter ' || U&'\FFFE' || ', combining e' || U&'\0301' || ' and é', null, '9999-12-31', '294276-12-31 23:59:59.999999', '-Infinity'),
  (null, '', null, '2000-02-29', '2026-03-29 02:30:00.5', 1.1754944e-38),
  (null, null, null, null, null, -0.0::real);
-- One value of 20 MB that does not compress.
insert into public.advice_notes (body)
select string_agg(encode(sha512(n::text::bytea), 'base64'), '') from generate_series(1, 229825) as n
having current_setting('fixture.toast')::boolean;

insert into public."Order" ("ID", "user", "select", "Placed At")
select n, id, 'Order no. ' || n, pg_temp.moment(n)
  from (select id, row_number() over (order by id) as n from public.profiles) as p where n % 10 = 0;
insert into public."order" select "ID", nullif('note ' || "ID", 'note 10') from public."Order";

refresh materialized view public.firm_totals;

select setval('public.people_id_seq', (select max(id) from public.people)),
       setval('public.products_id_seq', 40),
       setval('public."Order_ID_seq"', (select max("ID") from public."Order"));
update public.advice_notes set scan = lo_from_bytea(0, '\x25504446') where body is null;
do $$ begin execute (select format('alter large object %s owner to postgres', scan) from public.advice_notes where scan is not null); end $$;

insert into storage.buckets (id, name, owner, owner_id, public)
select 'documents', 'documents', id, id::text, false from (select id from auth.users order by id limit 1) as first;
insert into storage.objects (bucket_id, name, owner, owner_id, metadata)
select 'documents', p.id || '/statement ' || n || '.pdf', p.id, p.id::text, '{"size": 1024, "mimetype": "application/pdf"}'
  from (select id, row_number() over (order by id) as n from public.profiles) as p where n % 20 = 0;
