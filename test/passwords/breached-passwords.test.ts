/** The service that knows breached passwords: what it is told, what is made of its answers, and what of none. */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createBreachedPasswords } from '../../src/passwords/breached-passwords.ts';
import { auditRows, auditRowsOf, startApp, statementsDuring, type TestApp } from '../harness/app.ts';
import { createClock } from '../harness/clock.ts';
import { addPerson, addSignedInPerson, bearer, serviceKey } from '../harness/people.ts';

const BREACHED = 'twelve angry kettles';
const UNKNOWN = 'correct horse battery';
const WAITING = { timeout: 5000, interval: 10 };

const hexOf = (password: string) => createHash('sha1').update(password).digest('hex').toUpperCase();
const line = (password: string, times: number) => `${hexOf(password).slice(5)}:${times}`;
/** A range as the service has them, which knows one password and pads. */
const RANGE = [line(BREACHED, 37), line('seen never', 0), '0'.repeat(35).concat(':12')].join('\r\n');

type Answer = (req: IncomingMessage, res: ServerResponse) => void;
const aRange: Answer = (_req, res) => void res.end(RANGE);
let answer = aRange;
const asked: IncomingMessage[] = [];
const service = createServer((req, res) => {
  asked.push(req);
  answer(req, res);
}).listen(0, '127.0.0.1');
await once(service, 'listening');
const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
afterAll(() => {
  service.close();
  service.closeAllConnections();
});

beforeEach(() => {
  answer = aRange;
  asked.length = 0;
});

/** How often; what tests before have left under way does not count. */
const lookedUp = (password: string) =>
  asked.filter(({ url }) => url === `/range/${hexOf(password).slice(0, 5)}`).length;

const clock = createClock();
function ask(settings: { password_hibp_timeout?: number; password_hibp_url?: string } = {}) {
  const defaults = { password_hibp_url: url, password_hibp_timeout: 5, password_hibp_user_agent: 'a test' };
  const made = createBreachedPasswords({ password_hibp_enabled: true, ...defaults, ...settings }, clock.now);
  if (!made) throw new Error('it is on');
  return made;
}

