/** The portal changed one URL: the official clients, unmodified, against `/auth/v1` (supabase-js) and `/` (a bare auth-js). */
import { generateKeyPairSync } from 'node:crypto';
import { AuthClient, isAuthApiError, isAuthWeakPasswordError } from '@supabase/auth-js';
import { createClient } from '@supabase/supabase-js';
import { afterAll, describe, expect, it, test } from 'vitest';
import { auditRows, startApp, type TestApp } from './harness/app.ts';
import { addPerson, anonKey, serviceKey } from './harness/people.ts';

const app = await startApp();
afterAll(() => app.close());

const options = { auth: { persistSession: false, autoRefreshToken: false } };
const portal = (of: TestApp = app) => createClient(of.url, anonKey(of), options).auth;
const backend = () => createClient(app.url, serviceKey(app), options).auth.admin;

describe('supabase-js', () => {
  it('signs up, confirms by the mail, signs in, refreshes, changes the user, signs out', async () => {
    const auth = portal();
    const email = 'newcomer@example.com';
    const signedUp = await auth.signUp({
      email,
      password: 'correct horse battery',
      options: { data: { team: 'north' } },
    });
    expect(signedUp.error).toBeNull();
    expect(signedUp.data).toMatchObject({ session: null, user: { email, user_metadata: { team: 'north' } } });

    const early = await auth.signInWithPassword({ email, password: 'correct horse battery' });
    expect(early.error).toMatchObject({ status: 400, code: 'email_not_confirmed' });

    const mail = await app.mailbox.next(email);
    const token_hash = new URL(mail.links[0] ?? '').searchParams.get('token') ?? '';
    const confirmed = await auth.verifyOtp({ type: 'signup', token_hash });
    expect(confirmed.error).toBeNull();
    expect(confirmed.data.session?.access_token).toBeTypeOf('string');

    const { data, error } = await auth.signInWithPassword({ email, password: 'correct horse battery' });
    expect(error).toBeNull();
    const first = data.session;
    const refreshed = await auth.refreshSession();
    expect(refreshed.data.session?.refresh_token).not.toBe(first?.refresh_token);
    const user = await auth.getUser();
    expect(user.data.user).toMatchObject({ id: data.user?.id, email, role: 'authenticated' });

    const updated = await auth.updateUser({ data: { team: 'south' }, password: 'another staple entirely' });
    expect(updated.data.user?.user_metadata.team).toBe('south');
    expect((await auth.signOut({ scope: 'global' })).error).toBeNull();
    expect((await auth.signInWithPassword({ email, password: 'correct horse battery' })).error?.code).toBe(
      'invalid_credentials',
    );
    expect((await auth.signInWithPassword({ email, password: 'another staple entirely' })).error).toBeNull();

    const actions = (await auditRows(app.database)).filter(({ subject_id }) => subject_id === data.user?.id);
    expect(actions.map(({ action }) => action)).toEqual(
      expect.arrayContaining([
        'user_confirmation_requested',
        'user_signedup',
        'login',
        'token_refreshed',
        'user_modified',
        'logout',
      ]),
    );
  });

  it('sees a session that was ended elsewhere as no session', async () => {
    const ann = await addPerson(app);
    const [here, elsewhere] = [portal(), portal()];
    await here.signInWithPassword(ann);
    await elsewhere.signInWithPassword(ann);
    await elsewhere.signOut({ scope: 'others' });
    const { error } = await here.getUser();
    expect(error?.name).toBe('AuthSessionMissingError');
    expect((await here.refreshSession()).error).not.toBeNull();
    expect((await elsewhere.getUser()).error).toBeNull();
  });

  it('knows errors by their class and code', async () => {
    const auth = portal();
    const wrong = await auth.signInWithPassword({ email: 'nobody@example.com', password: 'x' });
    expect(isAuthApiError(wrong.error)).toBe(true);
    expect(wrong.error).toMatchObject({
      status: 400,
      code: 'invalid_credentials',
      message: 'Invalid login credentials',
    });
    const weak = await auth.signUp({ email: 'weak@example.com', password: 'x' });
    expect(isAuthWeakPasswordError(weak.error) && weak.error.reasons).toEqual(['length']);
  });

  it('tells from empty identities that an address is taken, as its documentation says', async () => {
    const ann = await addPerson(app);
    const { data, error } = await portal().signUp({ email: ann.email, password: 'correct horse battery' });
    expect(error).toBeNull();
    expect(data.user?.identities).toEqual([]);
    expect(data.user?.id).not.toBe(ann.id);
  });

  it('reads claims of an HS256 token through GET /user, those of an ES256 token with the key set', async () => {
    const ann = await addPerson(app);
    const auth = portal();
    await auth.signInWithPassword(ann);
    expect((await auth.getClaims()).data?.claims).toMatchObject({ sub: ann.id, role: 'authenticated' });

    const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
    const { database, mailbox, clock } = app;
    const keys = JSON.stringify([{ ...jwk, kid: 'portal-2026', key_ops: ['sign', 'verify'] }]);
    const other = await startApp({ database, mailbox, clock, env: { GATEHOUSE_JWT_KEYS: keys } });
    try {
      const asymmetric = portal(other);
      await asymmetric.signInWithPassword(ann);
      const { data } = await asymmetric.getClaims();
      expect(data).toMatchObject({ header: { alg: 'ES256', kid: 'portal-2026' }, claims: { sub: ann.id } });
    } finally {
      await other.close();
    }
  });

  it('administers users with the service key, and not with the anon key', async () => {
    const admin = backend();
    const email = 'made@example.com';
    const made = await admin.createUser({ email, password: 'correct horse battery', email_confirm: true });
    expect(made.error).toBeNull();
    const id = made.data.user?.id ?? '';
    expect((await portal().signInWithPassword({ email, password: 'correct horse battery' })).error).toBeNull();

    const page = await admin.listUsers({ page: 1, perPage: 2 });
    expect(page.data.users).toHaveLength(2);
    expect(page.data).toMatchObject({ total: expect.any(Number), lastPage: expect.any(Number) });
    expect((await admin.updateUserById(id, { ban_duration: '1h' })).data.user).toHaveProperty('banned_until');
    expect((await portal().signInWithPassword({ email, password: 'correct horse battery' })).error?.code).toBe(
      'user_banned',
    );
    expect((await admin.createUser({ email })).error?.code).toBe('email_exists');
    expect((await admin.deleteUser(id)).error).toBeNull();
    expect((await admin.getUserById(id)).error?.code).toBe('user_not_found');
    expect((await portal().admin.listUsers()).error).toMatchObject({ status: 403, code: 'not_admin' });
  });
});

test('a bare auth-js finds everything at the root', async () => {
  const ann = await addPerson(app);
  const auth = new AuthClient({ url: app.url, persistSession: false, autoRefreshToken: false });
  const { data, error } = await auth.signInWithPassword(ann);
  expect([error, data.user?.id]).toEqual([null, ann.id]);
  expect((await auth.getUser()).data.user?.id).toBe(ann.id);
  expect((await auth.signOut()).error).toBeNull();
});
