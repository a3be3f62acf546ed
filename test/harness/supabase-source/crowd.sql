-- The many: `fixture.crowd` users with what GoTrue would have written for them, in the proportions of a portal that has
-- been through a few imports. Run with triggers off, by a superuser. `fixture.hashes` is a JSON object: format → hashes.

create temp table hash as
  select format, array_agg(value) as hashes, count(*)::integer as count
    from jsonb_each(current_setting('fixture.hashes')::jsonb) as f (format, pool),
         jsonb_array_elements_text(pool) as value
   group by format;

-- What kind of user each is; thousandths.
create temp table crowd as
select n, pg_temp.uuid_of('user', n) as id, pg_temp.moment(n) as born, kind,
       case when kind = 'phone' or kind = 'anonymous' then null
            when kind = 'sso' then 'desk' || n % 50 || '@bank.example'
            when kind = 'deleted' then md5(n::text) || '@deleted.invalid'
            else (array['anna', 'ben', 'çelik', 'd.o''neil', 'eva+portal'])[1 + n % 5] || n || '@'
                 || (array['example.com', 'example.ch', 'adviser.example'])[1 + n % 3] end as email,
       case when kind = 'phone' then (41790000000 + n)::text end as phone,
       case when kind = 'unconfirmed' then null else pg_temp.moment(n) + interval '1 minute' end as confirmed_at
  from (select n, (select kind from (values (620, 'bcrypt_2a_10'), (650, 'bcrypt_2a_06'), (665, 'bcrypt_2b'),
                                            (680, 'bcrypt_2y'), (690, 'argon2id'), (700, 'argon2i'), (720, 'fbscrypt'),
                                            (860, 'oauth'), (900, 'magiclink'), (925, 'phone'), (950, 'anonymous'),
                                            (960, 'sso'), (975, 'deleted'), (990, 'unconfirmed'), (1000, 'by_hand'))
                                 as kinds (below, kind)
                    where pg_temp.pick(n, 1, 1000) < below order by below limit 1) as kind
          from generate_series(1, current_setting('fixture.crowd')::bigint) as n) as kinds;

insert into auth.users (
  instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, invited_at, confirmation_token,
  confirmation_sent_at, recovery_token, recovery_sent_at, email_change_token_new, email_change, email_change_sent_at,
  last_sign_in_at, raw_app_meta_data, raw_user_meta_data, is_super_admin, created_at, updated_at, phone,
  phone_confirmed_at, phone_change, phone_change_token, email_change_token_current, email_change_confirm_status,
  banned_until, reauthentication_token, is_sso_user, deleted_at, is_anonymous)
select '00000000-0000-0000-0000-000000000000', id, 'authenticated', 'authenticated', email,
       case when h.format is not null then h.hashes[1 + pg_temp.pick(n, 2, h.count)]
            when kind in ('magiclink', 'deleted', 'unconfirmed') then '' end,
       case when email is not null then confirmed_at end,
       case when kind = 'unconfirmed' and n % 2 = 0 then born end,
       case when kind = 'by_hand' then null
            when kind = 'unconfirmed' then encode(sha224(('confirm' || id)::bytea), 'hex') else '' end,
       case when kind = 'unconfirmed' then born end,
       case when kind = 'by_hand' then null
            when changing and kind = 'magiclink' then encode(sha224(('recover' || id)::bytea), 'hex') else '' end,
       case when changing and kind = 'magiclink' then born end,
       case when kind = 'by_hand' then null
            when changing and kind = 'bcrypt_2a_10' then encode(sha224(('change' || id)::bytea), 'hex') else '' end,
       case when kind = 'by_hand' then null
            when changing and kind = 'bcrypt_2a_10' then 'new.' || email else '' end,
       case when changing and kind = 'bcrypt_2a_10' then born end,
       case when kind not in ('unconfirmed', 'by_hand') then born + pg_temp.pick(n, 3, 10000000) * interval '1.0003 s' end,
       case when kind = 'by_hand' and n % 2 = 0 then null
            when kind = 'anonymous' then '{}'
            else jsonb_build_object('provider', provider, 'providers', jsonb_build_array(provider)) end,
       case when kind = 'by_hand' then null
            when kind = 'anonymous' then '{}'
            else jsonb_build_object('full_name', 'Müller ' || n, 'sub', id, 'email', email, 'email_verified', true,
                                    'score', n / 7.0, 'big', 90071992547409930000 + n) end,
       case when kind = 'by_hand' then false end,
       born, born + pg_temp.pick(n, 4, 10000000) * interval '1.000007 s', phone,
       case when phone is not null then confirmed_at end,
       case when kind = 'by_hand' then null else '' end, '', case when kind = 'by_hand' then null else '' end, 0,
       case pg_temp.pick(n, 5, 200) when 0 then timestamptz '2999-12-31 00:00:00+00' when 1 then born end,
       '', kind = 'sso', case when kind = 'deleted' then born + interval '10 days' end, kind = 'anonymous'
  from (select *, pg_temp.pick(n, 6, 100) = 0 as changing,
               case kind when 'oauth' then (array['google', 'azure', 'github'])[1 + n % 3]
                         when 'phone' then 'phone'
                         when 'sso' then 'sso:' || pg_temp.uuid_of('sso_provider', 1)
                         else 'email' end as provider
          from crowd) as c
  left join hash as h on h.format = kind
 order by n;