describe('the service', () => {
  test('is told five digits of a hash, and asked to pad', async () => {
    expect([await ask().has(BREACHED), await ask().has(UNKNOWN)]).toEqual([true, false]);
    expect(
      asked.map(({ method, url, headers }) => [method, url, headers['add-padding'], headers['user-agent']]),
    ).toEqual([
      ['GET', `/range/${hexOf(BREACHED).slice(0, 5)}`, 'true', 'a test'],
      ['GET', `/range/${hexOf(UNKNOWN).slice(0, 5)}`, 'true', 'a test'],
    ]);
  });

  test('pads with what was seen no time, which is not breached', async () => {
    expect(await ask().has('seen never')).toBe(false);
  });

  test('is not there where it is off', () => {
    const settings = { password_hibp_url: url, password_hibp_timeout: 5, password_hibp_user_agent: 'a test' };
    expect(createBreachedPasswords({ password_hibp_enabled: false, ...settings }, clock.now)).toBeUndefined();
  });

  test('is asked once for a range, by twenty at once and for an hour', async () => {
    const breached = ask();
    await Promise.all(Array.from({ length: 20 }, () => breached.has(BREACHED)));
    await breached.has(BREACHED);
    expect(asked).toHaveLength(1);
    clock.advance(3_600_000);
    expect(await breached.has(BREACHED)).toBe(true);
    expect(asked).toHaveLength(2);
  });

  test('is asked again for what a hundred later ranges have displaced', async () => {
    const breached = ask();
    await breached.has(BREACHED);
    for (let i = 0; i < 120; i++) await breached.has(`another ${i}`);
    const before = asked.length;
    await breached.has('another 119');
    expect(asked).toHaveLength(before);
    await breached.has(BREACHED);
    expect(asked).toHaveLength(before + 1);
  });

  test('is asked again after a failure', async () => {
    const breached = ask();
    answer = (_req, res) => void res.writeHead(503).end();
    await expect(breached.has(BREACHED)).rejects.toThrow('answers 503');
    answer = aRange;
    expect(await breached.has(BREACHED)).toBe(true);
  });

  test.each<[string, Answer, string | RegExp]>([
    ['a fault', (_req, res) => void res.writeHead(500).end('oops'), 'answers 500'],
    ['a redirect', (_req, res) => void res.writeHead(302, { Location: `${url}/else` }).end(), 'answers 302'],
    [
      'a page',
      (_req, res) => void res.end('<html>Welcome to the airport</html>'),
      'answers something else than a range',
    ],
    ['nothing', (_req, res) => void res.end(), 'answers something else than a range'],
    [
      'a range with a line that is none',
      (_req, res) => void res.end(`${RANGE}\r\nF00:x`),
      'answers something else than a range',
    ],
    ['a range that never ends', endless, 'answers more than 524288 bytes'],
    ['half a range', broken, /^cannot be reached \(/],
  ])('that answers with %s has not answered', async (_what, given, message) => {
    answer = given;
    await expect(ask().has(BREACHED)).rejects.toThrow(expect.objectContaining({ name: 'NoAnswer' }));
    await expect(ask().has(BREACHED)).rejects.toThrow(message);
    expect(asked.filter(({ url }) => url === '/else')).toEqual([]);
  });

  test.each<[string, Answer]>([
    ['says nothing', () => {}],
    ['says it byte by byte', (_req, res) => void res.write('0')],
  ])('that %s is given up', async (_what, given) => {
    answer = given;
    await expect(ask({ password_hibp_timeout: 0.05 }).has(BREACHED)).rejects.toThrow('has not answered within 0.05 s');
  });

  test('that is not there has not answered', async () => {
    await expect(ask({ password_hibp_url: 'http://127.0.0.1:1' }).has(BREACHED)).rejects.toThrow(
      /^cannot be reached \(/,
    );
  });

  test('keeps nobody waiting who only wants to know what is known', async () => {
    const breached = ask();
    expect(breached.recall(BREACHED)).toBeUndefined();
    await vi.waitFor(() => expect(breached.recall(BREACHED)).toBe(true), WAITING);
    expect(breached.recall('seen never')).toBeUndefined();
  });

  test('is asked for eight ranges at once by those', async () => {
    const breached = ask();
    const many = Array.from({ length: 100 }, (_, i) => `one of many ${i}`);
    for (const password of many) breached.recall(password);
    await vi.waitFor(() => expect(many.filter(lookedUp)).toHaveLength(8), WAITING);
    await breached.has(BREACHED);
    expect(many.filter(lookedUp)).toHaveLength(8);
  });

  test('is left where whoever asks ends', async () => {
    answer = () => {};
    const breached = ask();
    const waiting = expect(breached.has(BREACHED)).rejects.toThrow(/^cannot be reached/);
    breached.close();
    await waiting;
  });
});

function broken(_req: IncomingMessage, res: ServerResponse): void {
  res.writeHead(200, { 'Content-Length': RANGE.length }).write(RANGE.slice(0, 40), () => res.destroy());
}

function endless(_req: IncomingMessage, res: ServerResponse): void {
  const more = () => {
    while (!res.destroyed && res.write(`${RANGE}\r\n`));
  };
  res.on('drain', more);
  more();
}

describe('a new password', () => {
  const env = {
    GATEHOUSE_PASSWORD_HIBP_ENABLED: 'true',
    GATEHOUSE_PASSWORD_HIBP_URL: url,
    GATEHOUSE_PASSWORD_HIBP_TIMEOUT: '200ms',
    GATEHOUSE_RATE_LIMIT_OTP: '100000',
  };
  let app: TestApp;
  let strict: TestApp;
  beforeEach(async () => {
    // A new one each time: what is remembered would answer.
    app ??= await startApp({ env });
    strict ??= await startApp({
      database: app.database,
      mailbox: app.mailbox,
      clock: app.clock,
      env: { ...env, GATEHOUSE_PASSWORD_HIBP_FAIL_CLOSED: 'true' },
    });
    app.clock.advance(3_600_000);
  });
  afterAll(async () => {
    await strict.close();
    await app.close();
  });

  const refusal = {
    code: 422,
    error_code: 'weak_password',
    msg: 'Password is known to be weak and easy to guess, please choose a different one.',
    weak_password: { reasons: ['pwned'] },
  };
  const newAddress = () => `new.${randomUUID().slice(0, 8)}@example.com`;
  const signUp = (at: TestApp, password: string, email = newAddress()) =>
    at.request.post('/signup').send({ email, password });
  const administrator = () => bearer(serviceKey(app));

  test('that is breached is refused wherever one is set, but to an administrator who makes a user', async () => {
    const ann = await addSignedInPerson(app);
    const { request } = app;
    const answers = [
      await signUp(app, BREACHED),
      await request.put('/user').set(bearer(ann.access_token)).send({ password: BREACHED }),
      await request.put(`/admin/users/${ann.id}`).set(administrator()).send({ password: BREACHED }),
      await request
        .post('/admin/generate_link')
        .set(administrator())
        .send({ type: 'signup', email: newAddress(), password: BREACHED }),
    ];
    for (const { status, body } of answers) expect([status, body]).toEqual([422, refusal]);
    const user = { email: newAddress(), password: BREACHED };
    expect((await request.post('/admin/users').set(administrator()).send(user)).status).toBe(200);
  });

  test('that is not breached is set', async () => {
    expect((await signUp(app, 'nobody has this one')).status).toBe(200);
    expect(lookedUp('nobody has this one')).toBe(1);
  });

  test('that is refused anyhow is not looked up, nor is one of a request that fails', async () => {
    await signUp(app, 'short');
    await signUp(app, 'password1');
    await signUp(app, BREACHED, 'no address');
    expect(['short', 'password1', BREACHED].map(lookedUp)).toEqual([0, 0, 0]);
  });

  test('passes where the service does not answer, and that is on record', async () => {
    answer = () => {};
    const ann = await addSignedInPerson(app);
    const signedUp = await signUp(app, BREACHED);
    const again = await signUp(app, BREACHED, ann.email);
    const changed = await app.request.put('/user').set(bearer(ann.access_token)).send({ password: BREACHED });
    const reason = 'the service that knows breached passwords has not answered within 0.2 s';
    for (const [response, subject_id] of [
      [signedUp, null],
      [again, null],
      [changed, ann.id],
    ] as const) {
      expect(response.status).toBe(200);
      const [first] = await auditRowsOf(app, response);
      expect(first).toMatchObject({
        action: 'breach_check_failed',
        outcome: 'failure',
        reason,
        subject_id,
        error_code: null,
      });
    }
  });

  test('waits for better times where the service does not answer and the settings want it to', async () => {
    answer = (_req, res) => void res.writeHead(500).end();
    const email = newAddress();
    const response = await signUp(strict, BREACHED, email);
    expect([response.status, response.headers['retry-after'], response.body]).toEqual([
      503,
      '5',
      {
        code: 503,
        error_code: 'unexpected_failure',
        error_id: response.headers['x-request-id'],
        msg: 'The password could not be checked against breached ones, please retry after a moment.',
      },
    ]);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'signup_failed', reason: 'the service that knows breached passwords answers 500' },
    ]);
    const { rows } = await app.database.pool.query('select from auth.users where email = $1', [email]);
    expect(rows).toEqual([]);
  });

  test('is nowhere in log and record', async () => {
    answer = (req, res) => void res.writeHead(500).end(`you asked for ${req.url}`);
    await signUp(app, BREACHED);
    await signUp(strict, BREACHED);
    const said = JSON.stringify([app.log.lines, strict.log.lines, await auditRows(app.database)]);
    for (const secret of [BREACHED, hexOf(BREACHED).slice(0, 5)]) expect(said).not.toContain(secret);
  });

  test('a sign-in does not wait, whatever the service does, and says what is known by then', async () => {
    const { email, password } = await addPerson(app, { password: BREACHED });
    const signIn = () => app.request.post('/token?grant_type=password').send({ email, password });
    answer = () => {};
    const statements = await statementsDuring(app.gatehouse, async () => {
      const { status, body } = await signIn();
      expect([status, body.weak_password]).toEqual([200, null]);
    });
    expect(statements).toHaveLength(2);

    answer = aRange;
    await vi.waitFor(
      async () => expect((await signIn()).body.weak_password).toEqual({ message: refusal.msg, reasons: ['pwned'] }),
      WAITING,
    );
  });

  test('a wrong password at sign-in is not looked up', async () => {
    const { email } = await addPerson(app);
    await app.request.post('/token?grant_type=password').send({ email, password: 'a wrong guess' });
    expect(lookedUp('a wrong guess')).toBe(0);
  });
});
