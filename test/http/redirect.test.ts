import { describe, expect, test } from 'vitest';
import { allowedAddress } from '../../src/http/redirect.ts';

/** As in the contract's profiles. */
const settings = {
  site_url: 'http://localhost:3000',
  uri_allow_list: ['http://localhost:3000/**', 'https://*.example.org/welcome', 'com.example.app://callback'],
};
const portal = {
  site_url: 'https://portal.example.com/app',
  uri_allow_list: [
    'https://docs.example.com/public/**',
    'https://docs.example.com/*/edit',
    'https://**.example.net/x',
    'https://any.example.com:*/x',
    'https://q.example.com/x?lang=*',
    'https://example.com',
    'https://*/one-label',
    'myapp://**',
    'https://10.0.0.5/x',
    'javascript://**',
    'nonsense',
  ],
};

const refused = (...addresses: string[]) => addresses.map((address) => [address] as const);

test.each([
  ['http://localhost:3000'],
  ['http://localhost:3000/'],
  ['http://localhost:3000/a/b/c'],
  ['http://localhost:3000/a?x=1&y=2'],
  ['http://localhost:3000/a?x=1#part'],
  ['http://localhost:5173/a'],
  ['http://localhost/a'],
  ['http://localhost:3000//evil.example/a'],
  ['http://localhost:3000/../a'],
  ['http://localhost:3000/%2e%2e/a'],
  ['http://127.0.0.1:3000/a'],
  ['http://127.0.0.1/a'],
  ['https://127.0.0.1:8080/a'],
  ['http://127.8.9.1/a'],
  ['http://[::1]:3000/a'],
  ['http://[::1]/a'],
  ['http://[::ffff:127.0.0.1]/a'],
  ['https://team.example.org/welcome'],
  ['https://a-1.example.org/welcome'],
  ['https://TEAM.example.org/welcome'],
  ['https://team.example.org/welcome#part'],
  ['com.example.app://callback'],
  ['com.example.app://callback#part'],
])('%s is followed, as it is', (address) => {
  expect(allowedAddress(address, settings)).toBe(address);
});

test.each([
  ['HTTP://localhost:3000/a', 'http://localhost:3000/a'],
  ['http://localhost:3000/a b', 'http://localhost:3000/a%20b'],
  ['http://localhost:3000/ä?b="<\'>"', 'http://localhost:3000/%C3%A4?b=%22%3C%27%3E%22'],
])('%s is followed as a header can say it', (address, written) => {
  expect(allowedAddress(address, settings)).toBe(written);
});

