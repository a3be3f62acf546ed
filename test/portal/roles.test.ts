/** Roles that are made at the target may there what they may at the source, and no more. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCatalogue } from '../../src/catalogue/catalogue.ts';
import { compareCatalogues } from '../../src/catalogue/compare.ts';
import { makeRoles, readTarget } from '../../src/portal/roles.sql.ts';
import { portalScope } from '../../src/portal/scope.ts';
import { startServer, type TestServer } from '../harness/server.ts';

let servers: TestServer[];
let source: pg.Client;
let target: pg.Client;

beforeAll(async () => {
  servers = [await startServer(17), await startServer(18)];
  [source, target] = servers.map(({ url }) => new pg.Client(url)) as [pg.Client, pg.Client];
  await Promise.all([source.connect(), target.connect()]);
  await source.query(`
    create table ledger_entries (id int);
    create role ledger; create role clerk inherit; create role auditor noinherit;
    grant select on ledger_entries to ledger, clerk, auditor;
    alter role clerk set transaction_timeout = '5s';
    grant ledger to clerk with inherit false;
    grant ledger to auditor with inherit true`);
  const { roles } = await portalScope(source, target);
  expect(await makeRoles(target, roles, await readTarget(target))).toEqual([]);
});
afterAll(async () => {
  await Promise.all([source.end(), target.end()]);
  for (const { stop } of servers) await stop();
});

async function differences(): Promise<string[]> {
  const [there, here] = [await readCatalogue(source, ['public']), await readCatalogue(target, ['public'])];
  return compareCatalogues(there, here)
    .filter(({ kind }) => kind === 'role')
    .map(({ sentence }) => sentence);
}

test('a member that must ask for the rights of a role must ask there, too', async () => {
  const memberships = `select member::regrole::text, pg_has_role(member, roleid, 'usage') as inherits
      from pg_auth_members where roleid = 'ledger'::regrole order by 1`;
  const asThere = [
    { member: 'auditor', inherits: true },
    { member: 'clerk', inherits: false },
  ];
  expect((await source.query(memberships)).rows).toEqual(asThere);
  expect((await target.query(memberships)).rows).toEqual(asThere);
});

test('what ends a transaction that is too long ends it there, too', async () => {
  const { rows } = await target.query("select rolconfig from pg_roles where rolname = 'clerk'");
  expect(rows).toEqual([{ rolconfig: ['transaction_timeout=5s'] }]);
});

test('one that need not ask any more is a difference', async () => {
  await target.query(
    'begin; create table ledger_entries (id int); grant select on ledger_entries to ledger, clerk, auditor',
  );
  expect(await differences()).toEqual([]);
  await target.query('grant ledger to clerk with inherit true');
  expect(await differences()).toEqual([
    'Role clerk: membership with an INHERIT of its own is ledger at the source and none at the target.',
  ]);
  await target.query('rollback');
});
