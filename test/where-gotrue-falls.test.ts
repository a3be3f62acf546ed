/**
 * Where a real GoTrue was seen to fall, and gatehouse stands: one `describe` per measured weakness, by its number in
 * docs/weaknesses.md (measured falls). What a room's own tests hold in detail is tried here once, on the whole service.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, describe, expect, it, test } from 'vitest';
import { createPasswords } from '../src/passwords/passwords.ts';
import { auditRows, auditRowsOf, SECRET_KEY, startApp } from './harness/app.ts';
import { addPerson, addSignedInPerson, bearer, claimsOf, mintJwt, serviceKey } from './harness/people.ts';

const app = await startApp({
  env: {
    GATEHOUSE_JWT_ISSUER: 'https://auth.portal.example',
    // A portal that sends codes: the mail itself has the link alone.
    GATEHOUSE_MAILER_SUBJECTS_CONFIRMATION: '{{ .Token }} is your code',
  },
});
afterAll(() => app.close());

const PASSWORD = 'correct horse battery';
const signUp = (body: Record<string, unknown>) => app.request.post('/signup').send(body);
const signIn = ({ email, password }: { email: string; password: string }) =>
  app.request.post('/token?grant_type=password').send({ email, password });
const usersOf = async (email: string) =>
  (await app.database.pool.query('select * from auth.users where email = $1', [email])).rows;

/** The link's token and the six digits of the next mail to this address. */
async function mailTo(email: string): Promise<{ token_hash: string; token: string }> {
  const { links, subject = '' } = await app.mailbox.next(email);
  return { token_hash: new URL(links[0] ?? '').searchParams.get('token') ?? '', token: subject.slice(0, 6) };
}
/** Past the time that a person waits between two mails. */
const waitForNextMail = () => app.clock.advance(61);

describe('1: a one-time token used twice', () => {
  it('two hundred redemptions of one link at once: one session', async () => {
    const email = 'once@example.com';
    await signUp({ email, password: PASSWORD });
    const { token_hash } = await mailTo(email);
    const redeem = () => app.request.post('/verify').send({ type: 'signup', token_hash });
    const answers = await Promise.all(Array.from({ length: 200 }, redeem));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(new Set(answers.filter(({ status }) => status !== 200).map(({ body }) => body.error_code))).toEqual(
      new Set(['otp_expired']),
    );
    const [user] = await usersOf(email);
    const sessions = await app.database.pool.query('select 1 from auth.sessions where user_id = $1', [user.id]);
    expect(sessions.rowCount).toBe(1);
  });
});

