import request from 'supertest';
import { expect, it } from 'vitest';
import { AuthError } from '../../src/errors.ts';
import { sendJson } from '../../src/http/send-json.ts';
import { smallApp, throwing } from './small-app.ts';

const { app } = smallApp([
  ['get', '/user', (_req, res) => sendJson(res, {})],
  ['get', '/refused', throwing(new AuthError('no_authorization'))],
  ['get', '/fault', throwing(new Error('oops'))],
  [
    'get',
    '/jwks',
    (_req, res) => {
      res.setHeader('Cache-Control', 'public, max-age=600');
      sendJson(res, {});
    },
  ],
]);

it.each(['/user', '/refused', '/fault', '/nothing'])(
  '%s is kept by no cache, framed by nobody, guessed at by no browser',
  async (path) => {
    const { headers } = await request(app).get(path);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none';frame-ancestors 'none';base-uri 'none';form-action 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': 'max-age=31536000',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
    expect(headers['x-powered-by']).toBeUndefined();
    expect(headers.etag).toBeUndefined();
  },
);

it('a door may say otherwise', async () => {
  expect((await request(app).get('/jwks')).headers['cache-control']).toBe('public, max-age=600');
});
