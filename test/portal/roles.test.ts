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
    grant ledger to auditor with inherit true;
    create role registrar; create role trainee; create role lodger;
    grant select on ledger_entries to registrar, trainee, lodger;
    grant ledger to registrar with admin option;
    -- Both by way of another role and by itself.
    grant auditor to trainee;
    grant ledger to trainee;
    grant ledger to lodger with set false`);
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
      from pg_auth_members where roleid = 'ledger'::regrole and member::regrole in ('auditor', 'clerk') order by 1`;
  const asThere = [
    { member: 'auditor', inherits: true },
    { member: 'clerk', inherits: false },
  ];
  expect((await source.query(memberships)).rows).toEqual(asThere);
  expect((await target.query(memberships)).rows).toEqual(asThere);
});

test('who may make others members may there, too, and who may not become a role may not', async () => {
  const memberships = `select roleid::regrole::text as "group", member::regrole::text, admin_option, set_option
       from pg_auth_members where member in (select oid from pg_roles where rolname in ('lodger', 'registrar', 'trainee'))
      order by 1, 2`;
  const asThere = [
    { group: 'auditor', member: 'trainee', admin_option: false, set_option: true },
    { group: 'ledger', member: 'lodger', admin_option: false, set_option: false },
    { group: 'ledger', member: 'registrar', admin_option: true, set_option: true },
    { group: 'ledger', member: 'trainee', admin_option: false, set_option: true },
  ];
  expect((await source.query(memberships)).rows).toEqual(asThere);
  expect((await target.query(memberships)).rows).toEqual(asThere);
});

test('what ends a transaction that is too long ends it there, too', async () => {
  const { rows } = await target.query("select rolconfig from pg_roles where rolname = 'clerk'");
  expect(rows).toEqual([{ rolconfig: ['transaction_timeout=5s'] }]);
});

test.each([
  [
    'grant ledger to clerk with inherit true',
    'Role clerk: membership with an INHERIT of its own is ledger at the source and none at the target.',
  ],
  [
    'grant ledger to clerk with admin true',
    'Role clerk: membership WITH ADMIN OPTION is none at the source and ledger at the target.',
  ],
  [
    'revoke admin option for ledger from registrar',
    'Role registrar: membership WITH ADMIN OPTION is ledger at the source and none at the target.',
  ],
  [
    'grant ledger to lodger with set true',
    'Role lodger: membership WITH SET FALSE is ledger at the source and none at the target.',
  ],
])('a membership of another kind is a difference: %s', async (change, sentence) => {
  await target.query(
    `begin; create table ledger_entries (id int);
     grant select on ledger_entries to ledger, clerk, auditor, registrar, trainee, lodger`,
  );
  expect(await differences()).toEqual([]);
  await target.query(change);
  expect(await differences()).toEqual([sentence]);
  await target.query('rollback');
});
