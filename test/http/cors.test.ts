import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { AuthError } from '../../src/errors.ts';
import { sendJson } from '../../src/http/send-json.ts';
import { type SmallAppSettings, smallApp, throwing } from './small-app.ts';

const PORTAL = 'https://portal.example';
const EXPOSED = 'X-Total-Count, Link, X-Supabase-Api-Version';
const anyOrigin = { cors_allowed_origins: ['*'] };
const portalOnly = { cors_allowed_origins: [PORTAL, 'http://localhost:3000'] };

function corsHeaders(headers: Record<string, string>) {
  const entries = Object.entries(headers).filter(([name]) => name.startsWith('access-control-'));
  return Object.fromEntries(entries.map(([name, value]) => [name.slice('access-control-'.length), value]));
}

function appWith(settings: SmallAppSettings) {
  return smallApp(
    [
      ['get', '/settings', (_req, res) => sendJson(res, {})],
      ['get', '/user', throwing(new AuthError('no_authorization'))],
      ['otherwise', '/user', throwing(new AuthError('no_authorization'))],
    ],
    settings,
  ).app;
}

async function preflight(settings: SmallAppSettings, headers: Record<string, string>, path = '/user') {
  const response = await request(appWith(settings)).options(path).set(headers);
  expect(response.text).toBe('');
  return { status: response.status, allowed: corsHeaders(response.headers), vary: response.headers.vary };
}

describe('an answer', () => {
  it.each([
    ['a good one', '/settings', 200],
    ['a refusal', '/user', 401],
    ['an unknown path', '/nothing', 404],
  ])('may be read by a listed page, with credentials: %s', async (_what, path, status) => {
    const response = await request(appWith(portalOnly)).get(path).set('Origin', PORTAL);
    expect(response.status).toBe(status);
    expect(response.headers.vary).toBe('Origin');
    expect(corsHeaders(response.headers)).toEqual({
      'allow-origin': PORTAL,
      'allow-credentials': 'true',
      'expose-headers': EXPOSED,
    });
  });

  // CVE class 59: `*` with credentials is what lets any page act as whoever is signed in (contract appendix C, "Surface").
  it('may be read by any page only without credentials', async () => {
    const response = await request(appWith(anyOrigin)).get('/settings').set('Origin', PORTAL);
    expect(corsHeaders(response.headers)).toEqual({ 'allow-origin': '*', 'expose-headers': EXPOSED });
  });

  it.each([
    'https://evil.example',
    'https://portal.example.evil.example',
    'https://PORTAL.example',
    'null',
    'https://portal.example:444',
  ])('is not for the page of %s, nor is its origin repeated', async (origin) => {
    const response = await request(appWith(portalOnly)).get('/settings').set('Origin', origin);
    expect(response.status).toBe(200);
    expect(corsHeaders(response.headers)).toEqual({});
    expect(response.headers.vary).toBe('Origin');
  });

  it('to who is no page says nothing of pages', async () => {
    expect(corsHeaders((await request(appWith(portalOnly)).get('/settings')).headers)).toEqual({});
  });
});

describe('a preflight', () => {
  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])('allows %s with the headers of supabase-js', async (method) => {
    const requested = 'apikey,authorization,content-type,x-client-info,x-supabase-api-version';
    const headers = {
      origin: PORTAL,
      'access-control-request-method': method,
      'access-control-request-headers': requested,
    };
    expect(await preflight(portalOnly, headers)).toEqual({
      status: 204,
      allowed: {
        'allow-origin': PORTAL,
        'allow-credentials': 'true',
        'allow-methods': method,
        'allow-headers': requested,
        'max-age': '600',
      },
      vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    });
  });

  it('is answered before any token is asked for, whatever the path', async () => {
    const headers = { origin: PORTAL, 'access-control-request-method': 'GET' };
    const allowed = { 'allow-origin': '*', 'allow-methods': 'GET', 'max-age': '600' };
    expect(await preflight(anyOrigin, headers)).toMatchObject({ status: 204, allowed });
    expect(await preflight(anyOrigin, headers, '/nothing')).toMatchObject({ status: 204, allowed });
  });

  it.each([
    [
      'another header',
      { origin: PORTAL, 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-own' },
    ],
    [
      'another header beside allowed ones',
      {
        origin: PORTAL,
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization, x-own',
      },
    ],
    ['another method', { origin: PORTAL, 'access-control-request-method': 'TRACE' }],
    ['an unknown method', { origin: PORTAL, 'access-control-request-method': 'FOO' }],
    ['a method in other capitals', { origin: PORTAL, 'access-control-request-method': 'get' }],
    ['another origin', { origin: 'https://evil.example', 'access-control-request-method': 'GET' }],
    ['no origin', { 'access-control-request-method': 'GET' }],
  ])('that asks with %s is 204 and allows nothing', async (_what, headers) => {
    expect(await preflight(portalOnly, headers)).toMatchObject({ status: 204, allowed: {} });
  });

  it("allows headers of the operator's own", async () => {
    const settings = { ...portalOnly, cors_allowed_headers: ['X-Tenant'] };
    const headers = {
      origin: PORTAL,
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'x-tenant',
    };
    expect((await preflight(settings, headers)).allowed).toMatchObject({ 'allow-headers': 'x-tenant' });
  });

  it('without a method to ask for is an ordinary OPTIONS', async () => {
    const response = await request(appWith(portalOnly)).options('/user').set('Origin', PORTAL);
    expect(response.status).toBe(401);
    expect(corsHeaders(response.headers)).toMatchObject({ 'allow-origin': PORTAL });
  });
});
