import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuthError } from '../../src/errors.ts';
import { bodyOf, parseBody, secretText, text } from '../../src/http/body.ts';
import { faultOf } from '../../src/http/fault.ts';
import { sendJson } from '../../src/http/send-json.ts';
import { freshDatabase, type TestDatabase } from '../harness/postgres.ts';
import { memoryLog, smallApp } from './small-app.ts';

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ';
/** Secrets of every kind that passes through the service, all of them recognisable. */
const canaries = {
  access_token: JWT,
  refresh_token: randomBytes(48).toString('base64url'),
  password: 'canary horse battery',
  bcrypt: '$2a$10$canaryCanaryCanaryCanaryCanaryCanaryCanaryCanaryCanary',
  argon2: '$argon2id$v=19$m=19456,t=2,p=1$Y2FuYXJ5$Y2FuYXJ5Y2FuYXJ5',
  token_hash: createHash('sha256').update('canary').digest('hex'),
  code: '483920',
};

// CVE class 50.
describe('a secret', () => {
  it.each([
    'authorization',
    'cookie',
    'Set-Cookie',
    'apikey',
    'api_key',
    'password',
    'current_password',
    'encrypted_password',
    'token',
    'access_token',
    'refresh_token',
    'confirmation_token',
    'token_hash',
    'client_secret',
    'SECRET_KEY',
    'nonce',
    'otp',
    'code',
    'auth_code',
    'code_verifier',
  ])('called %s is blank at any depth', (name) => {
    const { log, written, lines } = memoryLog();
    log.info({ [name]: 'short', deep: { list: [{ [name]: { nested: 'short' } }] } }, 'a line');
    expect(written()).not.toContain('short');
    expect(lines()[0]).toMatchObject({ [name]: '[redacted]', deep: { list: [{ [name]: '[redacted]' }] } });
  });

  it.each([
    ['a JWT', `token was ${JWT}.`, JWT],
    ['a header', 'Authorization: Bearer abcd', 'abcd'],
    ['a URL with a password', 'postgresql://app:hunter2@db:5432/portal', 'hunter2'],
    ['a bcrypt hash', `row (1, ${canaries.bcrypt})`, canaries.bcrypt],
    ['an argon2 hash', canaries.argon2, 'Y2FuYXJ5Y2FuYXJ5'],
    ['a refresh token', `the token ${canaries.refresh_token} is gone`, canaries.refresh_token],
    ['a digest', canaries.token_hash, canaries.token_hash],
  ])('is cut out of any text: %s', (_what, value, secret) => {
    const { log, written } = memoryLog();
    log.info({ note: value, fault: new Error(value), list: [{ value }] }, 'a line');
    expect(written()).not.toContain(secret);
    expect(written()).toContain('[redacted]');
  });

  it('is not put into a message', () => {
    const { log, lines } = memoryLog();
    const interpolating = log.info as (...args: unknown[]) => void;
    interpolating({}, 'password is %s', 'hunter2');
    expect(lines()).toEqual([expect.objectContaining({ msg: 'password is %s' })]);
    // @ts-expect-error a message is a constant
    log.info({}, `password is ${canaries.password}`);
    // @ts-expect-error a message is a constant
    log.info({}, String(canaries.password));
  });

  it('does not hide in what is no plain object', () => {
    const { log, written } = memoryLog();
    const cycle: Record<string, unknown> = { password: canaries.password };
    cycle.self = cycle;
    log.info({ bytes: Buffer.from('canary'), cycle, map: new Map([['a', 'canary']]) }, 'a line');
    expect(written()).not.toContain('canary');
  });
});

describe('what is no secret', () => {
  it('stays readable', () => {
    const { log, lines } = memoryLog();
    const fields = {
      request_id: '0f9b1c1e-7c0e-4d6b-9a52-3c1f6f0e8a11',
      error_code: 'refresh_token_already_used',
      status: 400,
      duration_ms: 1.25,
      ip: '2001:db8:85a3:1:2:8a2e:370:7334',
      nothing: null,
      flag: false,
      when: new Date(0),
    };
    log.warn(fields, 'a line');
    expect(lines()[0]).toEqual({
      ...fields,
      when: '1970-01-01T00:00:00.000Z',
      level: 'warn',
      time: expect.stringMatching(/Z$/),
      msg: 'a line',
    });
  });

  it.each([
    ['panic', 'fatal'],
    ['warning', 'warn'],
    ['trace', 'debug'],
    ['info', 'info'],
  ])("is written at GoTrue's level %s", (level, written) => {
    const { log, lines } = memoryLog(level);
    for (const each of ['debug', 'info', 'warn', 'error', 'fatal'] as const) log[each]({}, 'a line');
    expect(lines()[0]).toMatchObject({ level: written });
  });
});

