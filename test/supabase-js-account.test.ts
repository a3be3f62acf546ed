/** supabase-js, unmodified: people without a name, identities, second factors in the hands of an administrator, what is not there. */
import { randomUUID } from 'node:crypto';
import { createClient } from '@supabase/supabase-js';
import { afterAll, expect, it } from 'vitest';
import { startApp } from './harness/app.ts';
import { addPerson, anonKey, serviceKey } from './harness/people.ts';

const app = await startApp({
  env: {
    GATEHOUSE_EXTERNAL_ANONYMOUS_USERS_ENABLED: 'true',
    GATEHOUSE_SECURITY_MANUAL_LINKING_ENABLED: 'true',
    GATEHOUSE_MAILER_AUTOCONFIRM: 'true',
  },
});
afterAll(() => app.close());

const options = { auth: { persistSession: false, autoRefreshToken: false } };
const portal = () => createClient(app.url, anonKey(app), options).auth;
const backend = () => createClient(app.url, serviceKey(app), options).auth.admin;

it('signs in anonymously and becomes somebody', async () => {
  const auth = portal();
  const { data, error } = await auth.signInAnonymously({ options: { data: { cart: 3 } } });
  expect([error, data.user?.is_anonymous]).toEqual([null, true]);
  const email = `${randomUUID()}@example.com`;
  const named = await auth.updateUser({ email, password: 'correct horse battery' });
  expect([named.error, named.data.user?.id, named.data.user?.is_anonymous]).toEqual([null, data.user?.id, false]);
  expect((await portal().signInWithPassword({ email, password: 'correct horse battery' })).error).toBeNull();
});

it('lists identities and unlinks one by its identity_id, never the last', async () => {
  const ann = await addPerson(app);
  await app.database.pool.query(
    `insert into auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at)
     values ('4711', $1, $2, 'github', now(), now())`,
    [ann.id, { sub: '4711', email: ann.email, email_verified: true }],
  );
  const auth = portal();
  await auth.signInWithPassword(ann);
  const { data } = await auth.getUserIdentities();
  const github = data?.identities.find(({ provider }) => provider === 'github');
  const email = data?.identities.find(({ provider }) => provider === 'email');
  if (!github || !email) throw new Error('both are there');
  expect((await auth.unlinkIdentity(github)).error).toBeNull();
  expect((await auth.unlinkIdentity(email)).error).toMatchObject({
    status: 422,
    code: 'single_identity_not_deletable',
  });
  expect((await auth.getUserIdentities()).data?.identities).toHaveLength(1);
});

it('lists and removes the second factors of a user', async () => {
  const ann = await addPerson(app);
  const { rows } = await app.database.pool.query(
    `insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
     values (gen_random_uuid(), $1, 'totp', 'verified', now(), now()) returning id`,
    [ann.id],
  );
  const admin = backend();
  const listed = await admin.mfa.listFactors({ userId: ann.id });
  expect(listed).toMatchObject({ error: null, data: { factors: [{ id: rows[0].id, factor_type: 'totp' }] } });
  const removed = await admin.mfa.deleteFactor({ userId: ann.id, id: rows[0].id });
  expect(removed.error).toBeNull();
  expect((await admin.mfa.listFactors({ userId: ann.id })).data?.factors).toEqual([]);
});

it('is told in its own codes what is not there', async () => {
  const ann = await addPerson(app);
  const auth = portal();
  await auth.signInWithPassword(ann);
  const errors = await Promise.all([
    auth.linkIdentity({ provider: 'github', options: { skipBrowserRedirect: true } }),
    auth.signInWithSSO({ domain: 'example.com' }),
    auth.signInWithIdToken({ provider: 'google', token: 'x' }),
    auth.mfa.enroll({ factorType: 'totp' }),
  ]);
  expect(errors.map(({ error }) => [error?.status, error?.code])).toEqual([
    [400, 'validation_failed'],
    [404, 'saml_provider_disabled'],
    [400, 'provider_disabled'],
    [422, 'mfa_totp_enroll_not_enabled'],
  ]);
  expect((await auth.getUser()).error).toBeNull();
});
