-- Chance that comes out the same every time: all of it hangs on fixture.seed.
create function pg_temp.pick(n bigint, salt integer, choices integer) returns integer language sql stable as $$
  select mod(hashint8extended(n, current_setting('fixture.seed')::bigint * 1000 + salt) & 9223372036854775807,
             choices)::integer $$;
-- A version 4 uuid.
create function pg_temp.uuid_of(kind text, n bigint) returns uuid language sql stable as $$
  select overlay(overlay(md5(current_setting('fixture.seed') || ':' || kind || ':' || n) placing '4' from 13)
                 placing 'a' from 17)::uuid $$;
-- Twelve characters of lower-case base32, no two alike below four million.
create function pg_temp.legacy_token(id bigint) returns text language sql stable as $$
  select translate(lpad(to_hex((id * 1099511627689 + current_setting('fixture.seed')::bigint * 7919) & 281474976710655), 12, '0'),
                   '0189', 'mqvz') $$;
-- Times in the months before the fixture's present, with microseconds.
create function pg_temp.moment(n bigint) returns timestamptz language sql stable as $$
  select current_setting('fixture.present')::timestamptz - interval '30 days'
         - pg_temp.pick(n, 900, 31536000) * interval '1.000001 seconds' $$;
