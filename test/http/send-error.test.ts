import { sql } from 'drizzle-orm';
import type { RequestHandler } from 'express';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPool } from '../../src/db/pool.ts';
import { AuthError } from '../../src/errors.ts';
import { freshDatabase, type TestDatabase } from '../harness/postgres.ts';
import { smallApp, throwing } from './small-app.ts';

const NEW_SHAPE = { 'x-supabase-api-version': '2024-01-01' };
const FAULT = 'Unexpected failure, please check server logs for more information';

function refusedWith(error: unknown, headers: Record<string, string> = NEW_SHAPE) {
  return answerOf(throwing(error), headers);
}

async function answerOf(handler: RequestHandler, headers: Record<string, string> = NEW_SHAPE) {
  const small = smallApp([['get', '/door', handler]]);
  const response = await request(small.app).get('/door').set(headers);
  return { ...small, response };
}

describe('the shape of a refusal', () => {
  it.each([
    ['2024-01-01', true],
    ['2024-01-02', true],
    ['2026-06-30', true],
    ['2099-12-31', true],
    [' 2024-01-01', true],
    ['2023-12-31', false],
    ['2000-01-01', false],
    ['', false],
    ['abc', false],
    ['2024', false],
    ['2024-1-1', false],
    ['20240101', false],
    ['2024-13-01', false],
    ['2025-02-29', false],
    ['2024-01-01T00:00:00Z', false],
  ])('for version "%s" is the new one: %s', async (version, isNew) => {
    const { response } = await refusedWith(new AuthError('invalid_credentials'), { 'x-supabase-api-version': version });
    expect(response.status).toBe(400);
    expect(response.headers['x-sb-error-code']).toBe('invalid_credentials');
    expect(response.headers['content-type']).toBe('application/json');
    expect(response.headers['x-supabase-api-version']).toBe(isNew ? '2024-01-01' : undefined);
    expect(response.body).toEqual(
      isNew
        ? { code: 'invalid_credentials', message: 'Invalid login credentials' }
        : { code: 400, error_code: 'invalid_credentials', msg: 'Invalid login credentials' },
    );
  });

  it('is the old one where the client names no version', async () => {
    const { response } = await refusedWith(new AuthError('user_not_found'), {});
    expect(response.status).toBe(404);
    expect(response.body).toEqual({ code: 404, error_code: 'user_not_found', msg: 'User not found' });
  });

  it('has the reasons of a weak password in both, and its code in the header of the old one only', async () => {
    const weak = new AuthError('weak_password', { weak_password: { reasons: ['length'] } });
    const { response: inNew } = await refusedWith(weak);
    expect(inNew.body).toEqual({
      code: 'weak_password',
      message: 'Password is too weak',
      weak_password: { reasons: ['length'] },
    });
    expect(inNew.headers['x-sb-error-code']).toBeUndefined();

    const { response: inOld } = await refusedWith(weak, {});
    expect(inOld.body).toEqual({
      code: 422,
      error_code: 'weak_password',
      msg: 'Password is too weak',
      weak_password: { reasons: ['length'] },
    });
    expect(inOld.headers['x-sb-error-code']).toBe('weak_password');
  });

  it('has the request id for whoever asks about it, in the old shape of a 5xx', async () => {
    const { response } = await refusedWith(new AuthError('request_timeout'), {});
    expect(response.body).toEqual({
      code: 504,
      error_code: 'request_timeout',
      msg: 'Processing this request timed out, please retry after a moment.',
      error_id: response.headers['x-request-id'],
    });
  });

  it('never has the reason, which the log has', async () => {
    const { response, lines } = await refusedWith(new AuthError('invalid_credentials', { reason: 'unknown email' }));
    expect(response.text).not.toContain('unknown email');
    expect(lines()).toEqual([expect.objectContaining({ error_code: 'invalid_credentials', reason: 'unknown email' })]);
  });

  // CVE class 60.
  it("is never another request's (a shared error object leaked details elsewhere)", async () => {
    const shared = new AuthError('invalid_credentials');
    const { app } = smallApp([['get', '/door', throwing(shared)]]);
    const answers = await Promise.all([
      request(app).get('/door').set(NEW_SHAPE),
      request(app).get('/door'),
      request(app).get('/door').set(NEW_SHAPE),
    ]);
    expect(answers.map(({ body }) => Object.keys(body))).toEqual([
      ['code', 'message'],
      ['code', 'error_code', 'msg'],
      ['code', 'message'],
    ]);
  });
});

describe('headers of a refusal', () => {
  it.each([
    ['no_authorization', 'Bearer'],
    ['bad_jwt', 'Bearer error="invalid_token"'],
    ['session_not_found', 'Bearer error="invalid_token"'],
    ['insufficient_aal', 'Bearer error="insufficient_user_authentication"'],
    ['not_admin', undefined],
  ] as const)('of %s: WWW-Authenticate is %s', async (error_code, challenge) => {
    const { response } = await refusedWith(new AuthError(error_code));
    expect(response.headers['www-authenticate']).toBe(challenge);
  });

  it('leave a challenge that the door has made', async () => {
    const { response } = await answerOf((_req, res) => {
      res.setHeader('WWW-Authenticate', 'Basic realm="clients"');
      throw new AuthError('no_authorization');
    });
    expect(response.headers['www-authenticate']).toBe('Basic realm="clients"');
  });

  it('say in whole seconds when to come back', async () => {
    const { response } = await refusedWith(new AuthError('over_request_rate_limit', { retry_after_seconds: 1.2 }));
    expect(response.headers['retry-after']).toBe('2');
  });
});

