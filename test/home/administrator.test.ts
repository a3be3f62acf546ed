/** The first administrator: once, and only ever somebody whom we made. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ensureAdministrator } from '../../src/home/administrator.ts';
import { grantRole, listGrants } from '../../src/roles/roles.ts';
import { auditRows, startApp, type TestApp } from '../harness/app.ts';
import { addPerson } from '../harness/people.ts';

const administrator = { email: 'admin@localhost', password: 'k7d2mpq4x9wz3vbn8htr5cfy' };

let app: TestApp;
beforeEach(async () => {
  app = await startApp();
});
afterEach(() => app.close());

const roles = async () => (await listGrants(app.gatehouse.db)).map(({ role, email }) => `${email} ${role}`);
const signIn = () => app.request.post('/token').query({ grant_type: 'password' }).send(administrator);

it('is made once: signs in, reads the audit log and manages users', async () => {
  expect(await ensureAdministrator(app.gatehouse, administrator)).toBe(true);
  expect(await ensureAdministrator(app.gatehouse, administrator)).toBe(false);
  expect(await roles()).toEqual(['admin@localhost admin', 'admin@localhost auditor']);
  expect((await signIn()).status).toBe(200);
  expect((await auditRows(app.database)).map(({ action }) => action)).toEqual([
    'user_signedup',
    'role_granted',
    'role_granted',
    'login',
  ]);
});

it('is finished where a start was cut off between the user and the roles', async () => {
  await addPerson(app, administrator);
  expect(await ensureAdministrator(app.gatehouse, administrator)).toBe(true);
  expect(await roles()).toEqual(['admin@localhost admin', 'admin@localhost auditor']);
});

// Somebody who came over from elsewhere with this address would otherwise be handed the house.
it('is nobody who has the address and not the password that we made', async () => {
  await addPerson(app, { ...administrator, password: 'chosen elsewhere' });
  expect(await ensureAdministrator(app.gatehouse, administrator)).toBe(false);
  expect(await roles()).toEqual([]);
  expect((await auditRows(app.database)).filter(({ action }) => action === 'role_granted')).toEqual([]);
});

it('is not made where somebody manages users already', async () => {
  const { id } = await addPerson(app, { email: 'ada@example.com' });
  const occasion = {
    caller: { request_id: 'r', ip: '127.0.0.1', user_agent: undefined, method: 'COMMAND', path: 'roles grant' },
    now: app.clock.now(),
  };
  await grantRole(app.gatehouse.db, { user_id: id, role: 'admin', actor: { role: 'operator' } }, occasion);
  expect(await ensureAdministrator(app.gatehouse, administrator)).toBe(false);
  expect(await roles()).toEqual(['ada@example.com admin']);
});
