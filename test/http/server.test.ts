import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bodyOf, parseBody, text } from '../../src/http/body.ts';
import { sendJson } from '../../src/http/send-json.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { smallApp } from './small-app.ts';

const schema = bodyOf({ email: text });
const { app } = smallApp([
  ['get', '/user', (_req, res) => sendJson(res, 'hidden')],
  ['post', '/token', async (req, res) => sendJson(res, await parseBody(schema, req))],
]);

let server: Server;
beforeAll(async () => {
  server = createHttpServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function open(bytes: string): Socket {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write(bytes, 'latin1');
  return socket;
}

/** Everything the server says until it closes the connection. */
const answerTo = (bytes: string) => textOf(open(bytes));

describe('two lengths for one body', () => {
  // The request that hides in the body of another is how a front proxy's rules are passed by.
  it.each([
    [
      'Content-Length and Transfer-Encoding',
      'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /user HTTP/1.1\r\nHost: a\r\n\r\n',
    ],
    [
      'Transfer-Encoding and Content-Length',
      'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET /user HTTP/1.1\r\nHost: a\r\n\r\n',
    ],
    ['two Content-Lengths', 'Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}GET /user HTTP/1.1\r\nHost: a\r\n\r\n'],
    [
      'chunked that is not last',
      'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\nGET /user HTTP/1.1\r\nHost: a\r\n\r\n',
    ],
    ['chunked in disguise', 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /user HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a signed Content-Length', 'Content-Length: +2\r\n\r\n{}GET /user HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('(%s) are refused, and the connection is closed', async (_what, rest) => {
    const answer = await answerTo(`POST /token HTTP/1.1\r\nHost: a\r\n${rest}`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).not.toContain('hidden');
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });
});

describe('what is no request', () => {
  it.each([
    ['words', 'hello\r\n\r\n', '400 Bad Request'],
    ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00\x01', '400 Bad Request'],
    ['no Host', 'GET /user HTTP/1.1\r\n\r\n', '400 Bad Request'],
    ['a NUL in a header', 'GET /user HTTP/1.1\r\nHost: a\r\nX-A: a\0b\r\n\r\n', '400 Bad Request'],
    ['a folded header', 'GET /user HTTP/1.1\r\nHost: a\r\nX-A: a\r\n b\r\n\r\n', '400 Bad Request'],
    ['a bare line feed', 'GET /user HTTP/1.1\nHost: a\n\n', '400 Bad Request'],
    [
      '17 KiB of headers',
      `GET /user HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${'a'.repeat(17_000)}\r\n\r\n`,
      '431 Request Header Fields Too Large',
    ],
  ])('%s is refused and the connection closed', async (_what, bytes, status) => {
    const answer = await answerTo(bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status}\r\n`));
    expect(answer).toContain('Connection: close');
  });
});