-- One way in for most, three for some of those who came through a provider.
insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at, id)
select case provider when 'email' then c.id::text when 'phone' then c.id::text else provider || '|' || n end, c.id,
       jsonb_strip_nulls(jsonb_build_object('sub', c.id, 'email', upper(left(email, 1)) || substr(email, 2), 'phone', phone,
                                            'email_verified', email is not null, 'phone_verified', phone is not null)),
       provider, born, born, born, pg_temp.uuid_of('identity ' || provider, n)
  from crowd as c
 cross join unnest(case when kind = 'oauth' and n % 4 = 0 then array['google', 'azure', 'email']
                        when kind = 'oauth' then array[(array['google', 'azure', 'github'])[1 + n % 3]]
                        when kind = 'phone' then array['phone']
                        when kind = 'sso' then array['sso:' || pg_temp.uuid_of('sso_provider', 1)]
                        when kind in ('anonymous', 'by_hand', 'deleted') then array[]::text[]
                        else array['email'] end) as provider;

-- Factors of every twenty-fifth, and a session for most: legacy (v1) for half of them, counter (v2) for the others.
insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status, created_at, updated_at, secret, last_challenged_at)
select pg_temp.uuid_of('factor', n), id, 'phone of ' || n, 'totp', case n % 50 when 0 then 'verified' else 'unverified' end::auth.factor_status,
       born, born, translate(upper(substr(md5(id::text), 1, 32)), '0189', 'GHJK'),
       case n % 50 when 0 then born + n * interval '1 microsecond' end
  from crowd where n % 25 = 0 and kind like 'bcrypt%';

create temp table crowd_session as
select row_number() over (order by c.n, k) as n, c.n as user_n, pg_temp.uuid_of('session ' || k, c.n) as id, c.id as user_id,
       kind, born + k * interval '2 days 00:00:01.000009' as began,
       pg_temp.pick(c.n, 10 + k, 100) < 50 as legacy,
       c.n % 50 = 0 and kind like 'bcrypt%' as second_factor
  from crowd as c, generate_series(1, case pg_temp.pick(c.n, 7, 10) when 0 then 0 when 1 then 0 when 2 then 3 else 1 end) as k
 where kind not in ('unconfirmed', 'deleted', 'by_hand');

insert into auth.sessions (id, user_id, created_at, updated_at, factor_id, aal, not_after, refreshed_at, user_agent, ip,
                           refresh_token_hmac_key, refresh_token_counter)
select id, user_id, began, began + interval '1 hour',
       case when second_factor then pg_temp.uuid_of('factor', user_n) end,
       case when second_factor then 'aal2' else 'aal1' end::auth.aal_level,
       case pg_temp.pick(n, 20, 50) when 0 then began + interval '1 day' when 1 then timestamptz '2999-12-31 00:00:00+00' end,
       case when n % 3 > 0 then (began + interval '1 hour') at time zone 'utc' end,
       (array['Mozilla/5.0 (X11; Linux x86_64)', 'portal-ios/4.1 CFNetwork', E'odd\tagent \\N "quoted"'])[1 + n % 3],
       (array[inet '203.0.113.7', inet '2001:db8::1', inet '198.51.100.0/24'])[1 + n % 3] + n % 100,
       case when not legacy then rtrim(translate(encode(sha256(('key' || id)::bytea), 'base64'), '+/', '-_'), '=') end,
       case when not legacy then (array[0, 1, 2, 127, 128, 300, 20000])[1 + pg_temp.pick(n, 21, 7)] end
  from crowd_session;

insert into auth.mfa_amr_claims (session_id, created_at, updated_at, authentication_method, id)
select s.id, began, began, method, pg_temp.uuid_of('amr ' || method, n)
  from crowd_session as s
 cross join unnest(case when kind = 'oauth' then array['oauth']
                        when kind = 'anonymous' then array['anonymous']
                        when kind = 'sso' then array['sso/saml']
                        when kind in ('magiclink', 'phone') then array['otp']
                        when second_factor then array['password', 'totp']
                        else array['password'] end) as method;

-- A legacy family: each token the child of the one before, all but the last revoked. The token is 12 characters of
-- lower-case base32, here the row's number scrambled, so that no two are alike.
insert into auth.refresh_tokens (instance_id, id, token, user_id, revoked, created_at, updated_at, parent, session_id)
select '00000000-0000-0000-0000-000000000000', id, pg_temp.legacy_token(id), user_id, id < last, at, at + interval '1 hour',
       case when k > 1 then pg_temp.legacy_token(id - 1) end, session_id
  from (select row_number() over (order by n, k) as id, k, user_id, s.id as session_id, began + k * interval '1 hour' as at,
               row_number() over (order by n, k) + generations - k as last
          from (select *, 1 + pg_temp.pick(n, 22, 4) as generations from crowd_session where legacy) as s,
               generate_series(1, generations) as k) as tokens;
select setval('auth.refresh_tokens_id_seq', 1 + (select count(*) from auth.refresh_tokens));

insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to, created_at, updated_at)
select pg_temp.uuid_of('one-time ' || type, hashtextextended(id::text, 0)), id, type::auth.one_time_token_type, hash, coalesce(email, ''),
       created_at at time zone 'utc', created_at at time zone 'utc'
  from auth.users,
       lateral (values ('confirmation_token', confirmation_token), ('recovery_token', recovery_token),
                       ('email_change_token_new', email_change_token_new)) as t (type, hash)
 where hash <> '';

insert into auth.audit_log_entries (instance_id, id, payload, created_at, ip_address)
select '00000000-0000-0000-0000-000000000000', pg_temp.uuid_of('audit', n),
       format('{"action":"login","actor_id":"%s",  "actor_username":%s,"log_type":"account","traits":{"provider":"email"}}',
              id, to_json(coalesce(email, '')))::json, born, '203.0.113.7'
  from crowd;
