import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import type { Request } from 'express';
import fc from 'fast-check';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { bodyOf, flag, type Metadata, metadata, parseBody, parseForm, secretText, text } from '../../src/http/body.ts';
import type { Route } from '../../src/http/routes.ts';
import { sendJson } from '../../src/http/send-json.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { smallApp } from './small-app.ts';

const schema = bodyOf({ email: text, password: secretText, email_confirm: flag, data: metadata });
const mirror = (req: Request) => parseBody(schema, req);
const routes: Route[] = [
  ['post', '/mirror', async (req, res) => sendJson(res, await mirror(req))],
  ['post', '/twice', async (req, res) => sendJson(res, [await mirror(req), await mirror(req)])],
  ['post', '/left', async (req, res) => sendJson(res, await mirror(req))],
  ['post', '/form', async (req, res) => sendJson(res, Object.fromEntries(await parseForm(req)))],
];
const { app, lines } = smallApp(routes);

const post = (body: string | Buffer, type = 'application/json', path = '/mirror') =>
  request(app).post(path).set('X-Supabase-Api-Version', '2024-01-01').set('Content-Type', type).send(body);

describe('a body', () => {
  it.each([
    ['members by name', '{"email":"a@b.example","password":"x"}', { email: 'a@b.example', password: 'x' }],
    ['members whatever their capitals', '{"EMAIL":"a","Password":"x"}', { email: 'a', password: 'x' }],
    ['the last of duplicates', '{"email":"a","email":"b"}', { email: 'b' }],
    ['the last of duplicates in other capitals', '{"email":"a","Email":"b"}', { email: 'b' }],
    ['no member that is null', '{"email":null,"password":"x","data":null}', { password: 'x' }],
    ['nothing for null', 'null', {}],
    ['nothing for an empty object', ' {} ', {}],
    ['no unknown members', '{"role":"service_role","is_super_admin":true,"gotrue_meta_security":{}}', {}],
    ['nothing of a prototype', '{"__proto__":{"email":"a"},"constructor":{"prototype":{"email":"a"}}}', {}],
    [
      'U+FFFD for a lone surrogate',
      '{"email":"\\ud800a","password":"\\udc00"}',
      { email: '\ufffda', password: '\ufffd' },
    ],
    ['a NUL in a password', '{"password":"\\u0000abc"}', { password: '\0abc' }],
    [
      'metadata of every kind',
      '{"data":{"a":[1,null,{"b":1.5}],"big":12345678901234568}}',
      { data: { a: [1, null, { b: 1.5 }], big: 12345678901234568 } },
    ],
    [
      'metadata without a prototype of its own',
      '{"data":{"a":{"__proto__":{"admin":true}},"constructor":1}}',
      { data: { a: {}, constructor: 1 } },
    ],
  ])('holds %s', async (_what, body, read) => {
    const response = await post(body);
    expect(response.status).toBe(200);
    expect(response.body).toEqual(read);
  });

  it.each(['text/plain', 'application/json; charset=latin1', 'nonsense'])(
    'is JSON whatever its type "%s" says',
    async (type) => {
      expect((await post('{"email":"a"}', type)).body).toEqual({ email: 'a' });
    },
  );

  it('has U+FFFD for bytes that are no UTF-8', async () => {
    const bytes = Buffer.from([...Buffer.from('{"email":"a'), 0xff, 0xfe, ...Buffer.from('"}')]);
    const response = await post(bytes, 'application/octet-stream');
    expect(response.body).toEqual({ email: 'a\ufffd\ufffd' });
  });

  it('may be asked for twice', async () => {
    expect((await post('{"email":"a"}', 'application/json', '/twice')).body).toEqual([{ email: 'a' }, { email: 'a' }]);
  });

  it('leaves every object as it was', async () => {
    await post('{"__proto__":{"polluted":1},"data":{"__proto__":{"polluted":1},"a":{"__proto__":{"polluted":1}}}}');
    expect(({} as Metadata).polluted).toBeUndefined();
  });
});

const BAD = 'Could not parse request body as JSON';
const ENDS_EARLY = `${BAD}: unexpected end of JSON input`;

describe('a body that is refused says bad_json', () => {
  it.each([
    ['for none at all', '', ENDS_EARLY],
    ['for blanks', ' \n', ENDS_EARLY],
    ['where an object ends early', '{', ENDS_EARLY],
    ['where a text ends early', '{"email":"a', ENDS_EARLY],
    ['where an escape ends early', '{"email":"\\u00', ENDS_EARLY],
    ['where a word ends early', '{"email_confirm":tru', ENDS_EARLY],
    ['where a member ends early', '{"email":"a",', ENDS_EARLY],
    ['for words', 'not json', BAD],
    ['for what follows the object', '{"email":"a"} trailing', BAD],
    ['for an array', '[]', BAD],
    ['for a text', '"text"', BAD],
    ['for a number', '7', BAD],
    ['for true', 'true', BAD],
    ['for a number as address', '{"email":5}', BAD],
    ['for an array as address', '{"email":["a"]}', BAD],
    ['for an object as password', '{"password":{"$ne":""}}', BAD],
    ['for a text as flag', '{"email_confirm":"true"}', BAD],
    ['for a number as flag', '{"email_confirm":1}', BAD],
    ['for a text as metadata', '{"data":"text"}', BAD],
    ['for an array as metadata', '{"data":[1,2]}', BAD],
    ['for a number that no machine holds', '{"data":{"a":1e999}}', BAD],
    ['for a raw control character', '{"email":"a\u0000"}', BAD],
    ['for a byte order mark', '\ufeff{}', BAD],
  ])('%s', async (_what, body, message) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    expect(response.body).toEqual({ code: 'bad_json', message });
  });

  it.each([
    'application/x-www-form-urlencoded',
    'application/x-www-form-urlencoded; charset=utf-8',
    'multipart/form-data; boundary=x',
  ])('for anything sent as %s', async (type) => {
    expect((await post('{"email":"a"}', type)).body).toEqual({ code: 'bad_json', message: ENDS_EARLY });
  });

  it('and quotes nothing of it, in the answer or the log', async () => {
    const response = await post('{"password":"hunter2-canary" oops}');
    expect(response.text).not.toContain('canary');
    expect(JSON.stringify(lines())).not.toContain('canary');
  });

  it('however deep it is nested', async () => {
    expect((await post('['.repeat(500_000))).body).toEqual({ code: 'bad_json', message: ENDS_EARLY });
    expect((await post(`{"a":${'['.repeat(500_000)}${']'.repeat(500_000)}}`)).status).toBe(200);
  });
});

