/** What keeps us from a database, as a sentence for whoever wrote its URL. */
import pg from 'pg';
import { expect, it } from 'vitest';
import { connectionFromUrl } from '../../src/config/connection.ts';
import { explain, MigrationFailure } from '../../src/migrate/failure.ts';
import { connectTo, sideOf } from '../../src/migrate/source.sql.ts';
import { listening } from '../harness/listener.ts';
import { adminUrl } from '../harness/postgres.ts';

const at = (port: number) => `postgres://ann:must-not-show@127.0.0.1:${port}/portal`;

async function said(url: string): Promise<string> {
  const connection = connectionFromUrl(url);
  const failure = await connectTo(connection).then(
    ({ cut }) => cut(),
    (error) => explain(error, sideOf('source', connection)),
  );
  expect(failure).toBeInstanceOf(MigrationFailure);
  const { message } = failure as unknown as MigrationFailure;
  expect(message).not.toContain('must-not-show');
  return message;
}

it('no password, where one is asked for', async () => {
  const url = new URL(adminUrl());
  url.password = '';
  expect(await said(url.href)).toMatch(
    /^The source cannot be used: \S+ asks for the password of role gatehouse_superuser\. Add it to the URL\.$/,
  );
});

it('something that is not PostgreSQL and is asked for TLS', async () => {
  const port = await listening((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  expect(await said(`${at(port)}?sslmode=require`)).toMatch(
    /^The source cannot be used: what answers at \S+ is not PostgreSQL\. /,
  );
});

it('a pooler that does not know the project', async () => {
  const words = 'SFATAL\0VFATAL\0CXX000\0MTenant or user not found\0\0';
  const length = Buffer.alloc(4);
  length.writeInt32BE(words.length + 4);
  const port = await listening((socket) =>
    socket.once('data', () => socket.end(Buffer.concat([Buffer.from('E'), length, Buffer.from(words)]))),
  );
  expect(await said(at(port))).toMatch(
    /^The source cannot be used: \S+ refuses the connection \(Tenant or user not found\)\. Check the URL\.$/,
  );
});

it.each([
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    /is for another name\. Use the name that it is for, or sslmode=verify-ca with sslrootcert\.$/,
  ],
  ['CERT_HAS_EXPIRED', /has expired\. Renew it\.$/],
  [
    'SELF_SIGNED_CERT_IN_CHAIN',
    /is not trusted \(SELF_SIGNED_CERT_IN_CHAIN\)\. Name its authority with sslrootcert\.$/,
  ],
])('a certificate: %s', (code, sentence) => {
  const side = { name: 'source', address: 'db.example.com:5432/postgres', role: 'ann' } as const;
  const explained = explain(Object.assign(new Error('of TLS'), { code }), side);
  expect((explained as Error).message).toMatch(sentence);
});

it('a fault of ours stays one', () => {
  const side = { name: 'source', address: 'db.example.com:5432/postgres', role: 'ann' } as const;
  for (const fault of [
    new TypeError('ours'),
    Object.assign(new pg.DatabaseError('syntax', 6, 'error'), { code: '42601' }),
  ]) {
    expect(explain(fault, side)).toBe(fault);
  }
});
