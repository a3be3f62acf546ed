import fc from 'fast-check';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { callerOf, canonicalAddress, trustProxy } from '../../src/http/caller.ts';
import type { Route } from '../../src/http/routes.ts';
import { sendJson } from '../../src/http/send-json.ts';
import { type SmallAppSettings, smallApp } from './small-app.ts';

const whoami: Route = ['get', '/whoami', (req, res) => sendJson(res, callerOf(req))];

async function callerFor(headers: Record<string, string>, settings: SmallAppSettings = {}, path = '/whoami') {
  const response = await request(smallApp([whoami], settings).app)
    .get(path)
    .set(headers);
  return { ...response.body, header: response.headers['x-request-id'] };
}

describe('the request id', () => {
  it('is random, and the answer carries it', async () => {
    const { request_id, header } = await callerFor({});
    expect(request_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(header).toBe(request_id);
  });

  it('is the value of the configured header', async () => {
    const settings = { api_request_id_header: 'X-Amzn-Trace-Id' };
    const { request_id } = await callerFor({ 'x-amzn-trace-id': 'Root=1-67891233-abcdef' }, settings);
    expect(request_id).toBe('Root=1-67891233-abcdef');
  });

  it.each([
    ['of no configured header', {}, 'abc'],
    ['with a blank, which would forge fields of a log', { api_request_id_header: 'x-request-id' }, 'a b'],
    ['beyond ASCII', { api_request_id_header: 'x-request-id' }, 'caf\xe9'],
    ['longer than 128 characters', { api_request_id_header: 'x-request-id' }, 'a'.repeat(129)],
    ['that is empty', { api_request_id_header: 'x-request-id' }, ''],
  ])('is not a value %s', async (_what, settings, value) => {
    const { request_id } = await callerFor({ 'x-request-id': value }, settings);
    expect(request_id).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('the address', () => {
  it('is the peer, whatever headers say, unless a proxy is declared', async () => {
    const forged = {
      'x-forwarded-for': '203.0.113.9',
      forwarded: 'for=203.0.113.9',
      'sb-forwarded-for': '203.0.113.9',
    };
    expect(await callerFor(forged)).toMatchObject({ ip: '127.0.0.1' });
  });

  it.each([
    ['what the declared proxy says', '203.0.113.9', ['loopback'], '203.0.113.9'],
    ['not what the client said before it', '198.51.100.1, 203.0.113.9', ['127.0.0.1'], '203.0.113.9'],
    ['behind two declared proxies', '203.0.113.9, 10.0.0.7', ['loopback', '10.0.0.0/8'], '203.0.113.9'],
    ['behind a count of proxies', '198.51.100.1, 203.0.113.9, 192.0.2.4', ['2'], '203.0.113.9'],
    ['without the port that a gateway appends', '203.0.113.9:51234', ['loopback'], '203.0.113.9'],
    ['of IPv6 in brackets', '[2001:DB8::0:1]:443', ['loopback'], '2001:db8::1'],
    ['the peer where the proxy passes on nonsense', "'; drop table", ['loopback'], '127.0.0.1'],
  ])('is %s', async (_what, forwardedFor, trusted_proxies, ip) => {
    expect(await callerFor({ 'x-forwarded-for': forwardedFor }, { trusted_proxies })).toMatchObject({ ip });
  });

  it('is the leftmost of Sb-Forwarded-For where that is switched on', async () => {
    const settings = { security_sb_forwarded_for_enabled: true };
    expect(await callerFor({ 'sb-forwarded-for': '203.0.113.9, 10.0.0.1' }, settings)).toMatchObject({
      ip: '203.0.113.9',
    });
    expect(await callerFor({ 'sb-forwarded-for': 'nonsense' }, settings)).toMatchObject({ ip: '127.0.0.1' });
  });

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:C000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['2001:0DB8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::1', '::1'],
    ['010.0.0.1', undefined],
    ['1.2.3', undefined],
    ['1.2.3.4:99999999', undefined],
    ['example.org', undefined],
    ['', undefined],
    ['1'.repeat(10_000), undefined],
  ])('%s is spelled %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });

  it('has one spelling, which is an address to PostgreSQL as well', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        const canonical = canonicalAddress(address);
        expect(canonical).toMatch(/^[0-9a-f.:]+$/);
        expect(canonicalAddress(canonical)).toBe(canonical);
        expect(canonicalAddress(address.toUpperCase())).toBe(canonical);
      }),
    );
  });
});

describe('declared proxies', () => {
  it('are nobody where nobody is declared', () => {
    expect(trustProxy([])('127.0.0.1', 0)).toBe(false);
  });

  it('are recognised in either spelling of IPv4', () => {
    const trusts = trustProxy(['10.0.0.0/8']);
    expect(trusts('10.1.2.3', 0)).toBe(true);
    expect(trusts('::ffff:10.1.2.3', 0)).toBe(true);
    expect(trusts('::ffff:11.1.2.3', 0)).toBe(false);
    expect(trusts('2001:db8::1', 0)).toBe(false);
  });

  // CVE class 11.
  it('are never all there are: a mapped range does not trust the internet (CVE-2026-90711)', () => {
    expect(() => trustProxy(['::ffff:10.0.0.0/8'])).toThrow('::ffff:10.0.0.0/8');
    expect(() => trustProxy(['::ffff:10.0.0.0/104'])).toThrow();
    expect(trustProxy(['::ffff:10.0.0.1'])('10.0.0.1', 0)).toBe(true);
    expect(trustProxy(['::ffff:10.0.0.1'])('10.0.0.2', 0)).toBe(false);
  });

  it.each(['0.0.0.0/0', '::/0', '10.0.0.0/33', '10.0.0.0/', '10.0.0', 'true', 'proxy.internal', '', '10.0.0.1/8/8'])(
    '"%s" is refused by name',
    (entry) => {
      expect(() => trustProxy(['loopback', entry])).toThrow(`"${entry}"`);
    },
  );
});

it('a user agent is cut at 512 characters and holds no control characters', async () => {
  expect((await callerFor({ 'user-agent': `a\tb${'c'.repeat(600)}` })).user_agent).toBe(`ab${'c'.repeat(509)}`);
});

it('the path is what the caller asked for without its query, which can carry tokens', async () => {
  expect(await callerFor({}, {}, '/whoami?token=secret')).toMatchObject({ path: '/whoami', method: 'GET' });
});
