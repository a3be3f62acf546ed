/** A token proves what it was sent for, and nothing else (CVE class 15): every kind at every door that takes one. */
import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { startApp } from '../harness/app.ts';
import { addPerson, addSignedInPerson, bearer, serviceKey } from '../harness/people.ts';

const app = await startApp({
  env: { GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '100000', GATEHOUSE_LOCKOUT_MAX_ATTEMPTS: '1000' },
});
afterAll(() => app.close());
const { request } = app;
const service = bearer(serviceKey(app));

const presented = ['signup', 'invite', 'recovery', 'magiclink', 'email', 'email_change'] as const;
/** As what a link of each kind passes (contract §7.3). */
const passes: Record<string, readonly string[]> = {
  signup: ['signup', 'invite', 'email'],
  invite: ['signup', 'invite', 'email'],
  magiclink: ['recovery', 'magiclink', 'email'],
  recovery: ['recovery', 'magiclink', 'email'],
  email_change_current: ['email_change'],
  email_change_new: ['email_change'],
};

interface Link {
  /** Where the code went. */
  email: string;
  email_otp: string;
  hashed_token: string;
}

async function made(type: string): Promise<Link> {
  const isNew = type === 'signup' || type === 'invite';
  const email = isNew ? `new.${randomUUID()}@example.com` : (await addPerson(app)).email;
  const new_email = `next.${randomUUID()}@example.com`;
  const { body } = await request
    .post('/admin/generate_link')
    .set(service)
    .send({ type, email, new_email, password: 'correct horse battery' });
  return { ...body, email: type === 'email_change_new' ? new_email : email };
}

const verify = (body: object) => request.post('/verify').send(body);

describe.each(Object.keys(passes))('of a link for %s', (type) => {
  test.each(presented)('the token and the code, as %s', async (as) => {
    const byToken = await made(type);
    const token = await verify({ type: as, token_hash: byToken.hashed_token });
    const byCode = await made(type);
    const code = await verify({ type: as, email: byCode.email, token: byCode.email_otp });
    const expected = passes[type]?.includes(as) ? 200 : 403;
    expect([token.status, code.status]).toEqual([expected, expected]);
    if (expected === 403) {
      expect([token.body.error_code, code.body.error_code]).toEqual(['otp_expired', 'otp_expired']);
      const [first] = passes[type] ?? [];
      expect((await verify({ type: first, token_hash: byToken.hashed_token })).status).toBe(200);
    }
  });

  test('neither is a session, a refresh token, or a code for the exchange', async () => {
    const { hashed_token, email_otp } = await made(type);
    for (const secret of [hashed_token, email_otp]) {
      expect((await request.get('/user').set(bearer(secret))).status).toBe(403);
      const refreshed = await request.post('/token?grant_type=refresh_token').send({ refresh_token: secret });
      expect(refreshed.status).toBe(400);
      const exchange = { auth_code: secret, code_verifier: 'x'.repeat(43) };
      expect((await request.post('/token?grant_type=pkce').send(exchange)).body.error_code).toBe(
        'flow_state_not_found',
      );
    }
  });
});

test('the code of a reauthentication is none of a sign-in', async () => {
  const ann = await addSignedInPerson(app);
  await request.get('/reauthenticate').set(bearer(ann.access_token));
  const { subject = '' } = await app.mailbox.next(ann.email);
  const token = subject.slice(0, 6);
  expect(token).toMatch(/^\d{6}$/);
  for (const type of presented) {
    expect((await verify({ type, email: ann.email, token })).body.error_code).toBe('otp_expired');
  }
});

test('what a session has is no link', async () => {
  const { access_token, refresh_token } = await addSignedInPerson(app);
  for (const token_hash of [access_token, refresh_token]) {
    for (const type of presented) expect((await verify({ type, token_hash })).body.error_code).toBe('otp_expired');
  }
});
