import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { AuthError } from '../../src/errors.ts';
import { sendJson } from '../../src/http/send-json.ts';
import { smallApp, throwing } from './small-app.ts';

const hello = 'hello';
const { app, lines } = smallApp([
  ['get', '/health', (_req, res) => sendJson(res, hello)],
  ['get', '/user{/}', (_req, res) => sendJson(res, hello)],
  ['put', '/user{/}', (_req, res) => sendJson(res, 'changed')],
  ['otherwise', '/user{/}', throwing(new AuthError('no_authorization'))],
  ['delete', '/admin/users/:user_id', (req, res) => sendJson(res, req.params.user_id)],
]);

const methods = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options'] as const;

describe('a known path', () => {
  it('answers each of its methods', async () => {
    expect((await request(app).get('/user')).body).toBe(hello);
    expect((await request(app).put('/user')).body).toBe('changed');
  });

  it.each(methods.filter((method) => method !== 'get'))('refuses %s with 405 and no body', async (method) => {
    const response = await request(app)[method]('/health');
    expect(response.status).toBe(405);
    expect(response.text ?? '').toBe('');
    expect(response.headers['content-type']).toBeUndefined();
  });

  it.each(['post', 'patch', 'delete', 'options'] as const)('asks for a token before it refuses %s', async (method) => {
    expect((await request(app)[method]('/user')).status).toBe(401);
  });

  it('has a trailing slash only where GoTrue has one', async () => {
    expect((await request(app).get('/user/')).body).toBe(hello);
    expect((await request(app).get('/health/')).status).toBe(404);
  });

  it('is one line of the log whatever its parameters are', async () => {
    await request(app).delete('/admin/users/abc');
    await request(app).get('/user/?token=secret');
    await expect.poll(() => lines().slice(-2)).toMatchObject([{ path: '/admin/users/:user_id' }, { path: '/user' }]);
  });
});

describe('an unknown path', () => {
  it.each([
    '/',
    '/nothing',
    '/User',
    '//user',
    '/users',
    '/health/x',
    '/%68ealth/',
    '/health%00',
    '/%zz',
    `/${'a'.repeat(8000)}`,
  ])('%s is 404 in plain text for every method', async (path) => {
    for (const method of methods) {
      const response = await request(app)[method](path);
      expect(response.status).toBe(404);
      if (method !== 'head') expect(response.text).toBe('404 page not found\n');
      expect(response.headers['content-type']).toBe('text/plain; charset=utf-8');
    }
  });
});

it.each(['%zz', '%', '%c0%80', '%e0%a4%a'])('a parameter that is no encoding (%s) is 400', async (parameter) => {
  const response = await request(app).delete(`/admin/users/${parameter}`);
  expect(response.status).toBe(400);
  expect(response.body).toEqual({ code: 400, error_code: 'validation_failed', msg: 'Malformed path' });
  // Whoever can write a fault into the log at will can have somebody woken by it.
  expect(lines().filter(({ level }) => level === 'error')).toEqual([]);
});
