/** Mail flows of a portal that uses supabase-js as it comes: links, codes, PKCE, invitations. */
import { createClient } from '@supabase/supabase-js';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { startApp } from './harness/app.ts';
import { addPerson, anonKey, claimsOf, serviceKey } from './harness/people.ts';

const PORTAL = 'http://localhost:3000';
const PASSWORD = 'correct horse battery';
const app = await startApp({
  env: {
    GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '100000',
    // A portal that has its users type a code.
    GATEHOUSE_MAILER_SUBJECTS_MAGIC_LINK: '{{ .Token }} signs you in',
  },
});
afterAll(() => app.close());
afterEach(() => app.clock.advance(61));

const auth = (flowType: 'implicit' | 'pkce', key = anonKey(app)) =>
  createClient(app.url, key, { auth: { persistSession: false, autoRefreshToken: false, flowType } }).auth;
const backend = () => auth('implicit', serviceKey(app)).admin;

/** Where the link of the next mail to this address leads a browser. */
async function follow(email: string): Promise<URL> {
  const { pathname, search } = new URL((await app.mailbox.next(email)).links[0] ?? '');
  const { headers } = await app.request.get(pathname + search);
  return new URL(headers.location ?? '');
}
const codeIn = (url: URL) => url.searchParams.get('code') ?? '';
const tokensIn = (url: URL) => Object.fromEntries(new URLSearchParams(url.hash.slice(1)));

describe('supabase-js with PKCE', () => {
  it('signs up, and exchanges the code of the mail', async () => {
    const portal = auth('pkce');
    const email = 'newcomer@example.com';
    const signedUp = await portal.signUp({ email, password: PASSWORD, options: { emailRedirectTo: `${PORTAL}/in` } });
    expect([signedUp.error, signedUp.data.session]).toEqual([null, null]);
    const { data, error } = await portal.exchangeCodeForSession(codeIn(await follow(email)));
    expect([error, data.user?.email]).toEqual([null, email]);
    expect(claimsOf(data.session?.access_token ?? '').amr).toMatchObject([{ method: 'email/signup' }]);
  });

  it('recovers a password, and knows that it does', async () => {
    const ann = await addPerson(app);
    const portal = auth('pkce');
    const asked = await portal.resetPasswordForEmail(ann.email, { redirectTo: `${PORTAL}/reset` });
    expect(asked.error).toBeNull();
    const there = await follow(ann.email);
    expect(there.pathname).toBe('/reset');
    const { data, error } = await portal.exchangeCodeForSession(codeIn(there));
    expect([error, data.user?.id, (data as { redirectType?: string }).redirectType]).toEqual([
      null,
      ann.id,
      'recovery',
    ]);
    expect((await portal.updateUser({ password: 'another staple entirely' })).error).toBeNull();
    const again = await auth('implicit').signInWithPassword({ ...ann, password: 'another staple entirely' });
    expect(again.error).toBeNull();
  });

  it('signs in by a link; another browser cannot exchange its code', async () => {
    const ann = await addPerson(app);
    const [portal, other] = [auth('pkce'), auth('pkce')];
    expect((await portal.signInWithOtp({ email: ann.email })).error).toBeNull();
    const code = codeIn(await follow(ann.email));
    await other.signInWithOtp({ email: 'somebody@example.com' });
    expect((await other.exchangeCodeForSession(code)).error).toMatchObject({ code: 'bad_code_verifier' });
    expect((await portal.exchangeCodeForSession(code)).data.user?.id).toBe(ann.id);
  });
});

describe('supabase-js without', () => {
  it('signs in by the code of a mail', async () => {
    const ann = await addPerson(app);
    const portal = auth('implicit');
    expect(await portal.signInWithOtp({ email: ann.email })).toEqual({
      data: { user: null, session: null },
      error: null,
    });
    const { subject = '' } = await app.mailbox.next(ann.email);
    const { data, error } = await portal.verifyOtp({ type: 'email', email: ann.email, token: subject.slice(0, 6) });
    expect([error, data.user?.id]).toEqual([null, ann.id]);
  });

  it('is told no more of an address that nobody has', async () => {
    const portal = auth('implicit');
    const [email, options] = ['nobody@example.com', { shouldCreateUser: false }];
    expect((await portal.signInWithOtp({ email, options })).error).toBeNull();
    expect((await portal.signInWithOtp({ email, options })).error).toMatchObject({
      status: 429,
      code: 'over_email_send_rate_limit',
    });
  });

  it('has the mail of a sign-up sent again', async () => {
    const portal = auth('implicit');
    const email = 'impatient@example.com';
    await portal.signUp({ email, password: PASSWORD });
    await app.mailbox.next(email);
    app.clock.advance(61);
    expect((await portal.resend({ type: 'signup', email })).error).toBeNull();
    const { access_token = '', refresh_token = '', type } = tokensIn(await follow(email));
    expect(type).toBe('signup');
    expect((await portal.setSession({ access_token, refresh_token })).data.user?.email).toBe(email);
  });

  it('changes an address, when both agree', async () => {
    const ann = await addPerson(app);
    const portal = auth('implicit');
    await portal.signInWithPassword(ann);
    const email = 'ann.elsewhere@example.com';
    expect((await portal.updateUser({ email })).data.user?.new_email).toBe(email);
    expect(tokensIn(await follow(email)).message).toMatch(/other email/);
    expect(tokensIn(await follow(ann.email)).type).toBe('email_change');
    expect((await portal.getUser()).data.user?.email).toBe(email);
  });
});

describe('supabase-js for a backend', () => {
  it('invites somebody, who accepts', async () => {
    const email = 'guest@example.com';
    const invited = await backend().inviteUserByEmail(email, { data: { desk: 12 }, redirectTo: `${PORTAL}/welcome` });
    expect([invited.error, invited.data.user?.user_metadata]).toEqual([null, { desk: 12 }]);
    const there = await follow(email);
    expect([there.pathname, tokensIn(there).type]).toEqual(['/welcome', 'invite']);
    expect((await backend().inviteUserByEmail(email)).error).toMatchObject({ code: 'email_exists' });
  });

  it('makes links of every type', async () => {
    const admin = backend();
    const ann = await addPerson(app);
    const { email } = ann;
    const links = [
      await admin.generateLink({ type: 'recovery', email }),
      await admin.generateLink({ type: 'magiclink', email }),
      await admin.generateLink({ type: 'email_change_current', email, newEmail: 'ann.next@example.com' }),
      await admin.generateLink({ type: 'email_change_new', email, newEmail: 'ann.next@example.com' }),
      await admin.generateLink({ type: 'signup', email: 'made@example.com', password: PASSWORD }),
      await admin.generateLink({ type: 'invite', email: 'asked@example.com' }),
    ];
    for (const { data, error } of links) {
      expect(error).toBeNull();
      expect(data.user?.id).toBeTypeOf('string');
      expect(new URL(data.properties?.action_link ?? '').searchParams.get('token')).toBe(data.properties?.hashed_token);
    }
    const made = links[4]?.data.properties;
    const verified = await auth('implicit').verifyOtp({ type: 'signup', token_hash: made?.hashed_token ?? '' });
    expect([verified.error, verified.data.user?.email]).toEqual([null, 'made@example.com']);
    expect((await admin.generateLink({ type: 'recovery', email: 'nobody@example.com' })).error?.code).toBe(
      'user_not_found',
    );
  });
});
