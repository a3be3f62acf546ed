import { createHash, randomUUID } from 'node:crypto';
import type { Response } from 'supertest';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { inTransaction } from '../../src/db/database.ts';
import { mailOneTimeToken } from '../../src/one-time-tokens/mail-token.ts';
import type { OneTimeTokenType } from '../../src/one-time-tokens/one-time-tokens.ts';
import { auditRowsOf, startApp } from '../harness/app.ts';
import { atOnce } from '../harness/at-once.ts';
import { rfc3339 } from '../harness/clock.ts';
import { addPerson, bearer, claimsOf, type Person, type UserColumns } from '../harness/people.ts';

const app = await startApp({
  env: {
    GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '100000',
    GATEHOUSE_LOCKOUT_MAX_ATTEMPTS: '5',
    GATEHOUSE_LOCKOUT_DURATION: '60',
  },
});
afterAll(() => app.close());
const { database, clock, gatehouse, mailbox, request } = app;

const PASSWORD = 'correct horse battery';
const PORTAL = 'http://localhost:3000';
const FORGED = '0'.repeat(56);

/** A token as a mail carries it: what the link has, and the code, which the templates of a portal may show. */
async function mailed(
  person: { id: string; email: string },
  token_type: OneTimeTokenType = 'confirmation_token',
  { to = person.email, pkce = false } = {},
): Promise<{ token_hash: string; code: string }> {
  let code = '';
  await inTransaction(gatehouse.db, (tx) =>
    mailOneTimeToken(
      tx,
      {
        ...gatehouse,
        mailer: {
          ...gatehouse.mailer,
          enqueue: async (_tx, mail) => {
            code = mail.variables.Token;
          },
        },
      },
      {
        kind: 'confirmation',
        token_type,
        link: 'signup',
        user: { ...person, raw_user_meta_data: {} },
        to,
        pkce,
        redirect_to: PORTAL,
        now: clock.now(),
      },
    ),
  );
  const { rows } = await database.pool.query(
    'select token_hash from auth.one_time_tokens where user_id = $1 and token_type = $2',
    [person.id, token_type],
  );
  return { token_hash: rows[0].token_hash, code };
}

const unconfirmed = (columns: UserColumns = {}) => addPerson(app, { email_confirmed_at: null, ...columns });
const click = (token: string, type = 'signup', redirect_to = `${PORTAL}/welcome`) =>
  request.get('/verify').query({ token, type, redirect_to });
const present = (body: Record<string, unknown>) => request.post('/verify').send(body);
const typed = ({ email }: { email: string }, token: string, type = 'signup') => present({ type, email, token });
const fragmentOf = (location: string) => Object.fromEntries(new URLSearchParams(location.split('#')[1]));
const queryOf = (location: string) => Object.fromEntries(new URL(location).searchParams);
const wrongFor = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0');

async function rowOf({ id }: { id: string }) {
  const { rows } = await database.pool.query('select * from auth.users where id = $1', [id]);
  return rows[0];
}
const count = async (sql: string, ...values: unknown[]) =>
  (await database.pool.query(`select count(*)::int as n ${sql}`, values)).rows[0].n as number;

