/** GET /admin/audit: GoTrue's own log, by pages and by its scopes (contract §9.8). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditRowsOf, startApp, type TestApp } from '../harness/app.ts';
import { differences } from '../harness/openapi.ts';
import { addSignedInPerson, bearer, type SignedInPerson, serviceKey } from '../harness/people.ts';

let app: TestApp;
let ann: SignedInPerson;
beforeAll(async () => {
  app = await startApp();
  await app.request
    .post('/admin/users')
    .set(bearer(serviceKey(app)))
    .send({ email: 'made@example.com' });
  ann = await addSignedInPerson(app, { raw_user_meta_data: { full_name: 'Ann \\ Ledger' } });
  app.clock.advance(1);
  await app.request.post('/logout?scope=others').set(bearer(ann.access_token));
});
afterAll(() => app.close());

const ask = (query = '') => app.request.get(`/admin/audit${query}`).set(bearer(serviceKey(app)));
const actionsOf = ({ body }: { body: { payload: { action: string } }[] }) => body.map(({ payload }) => payload.action);

it('is a bare array, newest first, and its reading is on record', async () => {
  const response = await ask();
  expect([response.status, ...differences('GET /admin/audit', response)]).toEqual([200]);
  expect(actionsOf(response)[0]).toBe('logout');
  expect(actionsOf(response).toSorted()).toEqual(['login', 'logout', 'user_signedup']);
  expect(response.body[0]).toEqual({
    id: expect.any(String),
    payload: {
      action: 'logout',
      actor_id: ann.id,
      actor_name: 'Ann \\ Ledger',
      actor_username: ann.email,
      actor_via_sso: false,
      log_type: 'account',
    },
    created_at: expect.stringMatching(/Z$/),
    ip_address: '127.0.0.1',
  });
  expect(response.headers).toMatchObject({ 'x-total-count': '3', link: '</admin/audit?page=1>; rel="last"' });
  expect(await auditRowsOf(app, response)).toMatchObject([
    {
      action: 'audit_read',
      outcome: 'success',
      actor_name: 'service_role',
      details: { log: 'auth.audit_log_entries', limit: 50, offset: 0, returned: 3 },
    },
  ]);
});

it('has pages', async () => {
  const first = await ask('?per_page=2');
  const second = await ask('?page=2&per_page=2');
  expect([...actionsOf(first), ...actionsOf(second)]).toEqual(actionsOf(await ask()));
  expect(first.headers.link).toBe(
    '</admin/audit?page=2&per_page=2>; rel="next", </admin/audit?page=2&per_page=2>; rel="last"',
  );
  expect((await ask('?page=99')).body).toEqual([]);
});

it.each([
  ['action:login', ['login']],
  ['action:LOG', ['logout', 'login']],
  ['type:team', ['user_signedup']],
  ['author:ledger', ['logout', 'login']],
  ['author:service_role', ['user_signedup']],
  ['action:nothing', []],
  ["action:' or true --", []],
  ['action:\\', []],
  ['author:ann \\ led', ['logout', 'login']],
])('is filtered by %s', async (query, found) => {
  const response = await ask(`?query=${encodeURIComponent(query)}`);
  expect(actionsOf(response)).toEqual(found);
  expect(response.headers['x-total-count']).toBe(String(found.length));
});

describe('is refused', () => {
  it.each([
    ['query=ip:127', 'Invalid query scope: ip:127'],
    ['query=login', 'Invalid query scope: login'],
    ['query=:x', 'Invalid query scope: :x'],
    ['query=ACTION:login', 'Invalid query scope: ACTION:login'],
    ['query=constructor:x', 'Invalid query scope: constructor:x'],
    ['query=%3Cscript%3E', 'Invalid query scope'],
    ['query=%00', 'Null characters are not allowed'],
    ['per_page=0', 'Bad Pagination Parameters: per_page must not be 0'],
    ['page=x', 'Bad Pagination Parameters: strconv.ParseUint: parsing "x": invalid syntax'],
  ])('%s', async (query, msg) => {
    const response = await ask(`?${query}`);
    expect([response.status, response.body]).toEqual([400, { code: 400, error_code: 'validation_failed', msg }]);
    expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'admin_request_failed' }]);
  });
});