describe('the line of a request', () => {
  const login = bodyOf({ email: text, password: secretText });
  const { app, lines, written } = smallApp([
    ['get', '/verify', (_req, res) => sendJson(res, {})],
    [
      'post',
      '/token',
      async (req) => {
        await parseBody(login, req);
        throw new AuthError('invalid_credentials', { reason: 'wrong password' });
      },
    ],
  ]);

  it('says who asked for what, what came of it and how long it took, and nothing of what was sent', async () => {
    const response = await request(app)
      .post(`/token?grant_type=password&refresh_token=${canaries.refresh_token}`)
      .set('Authorization', `Bearer ${JWT}`)
      .set('Cookie', 'sb=canary')
      .set('apikey', JWT)
      .set('User-Agent', 'canary')
      .send({ email: 'canary@portal.example', password: canaries.password });
    await expect.poll(lines).toEqual([
      {
        level: 'info',
        time: expect.any(String),
        msg: 'request',
        request_id: response.headers['x-request-id'],
        ip: '127.0.0.1',
        method: 'POST',
        path: '/token',
        status: 400,
        duration_ms: expect.any(Number),
        error_code: 'invalid_credentials',
        reason: 'wrong password',
      },
    ]);
    expect(written()).not.toContain('canary');
  });

  it('has no query of an unknown path either, nor a token in it, nor a line of its own making', async () => {
    const before = lines().length;
    await request(app).get(`/verify/${JWT}%0a{"level":"fatal"}?token=${canaries.refresh_token}`);
    await expect.poll(() => lines().length).toBe(before + 1);
    expect(lines().at(-1)).toMatchObject({ level: 'info', status: 404 });
    expect(written()).not.toContain(JWT);
    expect(written()).not.toContain(canaries.refresh_token);
  });
});

describe('a fault in the log', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.drop());

  const faultFrom = (work: () => PromiseLike<unknown>) =>
    Promise.resolve()
      .then(work)
      .then(
        () => expect.fail('nothing went wrong'),
        (error) => faultOf(error),
      );

  it('has the place, and of PostgreSQL the state but no values', async () => {
    const fault = await faultFrom(() => database.pool.query('select $1::uuid', [canaries.password]));
    expect(fault).toMatchObject({ name: 'error', sqlstate: '22P02' });
    expect(JSON.stringify(fault)).toContain('log.test.ts');
    expect(JSON.stringify(fault)).not.toContain('canary');
  });

  it('names the constraint, not the row', async () => {
    const insert = () =>
      database.pool.query(
        "insert into auth.users (id, email, encrypted_password) values ($1, 'canary@portal.example', 'canary')",
        ['6f1c1f0e-1111-4111-8111-111111111111'],
      );
    await insert();
    const fault = await faultFrom(insert);
    expect(fault).toMatchObject({ sqlstate: '23505', schema: 'auth', table: 'users', constraint: 'users_pkey' });
    expect(JSON.stringify(fault)).not.toContain('canary');
  });

  it('has of drizzle the statement, not its parameters', async () => {
    const fault = await faultFrom(() => database.db.execute(sql`select ${canaries.password}::int`));
    expect(fault).toMatchObject({ query: 'select $1::int', cause: { sqlstate: '22P02' } });
    expect(JSON.stringify(fault)).not.toContain('canary');
  });

  it('has of a decoder nothing but its name', async () => {
    const fault = await faultFrom(async () => JSON.parse('canary'));
    expect(fault).toMatchObject({ name: 'SyntaxError' });
    expect(JSON.stringify(fault)).not.toContain('canary');
  });

  it('has causes, as deep as they matter', () => {
    const error = new Error('outer', { cause: new Error('inner', { cause: 'text' }) });
    expect(faultOf(error)).toMatchObject({ message: 'outer', cause: { message: 'inner', cause: { name: 'string' } } });
    const endless = new Error('endless');
    endless.cause = endless;
    expect(JSON.stringify(faultOf(endless)).match(/endless/g)?.length).toBeLessThan(10);
  });
});