describe('the link of a mail', () => {
  test('brings its reader to the portal, signed in, once', async () => {
    const ann = await unconfirmed();
    const { token_hash } = await mailed(ann);
    const response = await click(token_hash);

    expect(response.status).toBe(303);
    expect(response.headers['cache-control']).toBe('no-store');
    expect(response.text).not.toContain('access_token');
    const { location = '' } = response.headers;
    expect(location.startsWith(`${PORTAL}/welcome#access_token=`)).toBe(true);
    const { access_token = '', refresh_token, ...rest } = fragmentOf(location);
    const { exp } = claimsOf(access_token);
    expect(rest).toEqual({ expires_at: String(exp), expires_in: '1800', sb: '', token_type: 'bearer', type: 'signup' });
    expect(claimsOf(access_token)).toMatchObject({ sub: ann.id, amr: [{ method: 'otp' }] });
    expect((await request.get('/user').set(bearer(access_token))).status).toBe(200);
    expect((await request.post('/token?grant_type=refresh_token').send({ refresh_token })).status).toBe(200);

    const again = await click(token_hash);
    expect(again.headers.location).toBe(
      `${PORTAL}/welcome#error=access_denied&error_code=otp_expired&error_description=Email+link+is+invalid+or+has+expired&sb=`,
    );
    expect(await auditRowsOf(app, again)).toMatchObject([
      { action: 'verification_failed', outcome: 'failure', error_code: 'otp_expired' },
    ]);
  });

  test('confirms the address in the row, in the identity and in the metadata, and is on record', async () => {
    const ann = await unconfirmed({ raw_app_meta_data: null });
    await database.pool.query(
      `update auth.identities set identity_data = identity_data || '{"email_verified": false}'`,
    );
    await mailed(ann, 'recovery_token');
    const response = await present({ type: 'signup', token_hash: (await mailed(ann)).token_hash });

    expect(response.status).toBe(200);
    expect(response.body.user).toMatchObject({
      email_confirmed_at: rfc3339(clock.now()),
      app_metadata: { provider: 'email', providers: ['email'] },
      user_metadata: { email_verified: true },
      identities: [{ identity_data: { email_verified: true } }],
    });
    expect(await rowOf(ann)).toMatchObject({ confirmation_token: '', recovery_token: '' });
    expect(await count('from auth.one_time_tokens where user_id = $1', ann.id)).toBe(0);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'user_signedup', outcome: 'success', subject_id: ann.id, details: { provider: 'email' } },
    ]);
  });

  test('of two hundred clicks at once one signs in', async () => {
    const ann = await unconfirmed();
    const { token_hash } = await mailed(ann);
    const answers = await atOnce(database, ann.id, () =>
      Array.from({ length: 200 }, (_, i) => (i % 2 ? present({ type: 'signup', token_hash }) : click(token_hash))),
    );
    const signedIn = answers.filter(
      ({ status, headers }) => status === 200 || headers.location?.includes('access_token'),
    );
    expect(signedIn).toHaveLength(1);
    expect(await count('from auth.sessions where user_id = $1', ann.id)).toBe(1);
  });

  // Mail scanners look at links before their reader does. What they GET is used up: docs/running.md says what to do there.
  test('is not used up by a HEAD', async () => {
    const ann = await unconfirmed();
    const { token_hash } = await mailed(ann);
    const looked = await request.head('/verify').query({ token: token_hash, type: 'signup' });
    expect([looked.status, looked.headers.location]).toEqual([405, undefined]);
    expect((await present({ type: 'signup', token_hash })).status).toBe(200);
  });

  test('is dead after its time, and not before', async () => {
    const ann = await unconfirmed();
    const { token_hash } = await mailed(ann);
    clock.advance(86_400);
    expect((await present({ type: 'signup', token_hash })).body.error_code).toBe('otp_expired');
    clock.advance(-1);
    expect((await present({ type: 'signup', token_hash })).status).toBe(200);
  });

  test('nothing like it passes for it', async () => {
    const { token_hash } = await mailed(await unconfirmed());
    const { token_hash: marked } = await mailed(await unconfirmed(), 'confirmation_token', { pkce: true });
    const alike = [
      token_hash.slice(1),
      token_hash.slice(0, -1),
      `${token_hash}0`,
      ` ${token_hash}`,
      token_hash.toUpperCase(),
      `pkce_${token_hash}`,
      marked.slice(5),
      `${token_hash}%`,
      '%',
      FORGED,
    ];
    for (const token of alike) {
      const response = await present({ type: 'signup', token_hash: token });
      expect([response.status, response.body.error_code]).toEqual([403, 'otp_expired']);
    }
    expect((await present({ type: 'signup', token_hash })).status).toBe(200);
  });

  const passesAs = {
    confirmation_token: ['signup', 'invite', 'email'],
    recovery_token: ['recovery', 'magiclink', 'email'],
    email_change_token_new: ['email_change'],
    email_change_token_current: ['email_change'],
    reauthentication_token: [],
  } as const;
  const types = [
    'signup',
    'invite',
    'recovery',
    'magiclink',
    'email',
    'email_change',
    'reauthentication',
    'sms',
    'phone_change',
  ];
  const others = Object.entries(passesAs).flatMap(([token_type, own]) =>
    types.filter((type) => !(own as readonly string[]).includes(type)).map((type) => [token_type, type] as const),
  );

  test.each(others)('of a %s does not pass as %s', async (token_type, type) => {
    const ann = await addPerson(app, { email_change: 'next@example.com' });
    const { token_hash, code } = await mailed(ann, token_type as OneTimeTokenType);
    const before = await rowOf(ann);
    for (const response of [
      await present({ type, token_hash }),
      await typed(ann, code, type),
      await click(token_hash, type),
    ]) {
      expect([303, 400, 403]).toContain(response.status);
      expect(response.headers.location ?? '').not.toContain('access_token');
    }
    expect(await rowOf(ann)).toEqual(before);
  });

  test.each(Object.entries(passesAs).flatMap(([token_type, own]) => own.map((type) => [token_type, type] as const)))(
    'of a %s passes as %s',
    async (token_type, type) => {
      const ann = await addPerson(app, { email_change: `next.${randomUUID()}@example.com` });
      const { token_hash } = await mailed(ann, token_type as OneTimeTokenType);
      expect((await present({ type, token_hash })).status).toBe(200);
    },
  );

  test('tells a type that there is none of, whatever JavaScript has under its name', async () => {
    for (const type of ['nothing', 'constructor', '__proto__', 'toString', 'Signup']) {
      const response = await present({ type, token_hash: FORGED });
      expect([response.status, response.body.error_code]).toEqual([400, 'validation_failed']);
      expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'verification_failed' }]);
      const clicked = await click(FORGED, type);
      expect(fragmentOf(clicked.headers.location ?? '')).toMatchObject({
        error: 'invalid_request',
        error_code: 'validation_failed',
      });
      expect(await auditRowsOf(app, clicked)).toMatchObject([{ action: 'verification_failed' }]);
    }
  });

  test('of somebody banned is refused and stays what it is; of somebody deleted it is dead', async () => {
    const ann = await unconfirmed({ banned_until: new Date(clock.now().getTime() + 60_000).toISOString() });
    const { token_hash } = await mailed(ann);
    const response = await click(token_hash);
    expect(fragmentOf(response.headers.location ?? '')).toMatchObject({
      error: 'access_denied',
      error_code: 'user_banned',
    });
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'verification_failed', error_code: 'user_banned', subject_id: ann.id },
    ]);
    clock.advance(61);
    expect((await present({ type: 'signup', token_hash })).status).toBe(200);

    const gone = await unconfirmed();
    const { token_hash: theirs } = await mailed(gone);
    await database.pool.query('update auth.users set deleted_at = now() where id = $1', [gone.id]);
    expect((await present({ type: 'signup', token_hash: theirs })).body.error_code).toBe('otp_expired');
  });

  test('that GoTrue sent before the move works, and so does its code', async () => {
    const [ann, bob] = [await unconfirmed(), await unconfirmed()];
    for (const { id, email } of [ann, bob]) {
      const hash = createHash('sha224').update(`${email}482913`).digest('hex');
      await database.pool.query(
        'update auth.users set confirmation_token = $2, confirmation_sent_at = $3 where id = $1',
        [id, hash, clock.now().toISOString()],
      );
      await database.pool.query(
        `insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to) values (gen_random_uuid(), $1, 'confirmation_token', $2, $3)`,
        [id, hash, email],
      );
    }
    const link = createHash('sha224').update(`${ann.email}482913`).digest('hex');
    expect((await present({ type: 'signup', token_hash: link })).status).toBe(200);
    expect((await typed(bob, '482914')).status).toBe(403);
    expect((await typed(bob, '482913')).status).toBe(200);
  });

  test('of a PKCE flow hands out the flow’s code, and no session before its exchange', async () => {
    const email = `pkce.${randomUUID()}@example.com`;
    const challenge = { code_challenge: 'x'.repeat(43), code_challenge_method: 's256' };
    const { body } = await request.post('/signup').send({ email, password: PASSWORD, ...challenge });
    const link = new URL((await mailbox.next(email)).links[0] ?? '');
    const response = await click(link.searchParams.get('token') ?? '', 'signup', `${PORTAL}/x?a=1&code=own#part`);

    const { rows } = await database.pool.query(
      'select auth_code, auth_code_issued_at from auth.flow_state where user_id = $1',
      [body.id],
    );
    expect(response.headers.location).toBe(`${PORTAL}/x?a=1&code=${rows[0].auth_code}#part`);
    expect(rows[0].auth_code_issued_at).toBe(rfc3339(clock.now()));
    expect(await count('from auth.sessions where user_id = $1', body.id)).toBe(0);
    const dead = await click(link.searchParams.get('token') ?? '');
    expect(queryOf(dead.headers.location ?? '')).toMatchObject({ error_code: 'otp_expired' });
    expect(fragmentOf(dead.headers.location ?? '')).toMatchObject({ error_code: 'otp_expired' });
  });

  test('of a flow that nobody began is not used up', async () => {
    const ann = await unconfirmed();
    const { token_hash } = await mailed(ann, 'confirmation_token', { pkce: true });
    const response = await click(token_hash);
    expect(fragmentOf(response.headers.location ?? '')).toMatchObject({ error_code: 'flow_state_not_found' });
    expect(await auditRowsOf(app, response)).toHaveLength(1);
    expect((await present({ type: 'signup', token_hash })).status).toBe(200);
  });

  test('leads to the portal with a word of it when something of ours breaks, and still works afterwards', async () => {
    const ann = await unconfirmed();
    const { token_hash } = await mailed(ann);
    await database.pool.query(
      `alter table audit.events add constraint broken check (action <> 'user_signedup') not valid`,
    );
    const response = await click(token_hash);
    expect(fragmentOf(response.headers.location ?? '')).toEqual({
      error: 'server_error',
      error_code: 'unexpected_failure',
      error_description: 'Unexpected failure, please check server logs for more information',
      sb: '',
    });
    await database.pool.query('alter table audit.events drop constraint broken');
    expect(await rowOf(ann)).toMatchObject({ email_confirmed_at: null, confirmation_token: token_hash });
    expect((await click(token_hash)).headers.location).toContain('access_token');
  });

  test('without a type or a token is no link', async () => {
    for (const path of ['/verify', '/verify?type=signup', '/verify?token=abc', '/verify?token=&type=signup']) {
      const response = await request.get(path);
      expect([response.status, response.body.error_code]).toEqual([400, 'validation_failed']);
      expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'verification_failed' }]);
    }
  });
});

