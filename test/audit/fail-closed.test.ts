/** What cannot be recorded does not happen, at every door: nothing is issued, changed, told or ended (DESIGN §1.6). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grantRole } from '../../src/roles/roles.ts';
import { startApp, type TestApp } from '../harness/app.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import { addPerson, addSignedInPerson, bearer, type SignedInPerson, serviceKey } from '../harness/people.ts';

let app: TestApp;
let ann: SignedInPerson;

beforeAll(async () => {
  app = await startApp({ env: { GATEHOUSE_MAILER_AUTOCONFIRM: 'true' } });
  ann = await addSignedInPerson(app);
  const caller = { request_id: 'r', ip: '127.0.0.1', user_agent: undefined, method: 'COMMAND', path: 'roles' };
  const actor = { role: 'operator', username: 'root' };
  const occasion = { caller, now: app.clock.now() };
  await grantRole(app.database.db, { user_id: ann.id, role: 'auditor', actor }, occasion);
});
afterAll(() => app.close());

describe('while nothing can be added to audit.events, 500 and no change is the answer to', () => {
  const password = (email: string, password: string) => ({
    path: '/token?grant_type=password',
    body: { email, password },
  });
  const cases: [what: string, request: () => { method?: string; path: string; body?: object; token?: string }][] = [
    ['a right password', () => password(ann.email, ann.password)],
    ['a wrong password', () => password(ann.email, 'wrong')],
    ['an unknown address', () => password('nobody@example.com', 'wrong')],
    ['a refresh', () => ({ path: '/token?grant_type=refresh_token', body: { refresh_token: ann.refresh_token } })],
    ['a refresh token that is none', () => ({ path: '/token?grant_type=refresh_token', body: { refresh_token: 'x' } })],
    ['a sign-out', () => ({ path: '/logout?scope=global', token: ann.access_token })],
    ['a sign-up', () => ({ path: '/signup', body: { email: 'new@example.com', password: 'correct horse' } })],
    [
      'a new user by an administrator',
      () => ({ path: '/admin/users', body: { email: 'b@example.com' }, token: serviceKey(app) }),
    ],
    ['a deletion', () => ({ method: 'delete', path: `/admin/users/${ann.id}`, body: {}, token: serviceKey(app) })],
    [
      'an end of a session',
      () => ({ method: 'delete', path: `/user/sessions/${ann.session_id}`, token: ann.access_token }),
    ],
    [
      'an end of all sessions of a user',
      () => ({ method: 'delete', path: `/admin/users/${ann.id}/sessions`, token: serviceKey(app) }),
    ],
    [
      'a sign-out of everyone',
      () => ({
        method: 'delete',
        path: '/admin/sessions',
        body: { confirm: 'sign out everyone' },
        token: serviceKey(app),
      }),
    ],
    ['a list of sessions', () => ({ method: 'get', path: `/admin/users/${ann.id}/sessions`, token: serviceKey(app) })],
    ["a reading of Supabase Auth's log", () => ({ method: 'get', path: '/admin/audit', token: serviceKey(app) })],
    ['a provider that there is not', () => ({ method: 'get', path: '/authorize?provider=github' })],
    ['a request without a token', () => ({ method: 'get', path: '/user' })],
    ['a reading of the log', () => ({ method: 'get', path: '/audit/events', token: ann.access_token })],
  ];

  it.each(cases)('%s', async (_, made) => {
    await addPerson(app);
    const { method = 'post', path, body, token } = made();
    await app.database.pool.query('alter table audit.events add constraint closed check (false) not valid');
    try {
      const before = await fingerprint(app.database);
      const request = app.request[method as 'post'](path).set(token ? bearer(token) : {});
      const response = await (body ? request.send(body) : request);
      expect([response.status, response.body]).toEqual([
        500,
        {
          code: 500,
          error_code: 'unexpected_failure',
          error_id: expect.any(String),
          msg: expect.stringMatching(/^Unexpected failure/),
        },
      ]);
      expect(await fingerprint(app.database)).toEqual(before);
    } finally {
      await app.database.pool.query('alter table audit.events drop constraint closed');
    }
  });

  it('and once it can, the same doors open again', async () => {
    const { path, body } = password(ann.email, ann.password);
    expect((await app.request.post(path).send(body)).status).toBe(200);
  });
});
