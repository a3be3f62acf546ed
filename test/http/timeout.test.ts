import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { bodyOf, parseBody } from '../../src/http/body.ts';
import { sendJson } from '../../src/http/send-json.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { abortSignalOf } from '../../src/http/timeout.ts';
import { smallApp } from './small-app.ts';

describe('a request without an answer in time', () => {
  it('is 504, and what its handler says afterwards changes nothing', async () => {
    const late = Promise.withResolvers<void>();
    const { app, lines } = smallApp(
      [
        [
          'get',
          '/slow',
          async (req, res) => {
            await once(abortSignalOf(req), 'abort');
            late.resolve();
            sendJson(res, 'too late');
          },
        ],
      ],
      { seconds: 0.02 },
    );
    const response = await request(app).get('/slow');
    expect(response.status).toBe(504);
    expect(response.body).toMatchObject({ code: 504, error_code: 'request_timeout' });
    await late.promise;
    await expect.poll(lines).toEqual([expect.objectContaining({ msg: 'request', status: 504 })]);
  });

  it('because its body never came is 504, and the connection ends', async () => {
    const schema = bodyOf({});
    const { app } = smallApp([['post', '/token', async (req, res) => sendJson(res, await parseBody(schema, req))]], {
      seconds: 0.02,
    });
    const server = createHttpServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write('POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{');
    expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 504 /);
    server.close();
  });

  it('is not one that was answered: nobody is told to stop', async () => {
    const signals: AbortSignal[] = [];
    const { app, lines } = smallApp([
      [
        'get',
        '/fast',
        (req, res) => {
          signals.push(abortSignalOf(req));
          sendJson(res, 'done');
        },
      ],
    ]);
    expect((await request(app).get('/fast')).body).toBe('done');
    await expect.poll(lines).toEqual([expect.objectContaining({ status: 200 })]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
  });
});

it('who waits for something learns that the client has gone', async () => {
  const asked = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const { app } = smallApp([
    [
      'get',
      '/slow',
      async (req) => {
        const signal = abortSignalOf(req);
        asked.resolve();
        await once(signal, 'abort');
        gone.resolve();
      },
    ],
  ]);
  const server = createHttpServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
  await asked.promise;
  socket.destroy();
  await gone.promise;
  server.close();
});