const deep = (levels: number) => `{"data":${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels)}`;

describe('a body that is refused says validation_failed', () => {
  it.each([
    ['for a NUL in an address', '{"email":"a\\u0000b"}'],
    ['for a NUL in metadata', '{"data":{"a":[{"b":"\\u0000"}]}}'],
    ['for a NUL in a name of metadata', '{"data":{"\\u0000":1}}'],
    ['for metadata over 64 KiB', JSON.stringify({ data: { a: 'é'.repeat(32_765) } })],
    ['for metadata over 100 levels deep', deep(101)],
    ['for metadata over 100 arrays deep', `{"data":{"a":${'['.repeat(100)}${']'.repeat(100)}}}`],
  ])('%s', async (_what, body) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    expect(response.body.code).toBe('validation_failed');
  });

  it('not for metadata of just that size and depth', async () => {
    expect((await post(JSON.stringify({ data: { a: 'é'.repeat(32_764) } }))).status).toBe(200);
    expect((await post(deep(100))).status).toBe(200);
  });
});

it('whatever bytes come, the answer is the body or a refusal', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.json().map((json) => `{"data":${json},"email":${json}}`),
      ),
      async (body) => {
        expect([200, 400]).toContain((await post(body)).status);
      },
    ),
    { numRuns: 200 },
  );
});

describe('a body over 1 MiB', () => {
  const tooLarge = { code: 'request_entity_too_large', message: 'Request body too large (max 1048576 bytes)' };
  const ofSize = (size: number) => JSON.stringify({ password: 'x'.repeat(size - '{"password":""}'.length) });

  it('is refused, one of 1 MiB is not', async () => {
    const refused = await post(ofSize(1_048_577));
    expect(refused.status).toBe(413);
    expect(refused.body).toEqual(tooLarge);
    expect((await post(ofSize(1_048_576))).status).toBe(200);
  });

  it('is refused as well where no length announces it, and the connection lives on', async () => {
    await listening(async (port) => {
      const socket = connect(port, '127.0.0.1');
      socket.write('POST /mirror HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
      for (let sent = 0; sent < 2_097_152; sent += 65_536) socket.write(`10000\r\n${'x'.repeat(65_536)}\r\n`);
      socket.write('0\r\n\r\n');
      expect(await received(socket)).toMatch(/^HTTP\/1\.1 413 /);
      socket.write('POST /mirror HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}');
      expect(await received(socket)).toMatch(/^HTTP\/1\.1 200 /);
      socket.destroy();
    });
  });
});

describe('a body that never arrives in full', () => {
  it('is 400 where its chunks are broken', async () => {
    await listening(async (port) => {
      const socket = connect(port, '127.0.0.1');
      socket.write('POST /mirror HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{"\r\nzz\r\n');
      const answer = await received(socket);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).toContain('"error_code":"validation_failed"');
      await once(socket, 'close');
    });
  });

  it('leaves a line of the log and nothing else where the client went away', async () => {
    const lineOfRequest = () => lines().find((line) => line.path === '/left');
    await listening(async (port, requests) => {
      const socket = connect(port, '127.0.0.1');
      socket.write('POST /left HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"email"');
      await expect.poll(requests).toBe(1);
      socket.resetAndDestroy();
      await expect.poll(lineOfRequest).toMatchObject({ aborted: true });
    });
    expect(lines().some((line) => line.msg === 'fault')).toBe(false);
  });
});

describe('a form', () => {
  const form = (body: string) => post(body, 'application/x-www-form-urlencoded', '/form');

  it('has the first value of each name', async () => {
    expect((await form('token=a%20b+c&token_type_hint=x')).body).toEqual({ token: 'a b c', token_type_hint: 'x' });
  });

  it('is refused where it holds a NUL or is no form', async () => {
    expect((await form('token=%00')).body.code).toBe('validation_failed');
    expect((await post('{"token":"a"}', 'application/json', '/form')).body.code).toBe('validation_failed');
  });
});

async function listening(work: (port: number, requests: () => number) => Promise<void>): Promise<void> {
  const server = createHttpServer(app).listen(0, '127.0.0.1');
  let requests = 0;
  server.on('request', () => requests++);
  await once(server, 'listening');
  try {
    await work((server.address() as AddressInfo).port, () => requests);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function received(socket: ReturnType<typeof connect>): Promise<string> {
  const [chunk] = await once(socket, 'data');
  return String(chunk);
}
