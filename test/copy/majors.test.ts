/** A copy into a server of another major version, which has none of the roles, and by who is no superuser there. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { copyPortal } from '../../src/copy/copy.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts';
import type { SupabaseSource } from '../harness/supabase-source.ts';
import { ask, portalRows } from '../portal/portal-rows.ts';
import { createPortalSource } from '../portal/portal-source.ts';

let directory: string;
let server: EmbeddedPostgres;
let source: SupabaseSource;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-majors-'));
  await chmod(directory, 0o711);
  const settings = { fsync: 'off', max_connections: '50' };
  server = await startEmbeddedPostgres({ directory, settings, version: 18 });
  source = await createPortalSource({ users: 100, portal: 'without large values' });
  await ask(server.url, "create role operator login createrole password 'operator'");
  await ask(server.url, "create role guest login password 'guest'");
  for (const database of ['operated', 'visited'])
    await ask(server.url, `create database ${database} template template0`);
  await ask(server.url, 'alter database operated owner to operator');
  await ask(server.url, 'alter database visited owner to guest');
});
afterAll(async () => {
  await source.drop();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

const into = (role: string, database: string) => {
  const url = new URL(server.url);
  url.pathname = `/${database}`;
  [url.username, url.password] = [role, role];
  return url.href;
};
const copy = (to: string) =>
  copyPortal({ connectionString: source.url }, { connectionString: to }, { apply: true, env: process.env });

test('roles that are missing are named where nobody may make them, and nothing is changed', async () => {
  const to = into('guest', 'visited');
  await expect(copy(to)).rejects.toMatchObject({
    kind: 'target',
    message: expect.stringMatching(
      /^Owners, rights or policies name roles that the target does not have, and guest may not create any\. As its administrator: create role "anon" nologin; .*create role "service_role" nologin/,
    ),
  });
  expect(await ask(to, "select from pg_namespace where nspname in ('gatehouse', 'storage')")).toEqual([]);
});

test('roles, rows and rights arrive in a newer server, and what its role may not give is said', async () => {
  const to = into('operator', 'operated');
  const { notes, plan } = await copy(to);
  expect(plan.findings).toContainEqual({
    level: 'warning',
    message: expect.stringMatching(/^Row security holds for the owner, too, of public\.portfolios; operator will own/),
  });
  expect(notes).toEqual([
    'service_role may pass row security at the source, and operator may not grant that: as a superuser, alter role "service_role" bypassrls.',
    expect.stringMatching(/^Extension pg_stat_statements cannot be made at the target/),
  ]);
  const whole = new URL(server.url);
  whole.pathname = '/operated';
  expect(await portalRows(whole.href)).toEqual(await portalRows(source.adminUrl));
  expect(
    await ask(
      to,
      `select rolname, rolcanlogin, rolinherit, rolconfig from pg_roles
        where rolname in ('anon', 'authenticated', 'authenticator', 'service_role') order by 1`,
    ),
  ).toEqual([
    { rolname: 'anon', rolcanlogin: false, rolinherit: false, rolconfig: ['statement_timeout=3s'] },
    { rolname: 'authenticated', rolcanlogin: false, rolinherit: false, rolconfig: ['statement_timeout=8s'] },
    {
      rolname: 'authenticator',
      rolcanlogin: false,
      rolinherit: false,
      rolconfig: ['lock_timeout=8s', 'statement_timeout=8s'],
    },
    { rolname: 'service_role', rolcanlogin: false, rolinherit: false, rolconfig: null },
  ]);
  const members = `select pg_get_userbyid(roleid)::text as "group" from pg_auth_members
     where member = 'authenticator'::regrole order by 1`;
  expect(await ask(to, members)).toEqual(await ask(source.adminUrl, members));
  const owners = `select relname, pg_get_userbyid(relowner)::text as owner from pg_class
     where relnamespace = 'storage'::regnamespace and relkind = 'r' order by 1`;
  expect(await ask(to, owners)).toEqual(await ask(source.adminUrl, owners));
});

test('an older server is refused', async () => {
  const url = new URL(source.adminUrl);
  url.pathname = '/postgres';
  await expect(
    copyPortal(
      { connectionString: into('operator', 'operated') },
      { connectionString: url.href },
      { apply: true, env: process.env },
    ),
  ).rejects.toMatchObject({
    message: expect.stringMatching(/^The source is PostgreSQL 18 and the target 1\d: .* Copy into 18 or newer\.$/),
  });
});
