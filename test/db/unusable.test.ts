/** Why a database cannot be used: what PostgreSQL, the network and TLS say, as a sentence for whoever wrote the address. */
import { TLSSocket } from 'node:tls';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { type Connection, connectionFromUrl } from '../../src/config/connection.ts';
import { whyUnusable } from '../../src/db/unusable.ts';
import { listening } from '../harness/listener.ts';
import { adminUrl } from '../harness/postgres.ts';
import { freePort } from '../harness/program.ts';

/** What is said about connecting there. */
async function said(connection: Connection, timeout = 5_000): Promise<string | undefined> {
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: timeout });
  try {
    await client.connect();
    return 'nothing is wrong';
  } catch (error) {
    return whyUnusable(error, connection, 'DATABASE_URL');
  } finally {
    await client.end().catch(() => {});
  }
}

const to = (port: number, more = '') => connectionFromUrl(`postgresql://ann:pass-word@127.0.0.1:${port}/portal${more}`);

describe('of PostgreSQL', () => {
  const real = () => connectionFromUrl(adminUrl());

  it('a wrong password', async () => {
    expect(await said({ ...real(), password: 'guessed' })).toMatch(
      /^PostgreSQL at 127\.0\.0\.1:\d+ refuses the password of role "gatehouse_superuser": correct DATABASE_URL\.$/,
    );
  });

  it('no password, where one is asked for', async () => {
    expect(await said({ ...real(), password: undefined })).toMatch(
      /^PostgreSQL at \S+ asks for the password of role "gatehouse_superuser", and DATABASE_URL has none\.$/,
    );
  });

  it('no such database', async () => {
    expect(await said({ ...real(), database: 'nowhere' })).toMatch(/has no database "nowhere": create it, or correct/);
  });

  it('no TLS, where it is demanded', async () => {
    expect(await said({ ...real(), ssl: {} })).toMatch(
      /^PostgreSQL at \S+ does not speak TLS, .*sslmode=disable in DATABASE_URL\.$/,
    );
  });

  it.each([
    ['28000', 'does not let role "ann" in (no entry): correct DATABASE_URL, or pg_hba.conf there.'],
    ['53300', 'has no connection left: close some, or raise max_connections there.'],
    ['57P03', 'does not accept connections yet (no entry): try again when it does.'],
  ])('SQLSTATE %s', (code, sentence) => {
    const error = Object.assign(new pg.DatabaseError('no entry', 8, 'error'), { code });
    expect(whyUnusable(error, to(5432), 'DATABASE_URL')).toBe(`PostgreSQL at 127.0.0.1:5432 ${sentence}`);
  });
});

describe('of the way there', () => {
  it('nobody listens', async () => {
    const port = await freePort();
    expect(await said(to(port))).toBe(
      `PostgreSQL at 127.0.0.1:${port} cannot be reached (ECONNREFUSED): start it, or correct host and port in DATABASE_URL.`,
    );
  });

  it('a socket that is not there', async () => {
    expect(await said(connectionFromUrl('postgresql:///portal?host=/nowhere&user=ann'))).toMatch(
      /^PostgreSQL at \/nowhere cannot be reached \(ENOENT\)/,
    );
  });

  it('a name that nobody knows', async () => {
    expect(await said(connectionFromUrl('postgresql://ann@db.invalid/portal'))).toMatch(
      /^The host "db\.invalid" in DATABASE_URL is not known here \((?:ENOTFOUND|EAI_AGAIN)\)/,
    );
  });

  it('silence', async () => {
    const port = await listening(() => {});
    expect(await said(to(port), 50)).toMatch(
      / does not answer: correct host and port in DATABASE_URL, or open the firewall\.$/,
    );
  });

  it('something that is not PostgreSQL', async () => {
    const port = await listening((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect(await said(to(port))).toMatch(/^What answers at \S+ ended the connection: see whether it is PostgreSQL/);
  });
});

describe('of TLS', () => {
  /** Says yes to TLS, and shows a certificate for db.example.com that only it has signed. */
  const withTls = () =>
    listening((socket) =>
      socket.once('data', () => {
        socket.write('S');
        new TLSSocket(socket, { isServer: true, cert: CERTIFICATE, key: KEY }).on('error', () => {});
      }),
    );

  it('a certificate of an authority that nobody named', async () => {
    expect(await said(to(await withTls(), '?sslmode=verify-full'))).toMatch(
      /^The certificate of PostgreSQL at \S+ is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\): name the authority .* DATABASE_URL\.$/,
    );
  });

  it('a certificate for another name', async () => {
    const connection = { ...to(await withTls()), ssl: { ca: CERTIFICATE } };
    expect(await said(connection)).toMatch(
      /^The certificate of PostgreSQL at \S+ is for another name than "127\.0\.0\.1": correct the host/,
    );
  });
});

it('an error of another kind is nobody’s address', () => {
  expect(whyUnusable(new TypeError('a fault of ours'), to(5432), 'DATABASE_URL')).toBeUndefined();
  expect(whyUnusable('a text', to(5432), 'DATABASE_URL')).toBeUndefined();
  const syntax = Object.assign(new pg.DatabaseError('syntax', 6, 'error'), { code: '42601' });
  expect(whyUnusable(syntax, to(5432), 'DATABASE_URL')).toBeUndefined();
});

/** For db.example.com, until 2126, signed by itself; the key of nothing. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBpTCCAUqgAwIBAgIUPjTmOln8wegYVMbMXzYRMg79MrswCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOZGIuZXhhbXBsZS5jb20wIBcNMjYxMTI1MjMwMzU2WhgPMjEy
NjExMDEyMzAzNTZaMBkxFzAVBgNVBAMMDmRiLmV4YW1wbGUuY29tMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAE6nmI5kCCK8hC0UkaI1b6RL7w43YFWJyMYlmkdohl
WpeN17lrQa3R3GfKF8gq/lxG7UsSy104K692HXXELLoK2aNuMGwwHQYDVR0OBBYE
FJ4Jv4s4lgvNvrEbJZfM+CkPw4JDMB8GA1UdIwQYMBaAFJ4Jv4s4lgvNvrEbJZfM
+CkPw4JDMA8GA1UdEwEB/wQFMAMBAf8wGQYDVR0RBBIwEIIOZGIuZXhhbXBsZS5j
b20wCgYIKoZIzj0EAwIDSQAwRgIhANs5Lm2lsUVpz2GYiRfXWgX60zW+pTOcg5lz
OXC9V9P2AiEA/WOizUX4and52VGGcMfU2YjMEh0Q0D0gTIWgv0KLxak=
-----END CERTIFICATE-----`;

const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2A101ZXXonPq9LAb
d4p1kOm7a9d8D1k7nmZiGQ5ipW6hRANCAATqeYjmQIIryELRSRojVvpEvvDjdgVY
nIxiWaR2iGVal43XuWtBrdHcZ8oXyCr+XEbtSxLLXTgrr3YddcQsugrZ
-----END PRIVATE KEY-----`;
