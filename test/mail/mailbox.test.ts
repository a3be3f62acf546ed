/** The page of mails that are kept because there is no mail server: who may open it, and that no mail does anything in it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import supertest from 'supertest';
import { afterAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { createExpress } from '../../src/http/express.ts';
import { mount } from '../../src/http/routes.ts';
import { mailboxRoutes } from '../../src/mail/mailbox.http.ts';
import { startApp } from '../harness/app.ts';

const directory = await mkdtemp(join(tmpdir(), 'gatehouse-mailbox-'));
const app = await startApp({ env: { GATEHOUSE_SMTP_HOST: '', GATEHOUSE_MAILBOX: directory } });
afterAll(async () => {
  await app.close();
  await rm(directory, { recursive: true });
});
const { request } = app;

const NAME = '2026-11-25T08-15-30-123Z-confirmation-0123456789ab';
const keep = async (name: string, text: string, html = '<html><head></head><body>a mail</body></html>') => {
  await writeFile(join(directory, `${name}.html`), html);
  await writeFile(join(directory, `${name}.txt`), text);
};
await keep(NAME, 'To: ann@example.com\nSubject: Confirm\n\nConfirm:\nhttp://127.0.0.1/verify?token=x&type=signup\n');

const paths = ['/mailbox', `/mailbox/${NAME}`, `/mailbox/${NAME}/html`];

it('a mail that somebody is owed is there with its link, which works', async () => {
  await request.post('/signup').send({ email: 'bob@example.com', password: 'correct horse battery' }).expect(200);
  let path: string | undefined;
  for (const end = Date.now() + 10_000; path === undefined && Date.now() < end; ) {
    const list = await request.get('/mailbox').expect(200);
    path = /<a href="(\/mailbox\/[^"]+)"><strong>Confirm your email address<\/strong><span><span>bob@example.com/.exec(
      list.text,
    )?.[1];
  }
  const page = await request.get(path ?? '').expect(200);
  const [, link = ''] =
    /<a href="([^"]+)" target="_blank" rel="noopener noreferrer">Open the link/.exec(page.text) ?? [];
  const { pathname, search } = new URL(link.replaceAll('&amp;', '&'));
  const verified = await request.get(pathname + search).expect(303);
  expect(verified.headers.location).toContain('access_token=');
  expect((await request.get(`${path}/html`)).text).toContain('Confirm your email address</h1>');
});

it('the newest mail comes first, and no more are shown than a page has room for', async () => {
  for (let number = 100; number < 310; number += 1) {
    const name = `2025-01-01T00-00-00-${number}Z-invite-0123456789ab`;
    await keep(name, `To: n${number}@example.com\nSubject: Old\n\nx\n`);
  }
  const { text } = await request.get('/mailbox');
  const names = [...text.matchAll(/href="\/mailbox\/([^"]+)"/g)].map(([, name]) => name);
  expect(names).toHaveLength(200);
  expect(names).toEqual(names.toSorted().reverse());
});

describe('opens for this machine alone', () => {
  it.each(['localhost:9999', 'LOCALHOST', '127.0.0.1:9999', '127.1.2.3', '[::1]:9999'])(
    'under its name %s',
    async (host) => {
      for (const path of paths) expect((await request.get(path).set('Host', host)).status).toBe(200);
    },
  );

  // DNS rebinding: a page at a name that suddenly leads here is of the same origin as ours.
  it.each([
    'rebound.example.com',
    'rebound.example.com:9999',
    'localhost.example.com',
    '127.0.0.1.example.com',
    '192.168.1.5',
    '[::2]',
    'localhost@x',
    '',
  ])('and not under %j', async (host) => {
    for (const path of paths) {
      const answer = await request.get(path).set('Host', host);
      expect([answer.status, answer.text.includes('mail')]).toEqual([404, false]);
    }
  });

  it.each([
    ['X-Forwarded-For', '127.0.0.1'],
    ['X-Forwarded-Host', 'localhost'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Real-IP', '127.0.0.1'],
    ['Forwarded', 'for=127.0.0.1'],
    ['Via', '1.1 proxy'],
  ])('and not through a proxy, which says %s', async (name, value) => {
    for (const path of paths) expect((await request.get(path).set(name, value)).status).toBe(404);
  });

  // A page of anybody's, open in a browser on this machine, could otherwise read them: other routes may be read by every origin.
  it.each([
    { Origin: 'https://evil.example' },
    { Origin: 'null' },
    { Origin: 'http://127.0.0.1:3000' },
    { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'script' },
    { 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty' },
    { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe' },
  ])('and not for a page of another origin: %j', async (headers: Record<string, string>) => {
    for (const path of paths) {
      const answer = await request.get(path).set(headers);
      expect([answer.status, answer.text.includes('mail')]).toEqual([404, false]);
    }
  });

  it('but for a person who follows a link to it', async () => {
    const headers = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' };
    const answer = await request.get('/mailbox').set(headers).expect(200);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('to no other peer, whatever proxies are trusted', async () => {
    const { settings } = readConfig({ GATEHOUSE_MAILBOX: directory }, 'command');
    const peer = async (address: string) => {
      const other = createExpress({ trusted_proxies: ['1'] });
      other.use((req, _res, next) => {
        Object.defineProperty(req.socket, 'remoteAddress', { value: address, configurable: true });
        next();
      });
      mount(other, mailboxRoutes(settings));
      return (await supertest(other).get('/mailbox').set('Host', 'localhost')).status;
    };
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '127.8.8.8'])
      expect([address, await peer(address)]).toEqual([address, 200]);
    for (const address of ['192.168.1.5', '::ffff:10.0.0.1', 'fe80::1', '128.0.0.1', '', '::127.0.0.1']) {
      expect([address, await peer(address)]).toEqual([address, 404]);
    }
  });

  it('by reading it', async () => {
    expect((await request.post('/mailbox')).status).toBe(405);
    expect((await request.head('/mailbox')).status).toBe(405);
    expect(
      (await request.options('/mailbox').set('Origin', 'https://x.example').set('Access-Control-Request-Method', 'GET'))
        .headers,
    ).not.toHaveProperty('access-control-allow-origin');
  });
});

it('is not there where mail leaves, or is not kept', async () => {
  const routes = (env: Record<string, string>) => mailboxRoutes(readConfig(env, 'command').settings);
  expect(routes({})).toEqual([]);
  const server = { GATEHOUSE_SMTP_HOST: 'smtp.example.com', GATEHOUSE_SMTP_ADMIN_EMAIL: 'a@example.com' };
  expect(routes({ ...server, GATEHOUSE_MAILBOX: directory })).toEqual([]);
  expect((await request.get('/auth/v1/mailbox')).status).toBe(404);
});

it.each([
  '..%2f..%2fetc%2fpasswd',
  '..',
  '%2e%2e',
  `${NAME}.txt`,
  `${NAME}%00`,
  `..%2f${NAME}`,
  'x',
  '2026-11-25T08-15-30-123Z-confirmation-ffffffffffff',
])('reads no other file: %s', async (name) => {
  await writeFile(join(directory, 'x.txt'), 'To: a\nSubject: b\n\nsecret');
  for (const path of [`/mailbox/${name}`, `/mailbox/${name}/html`]) {
    const answer = await request.get(path);
    expect([400, 404]).toContain(answer.status);
    expect(answer.text).not.toContain('secret');
  }
});

// CVE class 52.
describe('a mail does nothing', () => {
  const evil = `"'><script>alert(1)</script>`;
  const name = '2026-11-26T00-00-00-000Z-invite-0123456789ab';

  it('in the list and beside it: every value is text', async () => {
    await keep(
      name,
      `To: ${evil}@example.com\nSubject: ${evil}\n\n${evil}\njavascript:alert(1)\nhttps://x.example/${evil}\n`,
    );
    for (const path of ['/mailbox', `/mailbox/${name}`]) {
      const { text, headers } = await request.get(path);
      expect(text).not.toContain('<script');
      expect(text).not.toMatch(/href="(?!\/mailbox|https?:)/);
      expect(headers['content-security-policy']).toMatch(
        /^default-src 'none'; style-src 'sha256-[\w+/=]+'; frame-src 'self'; /,
      );
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-frame-options': 'DENY',
      });
    }
  });

  it('in its frame: no script, nothing fetched, links in a page of their own', async () => {
    await keep(
      name,
      'To: a\nSubject: b\n\nc',
      '<!doctype html><html><head><title>x</title></head><body><script>1</script><img src="https://x.example/pixel"></body></html>',
    );
    const { text, headers } = await request.get(`/mailbox/${name}/html`);
    expect(text).toContain('<head><base target="_blank"><title>');
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; style-src 'unsafe-inline'; img-src data:; /,
    );
    expect(headers['content-security-policy']).toMatch(/; sandbox allow-popups allow-popups-to-escape-sandbox$/);
    expect(headers['content-security-policy']).not.toMatch(/allow-(?:scripts|same-origin|forms|top-navigation)/);
    expect(headers['x-frame-options']).toBe('SAMEORIGIN');
  });

  it('where its files cannot be read, or say something else, it is no mail', async () => {
    const broken = '2026-11-27T00-00-00-000Z-invite-0123456789ab';
    await writeFile(join(directory, `${broken}.txt`), 'nothing of the kind');
    expect((await request.get('/mailbox')).status).toBe(200);
    expect((await request.get(`/mailbox/${broken}`)).status).toBe(200);
    expect((await request.get(`/mailbox/${broken}/html`)).status).toBe(404);
    await rm(join(directory, `${broken}.txt`));
  });

  it('where there is no directory yet, there is no mail', async () => {
    const { settings } = readConfig({ GATEHOUSE_MAILBOX: join(directory, 'no') }, 'command');
    const other = createExpress({ trusted_proxies: [] });
    mount(other, mailboxRoutes(settings));
    const { status, text } = await supertest(other).get('/mailbox').set('Host', 'localhost');
    expect([status, text]).toEqual([200, expect.stringContaining('No mail yet')]);
  });
});
