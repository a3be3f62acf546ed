/** Who can create in a portal's schemas cannot have our statements do their work. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApp, type TestApp } from '../harness/app.ts';
import { freshDatabase, type TestDatabase } from '../harness/postgres.ts';

let database: TestDatabase;
let app: TestApp;

beforeAll(async () => {
  database = await freshDatabase();
  // All that PostgreSQL itself has under names that statements use, and a closer fit for columns that are no `text`.
  await database.pool.query(
    `create table public.sprung (name text);
     grant insert on public.sprung to public;
     do $$
     declare f record;
     begin
       for f in select distinct on (p.proname, pg_get_function_identity_arguments(p.oid))
                       p.proname, pg_get_function_identity_arguments(p.oid) as args, p.prorettype::regtype as result
                  from pg_proc as p
                 where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and p.provariadic = 0
                   and p.prorettype::regtype::text !~ '^(any|internal|record|cstring|trigger|event_trigger|void)'
                   and pg_get_function_identity_arguments(p.oid) !~ '(any|internal|cstring|OUT|VARIADIC)'
                   and p.proname in ('lower', 'now', 'gen_random_uuid', 'to_json', 'sha256', 'encode', 'length', 'hashtext',
                                     'hashtextextended', 'make_interval', 'timestamptz', 'text', 'strpos', 'split_part',
                                     'set_config', 'current_setting', 'pg_advisory_xact_lock', 'clock_timestamp', 'nextval',
                                     'jsonb_set', 'texteq', 'uuid_eq', 'btrim', 'replace', 'substring', 'left', 'round', 'floor')
       loop
         execute format('create function public.%I(%s) returns %s language plpgsql as $f$
                           begin insert into public.sprung values (%L); return null; end $f$',
                        f.proname, f.args, f.result, f.proname);
       end loop;
     end $$;
     create function public.lower(varchar) returns text language plpgsql as
       $$ begin insert into public.sprung values ('lower(varchar)'); return null; end $$;
     create function public.same(varchar, text) returns boolean language plpgsql as
       $$ begin insert into public.sprung values ('='); return false; end $$;
     create function public.same(varchar, varchar) returns boolean language plpgsql as
       $$ begin insert into public.sprung values ('='); return false; end $$;
     create function public.same(uuid, uuid) returns boolean language plpgsql as
       $$ begin insert into public.sprung values ('='); return false; end $$;
     create operator public.= (leftarg = varchar, rightarg = text, function = public.same);
     create operator public.= (leftarg = varchar, rightarg = varchar, function = public.same);
     create operator public.= (leftarg = uuid, rightarg = uuid, function = public.same)`,
  );
  await database.pool.query(
    `do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$`,
  );
  app = await startApp({ database, env: { GATEHOUSE_MAILER_AUTOCONFIRM: 'true' } });
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

test('functions and operators that somebody planted in public are not called by any of ours', async () => {
  const { request } = app;
  const email = 'ada@example.com';
  const password = 'a long enough password';
  const signedUp = await request.post('/signup').send({ email, password });
  expect(signedUp.status).toBe(200);
  const signedIn = await request.post('/token?grant_type=password').send({ email: 'Ada@example.com', password });
  expect(signedIn.status).toBe(200);
  const { refresh_token } = signedIn.body;
  const refreshed = await request.post('/token?grant_type=refresh_token').send({ refresh_token });
  expect(refreshed.status).toBe(200);
  const bearer = { authorization: `Bearer ${refreshed.body.access_token}` };
  expect((await request.get('/user').set(bearer)).body.email).toBe(email);
  expect(
    (
      await request
        .put('/user')
        .set(bearer)
        .send({ data: { colour: 'red' } })
    ).status,
  ).toBe(200);
  expect((await request.post('/recover').send({ email })).status).toBe(200);
  expect((await request.post('/token?grant_type=password').send({ email, password: 'wrong' })).status).toBe(400);
  expect((await request.post('/logout').set(bearer)).status).toBe(204);
  expect((await database.pool.query('select name from public.sprung')).rows).toEqual([]);
});