describe('the code of a mail', () => {
  test('signs in whoever has it and the address, in whatever case; its link dies with it', async () => {
    const ann = await unconfirmed();
    const { token_hash, code } = await mailed(ann);
    const response = await present({ type: 'signup', email: ann.email.toUpperCase(), token: code });
    expect([response.status, response.body.user?.id]).toEqual([200, ann.id]);
    expect((await present({ type: 'signup', token_hash })).body.error_code).toBe('otp_expired');
    expect((await typed(ann, code)).body.error_code).toBe('otp_expired');
  });

  test('is refused with another address, another audience, another type, and blanks around it', async () => {
    const [ann, bob] = [await unconfirmed(), await unconfirmed()];
    const { code } = await mailed(ann);
    await mailed(bob);
    const wrong = [
      await typed(bob, code),
      await typed(ann, code, 'recovery'),
      await typed(ann, ` ${code}`),
      await typed({ email: 'nobody@example.com' }, code),
      await typed(ann, code).set('X-JWT-AUD', 'partners'),
    ];
    for (const response of wrong) {
      expect([response.status, response.body.error_code, response.body.msg]).toEqual([
        403,
        'otp_expired',
        'Token has expired or is invalid',
      ]);
    }
    expect((await typed(ann, code)).status).toBe(200);
  });

  test('lives for an hour, its link for a day', async () => {
    const ann = await unconfirmed();
    const { token_hash, code } = await mailed(ann);
    clock.advance(3600);
    expect((await typed(ann, code)).status).toBe(403);
    expect((await present({ type: 'signup', token_hash })).status).toBe(200);
  });

  test('after five wrong ones the right one is refused too, for a while; the link is not', async () => {
    const ann = await unconfirmed();
    const { code, token_hash } = await mailed(ann);
    const wrong = wrongFor(code);
    for (let i = 0; i < 5; i++) expect((await typed(ann, wrong)).status).toBe(403);
    const locked = await typed(ann, code);
    expect([locked.status, locked.body.error_code]).toEqual([403, 'otp_expired']);
    expect(await auditRowsOf(app, locked)).toMatchObject([
      { action: 'verification_failed', reason: 'right code; locked', subject_id: ann.id },
    ]);
    clock.advance(61);
    expect((await typed(ann, wrong)).status).toBe(403);
    clock.advance(61);
    // Twice as long the second time.
    expect((await typed(ann, code)).status).toBe(403);
    clock.advance(60);
    expect((await typed(ann, code)).status).toBe(200);

    const bob = await unconfirmed();
    const second = await mailed(bob);
    for (let i = 0; i < 5; i++) await typed(bob, wrongFor(second.code));
    expect((await present({ type: 'signup', token_hash: second.token_hash })).status).toBe(200);
    expect(token_hash).not.toBe(second.token_hash);
  });

  test('a hundred guesses at once are five guesses', async () => {
    const ann = await unconfirmed();
    const { code } = await mailed(ann);
    const wrong = wrongFor(code);
    const guesses = await atOnce(database, ann.id, () => Array.from({ length: 100 }, () => typed(ann, wrong)));
    expect(new Set(guesses.map(({ status }) => status))).toEqual(new Set([403]));
    const { rows } = await database.pool.query(
      `select reason, count(*)::int as n from audit.events where action = 'verification_failed' and subject_id = $1 group by reason order by reason`,
      [ann.id],
    );
    expect(rows).toEqual([
      { reason: 'wrong code; locked', n: 95 },
      { reason: 'wrong or expired code', n: 5 },
    ]);
    expect(await count(`from audit.events where action = 'account_locked' and subject_id = $1`, ann.id)).toBe(1);
    expect((await typed(ann, code)).status).toBe(403);
  });

  test('a new mail does not give new guesses, a right code does', async () => {
    const ann = await addPerson(app);
    const first = await mailed(ann, 'recovery_token');
    for (let i = 0; i < 4; i++) await typed(ann, wrongFor(first.code), 'recovery');
    const second = await mailed(ann, 'recovery_token');
    expect((await typed(ann, wrongFor(second.code), 'magiclink')).status).toBe(403);
    expect((await typed(ann, second.code, 'recovery')).status).toBe(403);
    clock.advance(61);
    expect((await typed(ann, second.code, 'recovery')).status).toBe(200);
    const third = await mailed(ann, 'recovery_token');
    for (let i = 0; i < 4; i++) await typed(ann, wrongFor(third.code), 'recovery');
    expect((await typed(ann, third.code, 'recovery')).status).toBe(200);
  });

  test('of nobody is refused in the words of everybody, and counted as well', async () => {
    const ann = await unconfirmed();
    const { code } = await mailed(ann);
    const nobody = { email: `nobody.${randomUUID()}@example.com` };
    const known: Response[] = [];
    const unknown: Response[] = [];
    for (let i = 0; i < 7; i++) {
      known.push(await typed(ann, wrongFor(code)));
      unknown.push(await typed(nobody, wrongFor(code)));
    }
    const words = ({ status, text, headers }: Response) => {
      const { 'x-request-id': _id, date: _date, ...rest } = headers;
      return { status, text, headers: rest };
    };
    expect(unknown.map(words)).toEqual(known.map(words));
    const last = unknown.at(-1);
    if (!last) throw new Error('no answer');
    expect(await auditRowsOf(app, last)).toMatchObject([{ reason: 'wrong code; locked', subject_id: null }]);
  });

  // Of whom nobody ever lets in again PostgreSQL says `infinity`, and it knows years that JavaScript does not.
  test.each(['2999-01-01', '12026-01-01', 'infinity'])('banned until %s, only the right one tells', async (until) => {
    const ann = await unconfirmed({ banned_until: until });
    const { code } = await mailed(ann);
    expect((await typed(ann, wrongFor(code))).body.error_code).toBe('otp_expired');
    expect((await typed(ann, code)).body.error_code).toBe('user_banned');
  });

  test.each(['0044-03-15 BC', '-infinity'])('banned until %s, nobody is banned', async (until) => {
    const ann = await unconfirmed({ banned_until: until });
    const { code } = await mailed(ann);
    expect((await typed(ann, code)).status).toBe(200);
  });
});