// CVE class 45, measured falls 2.
describe('is not followed:', () => {
  test.each(
    refused(
      // another scheme, host or port
      'https://localhost:3000/a',
      'http://LOCALHOST:3000/a',
      'http://evil.example/a',
      'http://localhost.evil.example/a',
      'http://localhost:3000.evil.example/a',
      'http://evil.example/http://localhost:3000/a',
      'ftp://localhost:3000/a',
      // no address
      '',
      '//evil.example/a',
      '//localhost:3000/a',
      '/a',
      'a',
      '?x=1',
      'localhost:3000/a',
      ' http://localhost:3000/a',
      'http://localhost:3000/a ',
      'http:localhost:3000/a',
      'http:///localhost:3000/a',
      'http://',
      `http://localhost:3000/${'a'.repeat(2100)}`,
      'http://localhost:3000/%zz',
      'http://localhost:3000/a\nb',
      'http://localhost:3000/a\0b',
      'http://local\thost:3000/a',
      // user-info and what looks like it
      'http://localhost:3000@evil.example/a',
      'http://localhost@evil.example/a',
      'http://localhost:3000%2f@evil.example/a',
      'http://user:pw@localhost:3000/a',
      'http://@localhost:3000/a',
      'http://evil.example\\@localhost:3000/a',
      'http:\\\\evil.example\\a',
      'http://localhost:3000\\@evil.example/a',
      'http://localhost:3000\\.evil.example/a',
      'http://evil.example#@localhost:3000/a',
      'http://evil.example?@localhost:3000/a',
      'http://evil.example%00.localhost:3000/a',
      'https://user@team.example.org/welcome',
      'https://evil:x@team.example.org/welcome',
      'https://user:pw@127.0.0.1/a',
      // literal addresses in all their spellings
      'http://10.0.0.5/a',
      'http://192.168.1.1:3000/a',
      'http://2130706433/a',
      'http://0x7f000001/a',
      'http://0177.0.0.1/a',
      'http://0/a',
      'http://127.1/a',
      'http://127.0.0.1./a',
      'http://[fe80::1]/a',
      'http://[::ffff:10.0.0.1]/a',
      'http://[::]/a',
      'com.example.app://127.0.0.1',
      'ftp://127.0.0.1/a',
      // schemes that go nowhere
      'javascript:alert(1)',
      'JavaScript://localhost:3000/%0aalert(1)',
      'javascript://127.0.0.1/%0aalert(1)',
      'javascript://com.example.app://callback',
      'data:text/html,<b>x</b>',
      'data://[::1]/x',
      'file:///etc/hosts',
      'vbscript:x',
      'blob:http://localhost:3000/1',
      'mailto:desk@portal.example',
      // a star is one label
      'https://a.b.example.org/welcome',
      'https://example.org/welcome',
      'https://.example.org/welcome',
      'http://team.example.org/welcome',
      'https://team.example.org/',
      'https://team.example.org/welcome/',
      'https://team.example.org/welcome/x',
      'https://team.example.org/welcome?x=1',
      'https://team.example.org:8443/welcome',
      'https://team.EXAMPLE.org/welcome',
      'https://te_am.example.org/welcome',
      'https://teamexample.org/welcome',
      'https://team.example.org.evil.example/welcome',
      'https://evil?a.example.org/welcome',
      'https://evil#a.example.org/welcome',
      'https://evil/a.example.org/welcome',
      'https://evil\\a.example.org/welcome',
      'https://evil.example/.example.org/welcome',
      'https://evil.example%2f.example.org/welcome',
      'https://evil.example／a.example.org/welcome',
      'https://evil。example.org/welcome',
      // an app's address, exactly
      'com.example.app://callback/',
      'com.example.app://callback/x',
      'com.example.app://callback?x=1',
      'com.example.app://other',
      'com.example.app:callback',
      'com.example.app:/callback',
      'COM.example.app://callback',
      'com.example.apps://callback',
      'com.other.app://127.0.0.1:1234/x',
    ),
  )('%j', (address) => {
    expect(allowedAddress(address, settings)).toBeUndefined();
  });
});

test.each([
  ['https://portal.example.com', true],
  ['https://portal.example.com/anything?x=1', true],
  ['https://portal.example.com:8443/', false],
  ['https://docs.example.com/public/a/b?x=1', true],
  ['https://docs.example.com/public/../private', false],
  ['https://docs.example.com/public/%2e%2E/private', false],
  ['https://docs.example.com/private', false],
  ['https://docs.example.com/a/edit', true],
  ['https://docs.example.com/a/b/edit', false],
  ['https://a.b.example.net/x', true],
  ['https://evil.example/.example.net/x', false],
  ['https://any.example.com:1234/x', true],
  ['https://any.example.com/x', true],
  ['https://q.example.com/x?lang=de', true],
  ['https://q.example.com/x', false],
  ['https://example.com', true],
  ['https://example.com/', false],
  ['https://intranet/one-label', true],
  // A browser goes to 127.0.0.1.
  ['https://0x7f000001/one-label', false],
  ['https://2130706433/one-label', false],
  ['myapp://login/callback?x=1', true],
  ['myapp://login', true],
  ['otherapp://login', false],
  // Listed or not: whoever has that address at the moment.
  ['https://10.0.0.5/x', false],
  ['javascript://localhost/%0aalert(1)', false],
  // A name, which a resolver may send anywhere; of this machine only the literal address is believed.
  ['http://localhost:3000/', false],
])('of a portal with a list, %s is followed: %s', (address, isFollowed) => {
  expect(allowedAddress(address, portal)).toBe(isFollowed ? address : undefined);
});
