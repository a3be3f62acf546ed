/** The move into servers of every major version, which have none of the roles: by who is no superuser there, and by who is. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { connectionFromUrl } from '../../src/config/connection.ts';
import { type CopyReport, copyPortal } from '../../src/copy/copy.ts';
import { embeddedMajors } from '../../src/db/embedded-postgres.ts';
import { planPortal } from '../../src/plan/plan.ts';
import { makeReport } from '../../src/report/report.ts';
import { type Verification, verifyPortal } from '../../src/verify/verify.ts';
import { startServer, type TestServer } from '../harness/server.ts';
import type { SupabaseSource } from '../harness/supabase-source.ts';
import { ask, portalRows } from '../portal/portal-rows.ts';
import { createPortalSource } from '../portal/portal-source.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });

let source: SupabaseSource;
const servers = new Map<number, TestServer>();
/** What became of a copy by who may not make the roles, and then of one by who may, while they were missing. */
const byGuest = new Map<number, PromiseSettledResult<CopyReport>>();
const byOperator = new Map<number, PromiseSettledResult<CopyReport>>();

beforeAll(async () => {
  source = await createPortalSource({ users: 100, portal: 'without large values' });
  const moves = embeddedMajors.map(async (major) => {
    const server = await startServer(major, { max_connections: '50', wal_level: 'logical' });
    servers.set(major, server);
    await ask(server.url, "create role operator login createrole password 'operator'");
    await ask(server.url, "create role guest login password 'guest'");
    await server.createDatabase('operated', 'owner operator');
    await server.createDatabase('visited', 'owner guest');
    byGuest.set(major, await settled(copy(source.url, into(major, 'guest', 'visited'))));
    byOperator.set(major, await settled(copy(source.url, into(major, 'operator', 'operated'))));
    // As it is told to do.
    await ask(server.url, 'alter role service_role bypassrls');
    await ask(server.url, 'alter role operator bypassrls');
  });
  await Promise.all(moves);
});
afterAll(async () => {
  await source.drop();
  for (const server of servers.values()) await server.stop();
});

function serverOf(major: number): TestServer {
  const server = servers.get(major);
  if (!server) throw new Error(`no server of ${major}`);
  return server;
}

const into = (major: number, role: string, database: string) => {
  const url = new URL(serverOf(major).url);
  url.pathname = `/${database}`;
  [url.username, url.password] = [role, role];
  return url.href;
};
const copy = (from: string, to: string) =>
  copyPortal({ connectionString: from }, { connectionString: to }, { apply: true, env: process.env });
const settled = async <T>(work: Promise<T>) => (await Promise.allSettled([work]))[0];

/** What differs, in a word or a sentence each. */
const differing = ({ catalogue, tables, users, sequences, large_objects }: Verification) => [
  ...catalogue.drift.map(({ sentence }) => sentence),
  ...[...tables, ...users].filter(({ equal }) => !equal).map(({ table }) => table),
  ...sequences.filter(({ equal }) => !equal).map(({ sequence }) => sequence),
  ...(large_objects.equal ? [] : ['large objects']),
];