describe('whoever proves an address', () => {
  const signedUpBy = async (password: string): Promise<Person> => {
    const email = `prepared.${randomUUID()}@example.com`;
    const { body } = await request.post('/signup').send({ email, password, data: { planted: true } });
    return { id: body.id, email, password };
  };

  test.each(['recovery', 'magiclink'])('by a mail of %s, gets nothing of what a sign-up left there', async (type) => {
    const person = await signedUpBy('what a stranger knows');
    const { token_hash } = await mailed(person, 'recovery_token');
    const response = await present({ type, token_hash });
    expect(response.status).toBe(200);
    expect(response.body.user).toMatchObject({ email_confirmed_at: rfc3339(clock.now()) });
    expect(response.body.user.user_metadata).toEqual({
      sub: person.id,
      email: person.email,
      email_verified: true,
      phone_verified: false,
    });
    const { encrypted_password } = await rowOf(person);
    expect(encrypted_password).toMatch(/^\$argon2id\$/);
    const signIn = await request.post('/token?grant_type=password').send(person);
    expect(signIn.body.error_code).toBe('invalid_credentials');
  });

  test('by an invitation, neither', async () => {
    const person = await signedUpBy('what a stranger knows');
    await database.pool.query('update auth.users set invited_at = now() where id = $1', [person.id]);
    const { token_hash } = await mailed(person);
    const { body } = await present({ type: 'invite', token_hash });
    expect(body.user.user_metadata.planted).toBeUndefined();
    expect((await request.post('/token?grant_type=password').send(person)).body.error_code).toBe('invalid_credentials');
  });

  test('of an account that an administrator prepared, gets it as it was prepared', async () => {
    const person = await unconfirmed({ raw_user_meta_data: { desk: 7 } });
    const { token_hash } = await mailed(person, 'recovery_token');
    const { body } = await present({ type: 'recovery', token_hash });
    expect(body.user.user_metadata).toEqual({ desk: 7, email_verified: true });
    expect((await request.post('/token?grant_type=password').send(person)).status).toBe(200);
  });

  test('of an account without a password, has one that nobody knows', async () => {
    const person = await unconfirmed({ encrypted_password: '', invited_at: '2027-01-01', raw_user_meta_data: {} });
    const { token_hash } = await mailed(person);
    expect((await present({ type: 'invite', token_hash })).status).toBe(200);
    expect((await rowOf(person)).encrypted_password).toMatch(/^\$argon2id\$/);
  });

  test('of a confirmed account, is signed in, and what was pending is dead', async () => {
    const person = await addPerson(app);
    const change = await mailed(person, 'email_change_token_current');
    const { token_hash } = await mailed(person, 'recovery_token');
    const response = await present({ type: 'recovery', token_hash });
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'login', outcome: 'success', subject_id: person.id },
    ]);
    expect((await present({ type: 'email_change', token_hash: change.token_hash })).status).toBe(403);
    expect(await rowOf(person)).toMatchObject({ email_change_token_current: '', recovery_token: '' });
  });
});

