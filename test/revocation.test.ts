/**
 * What is ended is ended: every way to end a session, and everything that its tokens could be used for afterwards (classes 3, 33,
 * 34 and 35 of docs/weaknesses.md), on the instance that ended it and on one that was not asked.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { createClient, type NewClient } from '../src/clients/clients.ts';
import { occasionOfCommand } from '../src/command.ts';
import { startApp, type TestApp } from './harness/app.ts';
import { addSignedInPerson, bearer, type SignedInPerson, serviceKey } from './harness/people.ts';

let app: TestApp;
let other: TestApp;
let client: NewClient;
let ann: SignedInPerson;
beforeAll(async () => {
  app = await startApp();
  other = await startApp({ database: app.database, mailbox: app.mailbox, clock: app.clock });
  const named = { name: 'portal', actor: { role: 'operator', username: 'root' } };
  const made = await createClient(app.database.db, named, occasionOfCommand('test', app.clock.now()));
  if (!made) throw new Error('the name is free');
  client = made;
});
afterAll(async () => {
  await other.close();
  await app.close();
});
beforeEach(async () => {
  ann = await addSignedInPerson(app);
});

const service = () => bearer(serviceKey(app));
const hers = () => bearer(ann.access_token);
const form = (path: string, token: string, at = app) =>
  at.request.post(path).auth(client.client_id, client.client_secret).type('form').send({ token });

const ends: [how: string, end: () => PromiseLike<{ status: number }>][] = [
  ['a sign-out', () => app.request.post('/logout?scope=local').set(hers())],
  ['its user ends it', () => app.request.delete(`/user/sessions/${ann.session_id}`).set(hers())],
  [
    'an administrator ends it',
    () => app.request.delete(`/admin/users/${ann.id}/sessions/${ann.session_id}`).set(service()),
  ],
  ['an administrator ends all of the user', () => app.request.delete(`/admin/users/${ann.id}/sessions`).set(service())],
  ['a backend revokes its access token', () => form('/revoke', ann.access_token)],
  ['a backend revokes its refresh token', () => form('/revoke', ann.refresh_token)],
  [
    'everyone is signed out',
    () => app.request.delete('/admin/sessions').set(service()).send({ confirm: 'sign out everyone' }),
  ],
  ['the user is banned', () => app.request.put(`/admin/users/${ann.id}`).set(service()).send({ ban_duration: '24h' })],
  [
    'the password is set by an administrator',
    () => app.request.put(`/admin/users/${ann.id}`).set(service()).send({ password: 'another staple entirely' }),
  ],
  [
    'the user is deleted softly',
    () => app.request.delete(`/admin/users/${ann.id}`).set(service()).send({ should_soft_delete: true }),
  ],
  ['the user is deleted', () => app.request.delete(`/admin/users/${ann.id}`).set(service())],
];

/** Whether each use of its tokens is refused. */
async function refusals(at: TestApp): Promise<Record<string, boolean>> {
  const refresh = at.request.post('/token?grant_type=refresh_token').send({ refresh_token: ann.refresh_token });
  const introspected = await form('/introspect', ann.access_token, at);
  return {
    'reading the user': (await at.request.get('/user').set(hers())).status >= 400,
    'changing the user':
      (
        await at.request
          .put('/user')
          .set(hers())
          .send({ data: { seat: 1 } })
      ).status >= 400,
    'listing sessions': (await at.request.get('/user/sessions').set(hers())).status >= 400,
    'ending a session': (await at.request.delete(`/user/sessions/${randomUUID()}`).set(hers())).status === 403,
    refreshing: (await refresh).status >= 400,
    introspection: introspected.status === 200 && introspected.body.active === false,
    // Last, because it ends what the others ask about.
    'signing out': (await at.request.post('/logout').set(hers())).status >= 400,
  };
}

describe.each(ends)('%s', (_how, end) => {
  it('and nothing of it is of use, here and elsewhere', async () => {
    const bystander = await addSignedInPerson(app);
    expect((await end()).status).toBeLessThan(300);
    for (const at of [app, other]) {
      const refused = await refusals(at);
      expect(refused).toEqual(Object.fromEntries(Object.keys(refused).map((use) => [use, true])));
    }
    if (_how !== 'everyone is signed out') {
      expect((await other.request.get('/user').set(bearer(bystander.access_token))).status).toBe(200);
    }
  });
});

test('before that, all of it is', async () => {
  const use = await refusals(app);
  expect(Object.values(use).filter(Boolean)).toHaveLength(0);
});