describe('a fault', () => {
  it('is 500 without a word of what it was, which the log has once', async () => {
    const { response, lines } = await refusedWith(new Error('the mailer exploded'));
    expect(response.status).toBe(500);
    expect(response.body).toEqual({ code: 'unexpected_failure', message: FAULT });
    expect(response.headers['x-sb-error-code']).toBeUndefined();
    const [fault, line] = lines();
    expect(fault).toMatchObject({
      level: 'error',
      request_id: response.headers['x-request-id'],
      fault: { message: 'the mailer exploded' },
    });
    expect(line).toMatchObject({ level: 'error', status: 500, error_code: 'unexpected_failure' });
  });

  it('behind a refusal is in the log as well', async () => {
    const refusal = new AuthError('unexpected_failure', {
      message: 'Error sending mail',
      cause: new Error('no route'),
    });
    const { response, lines } = await refusedWith(refusal);
    expect(response.body).toEqual({ code: 'unexpected_failure', message: 'Error sending mail' });
    expect(lines()[0]).toMatchObject({ msg: 'fault', fault: { cause: { message: 'no route' } } });
    expect((await refusedWith(new AuthError('service_overloaded'))).lines()).toHaveLength(1);
  });

  it.each([undefined, null, 'text', 7, { toString: null }])('of %s thrown is one as well', async (thrown) => {
    const { response } = await answerOf((_req, _res, next) => next(thrown ?? new Error()));
    expect(response.status).toBe(500);
  });

  it('after the answer has begun is for the log alone', async () => {
    const { response, lines } = await answerOf(async (_req, res) => {
      res.end('done');
      throw new Error('too late');
    });
    expect(response.text).toBe('done');
    await expect.poll(() => lines().length).toBe(2);
  });
});

describe('what PostgreSQL refuses', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.drop());

  const asking =
    (text: string, values: unknown[] = []): RequestHandler =>
    () =>
      database.pool.query(text, values);
  const raise = (message: string, using: string) => `do $$ begin raise exception '${message}' using ${using}; end $$`;

  it.each([
    ["a NUL that slipped through is the caller's fault", asking('select $1::text', ['a\0b']), 400, 'validation_failed'],
    ["a value out of range is the caller's fault", asking('select 99999::int2'), 400, 'validation_failed'],
    ['a deadlock may be tried again', asking(raise('x', "errcode = '40P01'")), 503, 'unexpected_failure'],
    ['a lock not got may be tried again', asking(raise('x', "errcode = '55P03'")), 503, 'unexpected_failure'],
    [
      'a standby may be asked again when it is the primary',
      asking(raise('x', "errcode = '25006'")),
      503,
      'unexpected_failure',
    ],
    [
      'a statement that took too long is a timeout',
      asking("set statement_timeout = '1ms'; select pg_sleep(1)"),
      504,
      'request_timeout',
    ],
    ['a statement of ours that is wrong is our fault', asking('selec'), 500, 'unexpected_failure'],
    [
      'also through drizzle',
      async () => await database.db.execute(sql`select ${'a\0b'}::text`),
      400,
      'validation_failed',
    ],
  ] as const)('%s', async (_what, handler, status, code) => {
    const { response, lines } = await answerOf(handler as RequestHandler);
    expect(response.status).toBe(status);
    expect(response.body.code).toBe(code);
    expect(response.headers['retry-after']).toBe(status === 503 ? '2' : undefined);
    expect(lines()).toContainEqual(expect.objectContaining({ msg: 'fault' }));
  });

  it("a trigger of the portal's own speaks to clients of the old shape", async () => {
    const handler = asking(raise('no seats left', "errcode = 'P0001', detail = 'all 5 taken', hint = 'buy more'"));
    const { response: inOld } = await answerOf(handler, {});
    expect(inOld.status).toBe(500);
    expect(inOld.body).toEqual({ code: 'P0001', message: 'no seats left', detail: 'all 5 taken', hint: 'buy more' });

    const { response: inNew } = await answerOf(handler);
    expect(inNew.status).toBe(500);
    expect(inNew.body).toEqual({ code: 'unexpected_failure', message: FAULT });
  });

  it('and chooses its status', async () => {
    const { response } = await answerOf(asking(raise('no seats left', "errcode = 'PT402'")), {});
    expect(response.status).toBe(402);
    expect(response.body).toEqual({ code: 'PT402', message: 'no seats left' });
  });

  it('a violated constraint tells nobody who else is there', async () => {
    const insert = "insert into auth.users (id, email) values (gen_random_uuid(), 'taken@portal.example')";
    await database.pool.query(insert);
    const { response, written } = await answerOf(asking(insert), {});
    expect(response.status).toBe(500);
    expect(response.body).toMatchObject({ error_code: 'unexpected_failure', msg: FAULT });
    expect(response.text + written()).not.toContain('taken@');
    expect(written()).toContain('23505');
  });

  it('a database that is away may be asked again', async () => {
    const pool = createPool({ connection: { host: '127.0.0.1', port: 1 }, application_name: 'test', max: 1 });
    const { response } = await answerOf(() => pool.query('select 1'));
    expect(response.status).toBe(503);
    expect(response.headers['retry-after']).toBe('2');
    await pool.end();
  });
});