test.each(embeddedMajors)('PostgreSQL %i: a portal is planned, copied, equal, and reported so', async (major) => {
  const to = await serverOf(major).createDatabase('portal');
  const [from, target] = [connectionFromUrl(source.url), connectionFromUrl(to)];

  const plan = await planPortal(from, target, new Set(), process.env);
  expect(plan.findings.filter(({ level }) => level === 'stop')).toEqual([]);
  expect([plan.source.version_num, plan.target?.version_num].map((num) => Math.floor((num ?? 0) / 10_000))).toEqual([
    15,
    major,
  ]);

  const { notes } = await copy(source.url, to);
  expect(notes).toEqual([]);

  const verification = await verifyPortal(from, target);
  expect(differing(verification)).toEqual([]);
  expect(verification.equal).toBe(true);

  const { criteria, runs, target: seen } = await makeReport(target, { now: new Date(), operator: 'ops@example.com' });
  const verdicts = Object.fromEntries(criteria.map(({ name, verdict }) => [name, verdict]));
  expect(verdicts).toMatchObject({ 'No data lost': 'shown', 'Integrity and completeness': 'shown' });
  expect(runs.map(({ command, outcome }) => [command, outcome])).toContainEqual(['migrate verify', 'finished']);
  expect(seen.server_version).toMatch(new RegExp(`^${major}\\.`));

  await ask(
    to,
    'update public.valuations_2025 set irr = irr + 1e-16 where valued_at = (select min(valued_at) from public.valuations_2025)',
  );
  const changed = await verifyPortal(from, target);
  expect(differing(changed)).toEqual(['public.valuations_2025']);
  const named = changed.tables.find(({ equal }) => !equal)?.differing ?? [];
  expect(new Set(named.flatMap(({ columns }) => columns))).toEqual(new Set(['irr']));
});

test.each(embeddedMajors)(
  'PostgreSQL %i: roles that are missing are named where nobody may make them, and nothing is changed',
  async (major) => {
    const to = into(major, 'guest', 'visited');
    expect(byGuest.get(major)).toMatchObject({
      reason: {
        kind: 'obstacle',
        message: expect.stringMatching(
          /^Owners, rights or policies name roles that the target does not have, and guest may not create any\. As its administrator: create role "anon" nologin; .*create role "service_role" nologin/,
        ),
      },
    });
    expect(await ask(to, "select from pg_namespace where nspname in ('gatehouse', 'storage')")).toEqual([]);
  },
);

test.each(embeddedMajors)(
  'PostgreSQL %i: roles, rows and rights arrive, and what its role may not give is said before',
  async (major) => {
    const to = into(major, 'operator', 'operated');
    const rowSecurity = {
      level: 'warning',
      message: expect.stringMatching(
        /^Row security holds for the owner, too, of public\.portfolios; operator will own/,
      ),
    };
    const remedy =
      major >= 16
        ? 'alter role "operator" createrole bypassrls'
        : 'create role "service_role" nologin noinherit bypassrls';
    const bypass = {
      level: 'warning',
      message: `service_role passes row security at the source, and would not here: operator may not grant that. As a superuser: ${remedy}.`,
    };
    const extension = {
      level: 'note',
      message:
        'Extension pg_stat_statements stays behind. Only a superuser may install it at the target. No column, default or index of the portal needs it.',
    };
    expect(byOperator.get(major)).toMatchObject({
      value: {
        plan: { findings: expect.arrayContaining([rowSecurity, bypass, extension]) },
        notes: [
          'service_role may pass row security at the source, and operator may not grant that: as a superuser, alter role "service_role" bypassrls.',
        ],
      },
    });
    const verification = await verifyPortal({ connectionString: source.url }, { connectionString: to });
    expect(differing(verification)).toEqual([]);
    const whole = new URL(serverOf(major).url);
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
    // From 16 on each membership says whether it inherits; before, the member does.
    const members = `select pg_get_userbyid(roleid)::text as "group", pg_has_role(member, roleid, 'usage') as inherits
     from pg_auth_members where member = 'authenticator'::regrole order by 1`;
    expect(await ask(to, members)).toEqual(await ask(source.adminUrl, members));
    const owners = `select relname, pg_get_userbyid(relowner)::text as owner from pg_class
     where relnamespace = 'storage'::regnamespace and relkind = 'r' order by 1`;
    expect(await ask(to, owners)).toEqual(await ask(source.adminUrl, owners));
  },
);

test('an older server is refused', async () => {
  const newest = Math.max(...embeddedMajors);
  const url = new URL(source.adminUrl);
  url.pathname = '/postgres';
  await expect(copy(into(newest, 'operator', 'operated'), url.href)).rejects.toMatchObject({
    message: expect.stringMatching(
      new RegExp(`^The source is PostgreSQL ${newest} and the target 15: .* Copy into ${newest} or newer\\.$`),
    ),
  });
});