describe('POST /verify', () => {
  afterEach(() => mailbox.clear());

  test.each([
    [{}, 400, 'Verify requires a verification type'],
    [{ type: 'signup' }, 400, 'Verify requires either a token or a token hash'],
    [{ type: 'signup', token: '1', token_hash: '2' }, 400, 'Verify requires either a token or a token hash'],
    [{ type: 'signup', token: '1' }, 400, 'Only an email address or phone number should be provided on verify'],
    [
      { type: 'signup', token: '1', email: 'a@b.c', phone: '15550001111' },
      400,
      'Only an email address or phone number should be provided on verify',
    ],
    [{ type: 'signup', token_hash: 'x', email: 'a@b.c' }, 400, 'Only the token_hash and type should be provided'],
    [{ type: 'signup', token_hash: 'x', redirect_to: PORTAL }, 400, 'Only the token_hash and type should be provided'],
    [{ type: 'signup', token: '1', email: 'no address' }, 422, 'Invalid email format'],
    [{ type: 'sms', token: '1', phone: '15550001111' }, 403, 'Token has expired or is invalid'],
  ])('%j is refused, and on record', async (body, status, msg) => {
    const response = await present(body);
    expect([response.status, response.body.msg]).toEqual([status, msg]);
    expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'verification_failed', outcome: 'failure' }]);
  });
});
