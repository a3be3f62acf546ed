/** Metadata that came over from Supabase nested deeper than JSON.stringify, and with it a client, has stack for. */
import { afterAll, beforeEach, expect, it } from 'vitest';
import { startApp } from '../harness/app.ts';
import { addPerson, addSignedInPerson, bearer, claimsOf, type SignedInPerson, serviceKey } from '../harness/people.ts';

const app = await startApp();
afterAll(() => app.close());
const { database, request } = app;
const service = bearer(serviceKey(app));

const LEVELS = 6_000;
const SHOWN_LEVELS = 1_000;
const nested = (levels: number, inmost: string) => `${'{"a":'.repeat(levels)}${inmost}${'}'.repeat(levels)}`;

let ann: SignedInPerson;
beforeEach(async () => {
  ann = await addSignedInPerson(app);
  await database.pool.query('update auth.users set raw_user_meta_data = $2, raw_app_meta_data = $3 where id = $1', [
    ann.id,
    `{"seat": 9, "deep": ${nested(LEVELS, '1')}}`,
    `{"seat": 9, "deep": ${'['.repeat(LEVELS)}${']'.repeat(LEVELS)}}`,
  ]);
  await database.pool.query('update auth.identities set identity_data = $2 where user_id = $1', [
    ann.id,
    nested(LEVELS, '1'),
  ]);
});

it('its owner signs in, refreshes, reads and changes the account', async () => {
  const signedIn = await request
    .post('/token?grant_type=password')
    .send({ email: ann.email, password: ann.password })
    .expect(200);
  const { body } = await request
    .post('/token?grant_type=refresh_token')
    .send({ refresh_token: signedIn.body.refresh_token })
    .expect(200);
  expect(claimsOf(body.access_token).user_metadata).toEqual(body.user.user_metadata);

  const own = await request.get('/user').set(bearer(body.access_token)).expect(200);
  expect(own.body.user_metadata.seat).toBe(9);
  const changed = await request
    .put('/user')
    .set(bearer(body.access_token))
    .send({ data: { seat: 8 } });
  expect(changed.status).toBe(200);
  expect(changed.body.user_metadata.seat).toBe(8);
});

it('whoever reads it sees a thousand levels of it, and the row keeps them all', async () => {
  const { body } = await request.get('/user').set(bearer(ann.access_token)).expect(200);
  const { deep } = body.user_metadata;
  // The metadata themselves are the first level.
  expect(JSON.stringify(deep)).toBe(nested(SHOWN_LEVELS - 1, 'null'));

  await request
    .put('/user')
    .set(bearer(ann.access_token))
    .send({ data: { seat: 8 } })
    .expect(200);
  const { rows } = await database.pool.query(
    `select raw_user_meta_data -> 'deep' = $2::jsonb as kept from auth.users where id = $1`,
    [ann.id, nested(LEVELS, '1')],
  );
  expect(rows).toEqual([{ kept: true }]);
});

it('administrators see and change such a user like others, and the list has everybody', async () => {
  const bob = await addPerson(app);
  const { body } = await request.get('/admin/users').set(service).expect(200);
  expect(body.users.map(({ id }: { id: string }) => id)).toEqual(expect.arrayContaining([ann.id, bob.id]));

  const path = `/admin/users/${ann.id}`;
  const read = await request.get(path).set(service).expect(200);
  expect(read.body.app_metadata.seat).toBe(9);
  const changed = await request
    .put(path)
    .set(service)
    .send({ app_metadata: { seat: 8 } })
    .expect(200);
  expect(changed.body.app_metadata.seat).toBe(8);
  await request.delete(path).set(service).expect(200);
});