describe('1 and 6: a code for the exchange', () => {
  const verifier = 'v'.repeat(43);
  const exchange = (auth_code: string, code_verifier: string) =>
    app.request.post('/token?grant_type=pkce').send({ auth_code, code_verifier });
  async function codeOf(email: string): Promise<string> {
    const code_challenge = createHash('sha256').update(verifier).digest('base64url');
    await app.request.post('/recover').send({ email, code_challenge, code_challenge_method: 's256' });
    const { search } = new URL((await app.mailbox.next(email)).links[0] ?? '');
    const { location = '' } = (await app.request.get(`/verify${search}`)).headers;
    return new URL(location).searchParams.get('code') ?? '';
  }

  it('fifty exchanges at once: one session', async () => {
    const code = await codeOf((await addPerson(app)).email);
    const answers = await Promise.all(Array.from({ length: 50 }, () => exchange(code, verifier)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('thirty wrong verifiers: the right one comes too late', async () => {
    const code = await codeOf((await addPerson(app)).email);
    await Promise.all(Array.from({ length: 30 }, (_, i) => exchange(code, String(i).repeat(43))));
    expect((await exchange(code, verifier)).body.error_code).toBe('bad_code_verifier');
  });
});

describe('3: an account prepared for somebody else', () => {
  it('the last password given before the proof counts, the one before it is dead', async () => {
    const email = 'victim@example.com';
    await signUp({ email, password: 'the attacker knows this', data: { planted: true } });
    await mailTo(email);
    waitForNextMail();
    await signUp({ email, password: 'chosen by the owner' });
    const { token_hash } = await mailTo(email);
    const confirmed = await app.request.post('/verify').send({ type: 'signup', token_hash });
    expect(confirmed.status).toBe(200);
    expect(confirmed.body.user.user_metadata).not.toHaveProperty('planted');
    expect((await signIn({ email, password: 'the attacker knows this' })).body.error_code).toBe('invalid_credentials');
    expect((await signIn({ email, password: 'chosen by the owner' })).status).toBe(200);
  });
});

describe('6: guesses that belong to nobody', () => {
  it('wrong passwords are counted on the account, whoever sends them: the right one is refused too', async () => {
    const ann = await addPerson(app);
    for (let n = 0; n < 10; n++) await signIn({ email: ann.email, password: `guess ${n}` });
    expect((await signIn(ann)).body.error_code).toBe('invalid_credentials');
  });

  it('wrong codes are counted on the account: a hundred at once, and the right one after them is refused', async () => {
    const email = 'guessed@example.com';
    await signUp({ email, password: PASSWORD });
    const { token } = await mailTo(email);
    const guess = (code: string) => app.request.post('/verify').send({ type: 'signup', email, token: code });
    const wrong = Array.from({ length: 100 }, (_, n) => String(100_000 + n)).filter((code) => code !== token);
    const answers = await Promise.all(wrong.map(guess));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([403]));
    expect((await guess(token)).body.error_code).toBe('otp_expired');
  });
});

describe('7: limits that go by the text of a header', () => {
  it('a client that nobody declared a proxy gains nothing by naming others', async () => {
    const limited = await startApp({
      database: app.database,
      mailbox: app.mailbox,
      clock: app.clock,
      env: { GATEHOUSE_RATE_LIMIT_LOOPBACK: 'true' },
    });
    try {
      const statuses: number[] = [];
      for (let n = 0; n < 31; n++) {
        const answer = await limited.request
          .post('/token?grant_type=password')
          .set('X-Forwarded-For', n % 2 ? `203.0.113.${n}` : `::ffff:203.0.113.${n}, nonsense`)
          .send({ email: 'nobody@example.com', password: 'x' });
        statuses.push(answer.status);
      }
      expect(statuses).toEqual([...Array(30).fill(400), 429]);
    } finally {
      await limited.close();
    }
  });
});

describe('9: seventy-two bytes open it', () => {
  it('a new password counts to its last character', async () => {
    const long = 'x'.repeat(100);
    const email = 'long@example.com';
    const made = await app.request
      .post('/admin/users')
      .set(bearer(serviceKey(app)))
      .send({ email, password: long, email_confirm: true });
    expect(made.status).toBe(200);
    expect((await signIn({ email, password: long.slice(0, 72) })).status).toBe(400);
    expect((await signIn({ email, password: `${long.slice(0, 99)}y` })).status).toBe(400);
    expect((await signIn({ email, password: long })).status).toBe(200);
  });
});

describe('11: existence in words', () => {
  const bytes = ({ status, text }: { status: number; text: string }, email: string) => [
    status,
    text
      .replaceAll(email, '{email}')
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '{id}')
      .replace(/"\d{4}-[^"]+Z"/g, '{time}'),
  ];

  it('a sign-in, whatever the account', async () => {
    const ann = await addPerson(app);
    const banned = await addPerson(app, { banned_until: '2100-01-01' });
    const answers = await Promise.all(
      [ann.email, banned.email, 'nobody@example.com', 'no address'].map(async (email) =>
        bytes(await signIn({ email, password: 'x' }), email),
      ),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  });

  // docs/decisions/mail-to-an-address.md
  it('a sign-up, but for the members by which clients of GoTrue know a taken address', async () => {
    const ann = await addPerson(app);
    const answers = [];
    for (const email of [ann.email, 'newcomer@example.com']) {
      const { status, headers, body, text } = await signUp({ email, password: PASSWORD, data: { seat: 9 } });
      const { identities, role, user_metadata, ...rest } = body;
      expect(text).not.toContain(ann.id);
      const isTaken = email === ann.email;
      expect([identities.length, role]).toEqual(isTaken ? [0, ''] : [1, 'authenticated']);
      expect(user_metadata).toEqual(isTaken ? { seat: 9 } : { seat: 9, ...identities[0].identity_data });
      answers.push([Object.keys(headers), ...bytes({ status, text: JSON.stringify(rest) }, email)]);
    }
    expect(answers[0]).toEqual(answers[1]);
  });

  it('a code for an address, whether or not it is one that waits for it', async () => {
    const email = 'waits@example.com';
    await signUp({ email, password: PASSWORD });
    const answers = await Promise.all(
      [email, 'nobody@example.com'].map(async (address) => {
        const answer = await app.request.post('/verify').send({ type: 'signup', email: address, token: '000000' });
        return bytes(answer, address);
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
  });
});

describe('11: existence in words, by asking twice', () => {
  it.each(['recover', 'otp', 'resend'])('the second /%s in a row, whoever has the address', async (door) => {
    const answers = [];
    for (const email of [(await addPerson(app)).email, `nobody.${door}@example.com`]) {
      const ask = () => app.request.post(`/${door}`).send({ email, create_user: false, type: 'signup' });
      const [first, second] = [await ask(), await ask()];
      answers.push([first.status, first.text, second.status, second.text]);
    }
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]?.[2]).toBe(429);
  });
});

describe('12: ten sign-ups of one address at once', () => {
  it('one user, and every answer one of the contract', async () => {
    const email = 'raced@example.com';
    const answers = await Promise.all(Array.from({ length: 10 }, () => signUp({ email, password: PASSWORD })));
    for (const { status, body } of answers) {
      expect(status === 200 || body.error_code === 'over_email_send_rate_limit').toBe(true);
    }
    expect(answers.some(({ status }) => status === 200)).toBe(true);
    expect(await usersOf(email)).toHaveLength(1);
  });
});

describe('13: values that no column holds', () => {
  const admin = () => bearer(serviceKey(app));
  it.each([
    ['a NUL in the address', () => signUp({ email: 'a\0@example.com', password: PASSWORD })],
    ['a NUL in metadata', () => signUp({ email: 'nul@example.com', password: PASSWORD, data: { a: ['\0'] } })],
    ['a NUL in a name of metadata', () => signUp({ email: 'nul@example.com', password: PASSWORD, data: { '\0': 1 } })],
    ['per_page=0', () => app.request.get('/admin/users?per_page=0').set(admin())],
    ['a page beyond all numbers', () => app.request.get('/admin/users?page=99999999999999999999').set(admin())],
    [
      'a role of 300 characters',
      () =>
        app.request
          .post('/admin/users')
          .set(admin())
          .send({ email: 'role@example.com', role: 'r'.repeat(300) }),
    ],
    ['an id that is none', () => app.request.get('/admin/users/%00').set(admin())],
    ['a path that is no UTF-8', () => app.request.get('/admin/users/%zz').set(admin())],
    ['a NUL in a filter', () => app.request.get('/admin/users?filter=%00').set(admin())],
    [
      'a NUL in a refresh token',
      () => app.request.post('/token?grant_type=refresh_token').send({ refresh_token: '\0' }),
    ],
    [
      'a NUL in a scope',
      async () => app.request.post('/logout?scope=%00').set(bearer((await addSignedInPerson(app)).access_token)),
    ],
  ])('%s is 4xx', async (_what, ask) => {
    const { status, body } = await ask();
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(body.error_code).toBeTypeOf('string');
  });

  it('chunks that are none end the connection, and nobody is served after them', async () => {
    const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
    socket.write(
      'POST /signup HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET /health HTTP/1.1\r\n\r\n',
    );
    expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 400 /);
    expect((await app.request.get('/health')).status).toBe(200);
  });
});

describe('14: a request in the body of another', () => {
  it('two lengths are refused, the hidden request is not answered', async () => {
    const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
    socket.write(
      'POST /signup HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n',
    );
    const answer = await textOf(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).not.toContain('GoTrue');
  });
});

// CVE class 22.
describe('15: tokens that say too little, or too much', async () => {
  const ann = await addSignedInPerson(app);
  const bob = await addSignedInPerson(app);
  /** Good claims, but for these; times are seconds from now. */
  function mint({ iat = 0, exp = 600, ...other }: Record<string, unknown> = {}, header = {}): string {
    const now = Math.floor(app.clock.now().getTime() / 1000);
    const at = (time: unknown) => (typeof time === 'number' ? now + time : time);
    const claims = {
      iss: 'https://auth.portal.example',
      sub: ann.id,
      aud: 'authenticated',
      role: 'authenticated',
      session_id: ann.session_id,
    };
    return mintJwt({ ...claims, ...other, iat: at(iat), exp: at(exp) }, { header });
  }
  const ask = (token: string) => app.request.get('/user').set(bearer(token));

  it('the claims themselves are good, and a clock that is a minute ahead is forgiven', async () => {
    expect((await ask(mint())).status).toBe(200);
    expect((await ask(mint({ iat: 59 }))).status).toBe(200);
  });

  test.each([
    ['another audience', () => mint({ aud: 'elsewhere' })],
    ['no audience', () => mint({ aud: undefined })],
    ['another issuer', () => mint({ iss: 'https://elsewhere.example' })],
    ['a list of issuers', () => mint({ iss: ['https://auth.portal.example'] })],
    ['no end', () => mint({ exp: null })],
    ['an end that is no number', () => mint({ exp: '9999999999' })],
    ['issued in the future', () => mint({ iat: 61 })],
    ['an extension that nobody knows', () => mint({}, { crit: ['x'], x: 1 })],
    ["another user's session", () => mint({ session_id: bob.session_id })],
    ['a signature spelled otherwise', () => `${mint()}=`],
  ])('%s is refused', async (_what, token) => {
    const { status, body } = await ask(token());
    expect([400, 403]).toContain(status);
    expect(body.error_code).toMatch(/^(?:bad_jwt|session_not_found|validation_failed)$/);
  });
});

describe('18: what grows without end', () => {
  it('metadata beyond 64 KiB is refused, and so is what would make a token too long for a header', async () => {
    const ann = await addSignedInPerson(app);
    const put = (data: object) => app.request.put('/user').set(bearer(ann.access_token)).send({ data });
    for (const size of [900_000, 70_000, 10_000]) {
      const { status, body } = await put({ note: 'x'.repeat(size) });
      expect([status, body.error_code]).toEqual([400, 'validation_failed']);
    }
    expect((await put({ note: 'x'.repeat(1_000) })).status).toBe(200);
    expect(claimsOf(ann.access_token)).toHaveProperty('session_id');
  });
});

// CVE class 61.
describe('19: hashing that holds up everybody else', () => {
  it('forty wrong passwords are still being hashed when those who ask after them have their answers', async () => {
    const ann = await addSignedInPerson(app);
    const { database, mailbox, clock } = app;
    const passwords = await createPasswords({ concurrency: 2 });
    const dear = await startApp({ database, mailbox, clock, passwords });
    try {
      let refused = 0;
      const guesses = Array.from({ length: 40 }, (_, n) =>
        dear.request
          .post('/token?grant_type=password')
          .send({ email: `ghost${n}@example.com`, password: 'x' })
          .then(() => {
            refused++;
          }),
      );
      const [user, refreshed] = await Promise.all([
        dear.request.get('/user').set(bearer(ann.access_token)),
        dear.request.post('/token?grant_type=refresh_token').send({ refresh_token: ann.refresh_token }),
      ]);
      expect([user.status, refreshed.status]).toEqual([200, 200]);
      expect(refused).toBeLessThan(40);
      await Promise.all(guesses);
    } finally {
      await dear.close();
    }
  });
});

describe('20: headers', () => {
  it.each(['/user', '/settings', '/nothing', '/.well-known/jwks.json'])(
    '%s says what browsers and caches may do',
    async (path) => {
      const { headers } = await app.request.get(path).set('Origin', 'https://elsewhere.example');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['referrer-policy']).toBe('no-referrer');
      expect(headers['cache-control']).toBe(path.endsWith('jwks.json') ? 'public, max-age=600' : 'no-store');
      expect(headers['access-control-allow-credentials']).toBeUndefined();
    },
  );

  it("no decoder's words reach the client", async () => {
    const { body } = await app.request
      .post('/signup')
      .set('Content-Type', 'application/json')
      .send('{"email": secret}');
    expect(JSON.stringify(body)).not.toContain('secret');
    expect(body.error_code).toBe('bad_json');
  });
});

describe('21: refusals that nobody records', () => {
  it('twelve of twelve are on record, with their reason, from where, and by whom where that is known', async () => {
    const ann = await addSignedInPerson(app);
    const banned = await addSignedInPerson(app, {});
    await app.database.pool.query(`update auth.users set banned_until = '2100-01-01' where id = $1`, [banned.id]);
    const asked = [
      await signIn({ email: ann.email, password: 'x' }),
      await signIn({ email: 'nobody@example.com', password: 'x' }),
      await signIn(banned),
      await app.request.post('/token?grant_type=refresh_token').send({ refresh_token: 'abcdefghijkl' }),
      await app.request.post('/token?grant_type=refresh_token').send({ refresh_token: banned.refresh_token }),
      await app.request.post('/token?grant_type=nothing').send({}),
      await app.request.get('/user'),
      await app.request.get('/user').set(bearer(`${ann.access_token}x`)),
      await app.request.get('/admin/users').set(bearer(ann.access_token)),
      await app.request.post('/verify').send({ type: 'signup', email: ann.email, token: '000000' }),
      await app.request.post('/logout?scope=everyone').set(bearer(ann.access_token)),
      await app.request.put('/user').set(bearer(ann.access_token)).send({ password: 'x' }),
    ];
    for (const answer of asked) {
      const rows = await auditRowsOf(app, answer);
      expect(rows.map(({ outcome, error_code, ip }) => [outcome, error_code, ip])).toEqual([
        ['failure', answer.body.error_code, '127.0.0.1'],
      ]);
    }
    expect(await auditRowsOf(app, asked[8] as (typeof asked)[number])).toMatchObject([{ actor_id: ann.id }]);
  });

  it('no secret is among all that was recorded and logged', async () => {
    const everything = JSON.stringify(await auditRows(app.database)) + app.log.written();
    expect(everything).not.toContain(PASSWORD);
    expect(everything).not.toContain(SECRET_KEY);
    expect(everything).not.toMatch(/eyJ[\w-]+\.eyJ/);
    expect(everything).not.toMatch(/\$argon2/);
  });
});

describe('22: one side of a change of address, confirmed many times at once', () => {
  it('moves nothing: the other side has to agree', async () => {
    const ann = await addSignedInPerson(app);
    const email = 'moved@example.com';
    await app.request.put('/user').set(bearer(ann.access_token)).send({ email });
    const { links } = await app.mailbox.next(email);
    const token_hash = new URL(links[0] ?? '').searchParams.get('token');
    const confirm = () => app.request.post('/verify').send({ type: 'email_change', token_hash });
    const answers = await Promise.all(Array.from({ length: 60 }, confirm));
    expect(answers.filter(({ status }) => status === 200).map(({ body }) => body.code)).toEqual(['200']);
    expect(await usersOf(email)).toEqual([]);
    expect(await usersOf(ann.email)).toMatchObject([{ email_change: email, email_change_confirm_status: 1 }]);
  });
});

describe('23: the code is the link', () => {
  it('whoever guesses six digits has not guessed the link', async () => {
    const email = 'separate@example.com';
    await signUp({ email, password: PASSWORD });
    const { token, token_hash } = await mailTo(email);
    expect(
      createHash('sha224')
        .update(email + token)
        .digest('hex'),
    ).not.toBe(token_hash);
    expect((await app.request.post('/verify').send({ type: 'signup', token_hash })).status).toBe(200);
  });
});

// Nobody waits for a socket that the tests above left: the server ends them all.
test('the service is well after all of this', async () => {
  const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
  expect((await app.request.get('/readyz')).body).toEqual({ status: 'ready' });
});
