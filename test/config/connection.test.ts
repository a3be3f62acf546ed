/** Where the database is, from a URL in libpq's or SQLAlchemy's spelling, or from its parts. */
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectionFromParts, connectionFromUrl } from '../../src/config/connection.ts';
import { Unfit } from '../../src/config/values.ts';

const CERTIFICATE = `-----BEGIN ${'CERTIFICATE'}-----\n`;
let directory: string;
let authority: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-connection-'));
  authority = join(directory, 'ca.pem');
  writeFileSync(authority, CERTIFICATE);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it('a URL has its parts, special characters percent-encoded', () => {
  expect(connectionFromUrl('postgresql://a%40b:p%2Fw%3A%3F@127.0.0.1:6543/por%20tal')).toEqual({
    host: '127.0.0.1',
    port: 6543,
    user: 'a@b',
    password: 'p/w:?',
    database: 'por tal',
    ssl: false,
  });
});

it('any user, password and database come through their encoding unchanged', () => {
  const word = fc.string({ minLength: 1, unit: 'binary' }).filter((text) => text.isWellFormed());
  fc.assert(
    fc.property(word, word, word, (user, password, database) => {
      const [u, p, d] = [user, password, database].map(encodeURIComponent);
      expect(connectionFromUrl(`postgres://${u}:${p}@localhost/${d}`)).toMatchObject({ user, password, database });
    }),
  );
});

it.each([
  [
    'postgres://localhost',
    { host: 'localhost', port: 5432, user: 'postgres', password: undefined, database: 'postgres' },
  ],
  ['postgresql://gatehouse@[::1]/', { host: '::1', user: 'gatehouse', database: 'gatehouse', ssl: false }],
  ['postgresql+asyncpg://u:p@localhost/d', { host: 'localhost', user: 'u', password: 'p', database: 'd' }],
  ['postgresql+psycopg2://u:p@localhost/d', { database: 'd' }],
  ['postgresql://u:p:q@localhost/d', { password: 'p:q' }],
  [
    'postgresql:///d?host=/var/run/postgresql&user=u',
    { host: '/var/run/postgresql', user: 'u', database: 'd', ssl: false },
  ],
  ['postgresql://%2Fvar%2Frun%2Fpostgresql/d', { host: '/var/run/postgresql', ssl: false }],
  ['  postgresql://u@localhost/d\n', { database: 'd' }],
  ['postgresql://u@localhost/d?application_name=x&pool_size=5', { database: 'd' }],
])('%s is understood', (url, connection) => {
  expect(connectionFromUrl(url)).toMatchObject(connection);
});

describe('TLS', () => {
  it('is demanded of every host but this machine, its certificate and its name verified', () => {
    expect(connectionFromUrl('postgresql://u@db.example.com/d').ssl).toEqual({});
    expect(connectionFromParts({ ...noParts, host: '10.0.0.7' }).ssl).toEqual({});
    for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '[::1]']) {
      expect(connectionFromUrl(`postgresql://u@${host}/d`).ssl).toBe(false);
    }
    // Names that only begin like this machine's.
    for (const host of ['localhost.example.com', '127.0.0.1.example.com']) {
      expect(connectionFromUrl(`postgresql://u@${host}/d`).ssl).toEqual({});
    }
  });

  it('with an authority of one’s own: verify-full checks the name, verify-ca does not', () => {
    const ca = Buffer.from(CERTIFICATE);
    const url = `postgresql://u@db.example.com/d?sslrootcert=${authority}`;
    expect(connectionFromUrl(url).ssl).toEqual({ ca });
    expect(connectionFromUrl(`${url}&sslmode=verify-ca`).ssl).toEqual({
      ca,
      checkServerIdentity: expect.any(Function),
    });
    // As libpq: require with an authority is verify-ca.
    expect(connectionFromUrl(`${url}&sslmode=require`).ssl).toEqual({ ca, checkServerIdentity: expect.any(Function) });
  });

  it('where somebody in between could read along, that is a weakness, and told', () => {
    expect(connectionFromUrl('postgresql://u@db.example.com/d').weakness).toBeUndefined();
    expect(connectionFromUrl('postgresql://u@db.example.com/d?sslmode=disable').weakness).toContain('sslmode=disable');
    const require = connectionFromUrl('postgresql://u@db.example.com/d?ssl=require');
    expect(require.ssl).toEqual({ rejectUnauthorized: false });
    expect(require.weakness).toContain('whoever answers');
    expect(connectionFromUrl('postgresql://u@localhost/d?sslmode=disable').weakness).toBeUndefined();
  });
});

it.each([
  ['another database', 'mysql://u@localhost/d'],
  ['no URL', 'localhost:5432'],
  ['several hosts', 'postgresql://u@one,two/d'],
  ['a port that is none', 'postgresql://u@localhost:x/d'],
  ['port 0', 'postgresql://u@localhost:0/d'],
  ['port 65536', 'postgresql://u@localhost:65536/d'],
  ['a broken escape', 'postgresql://u:%zz@localhost/d'],
  ['a mode that goes on in the clear when somebody says so', 'postgresql://u@localhost/d?sslmode=prefer'],
  ['a mode that there is not', 'postgresql://u@localhost/d?sslmode=strict'],
  ['an authority that is no certificate', 'postgresql://u@localhost/d?sslmode=verify-full&sslrootcert=/dev/null'],
  ['an authority that is not there', 'postgresql://u@localhost/d?sslmode=verify-full&sslrootcert=/nowhere/ca.pem'],
  ['verify-ca without an authority', 'postgresql://u@db.example.com/d?sslmode=verify-ca'],
])('%s is refused', (_what, url) => {
  expect(() => connectionFromUrl(url)).toThrow(Unfit);
});

it('what a refusal says holds no password', () => {
  const password = fc.stringMatching(/^[A-Za-z0-9]{8,30}$/).map((text) => `zq${text}`);
  const broken = fc.constantFrom(
    (p: string) => `mysql://u:${p}@localhost/d`,
    (p: string) => `postgresql://u:${p}@localhost:99999/d`,
    (p: string) => `postgresql://u:${p}@localhost/d?sslmode=allow`,
    (p: string) => `postgresql://u:${p}%@localhost/d`,
    (p: string) => `postgresql://u:${p}@a,b/d`,
  );
  fc.assert(
    fc.property(password, broken, (secret, url) => {
      expect(() => connectionFromUrl(url(secret))).toThrow(
        expect.not.objectContaining({ message: expect.stringContaining(secret) }),
      );
    }),
  );
});

const noParts = {
  host: undefined,
  port: undefined,
  user: undefined,
  password: undefined,
  database: undefined,
  sslmode: undefined,
  sslrootcert: undefined,
};

it('parts are what a URL would say, with the same defaults', () => {
  expect(connectionFromParts(noParts)).toEqual(connectionFromUrl('postgresql://localhost'));
  const parts = { ...noParts, host: 'db', port: 6543, user: 'u', password: 'p', database: 'd', sslmode: 'require' };
  expect(connectionFromParts(parts)).toEqual(connectionFromUrl('postgresql://u:p@db:6543/d?sslmode=require'));
});
