import { readFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { startApp } from '../harness/app.ts';

const app = await startApp();
afterAll(app.close);
const { request } = app;

it.each(['/openapi.yaml', '/auth/v1/openapi.yaml'])(
  '%s is the document of the package, which caches may keep',
  async (path) => {
    const answer = await request
      .get(path)
      .set('Origin', 'https://docs.example.com')
      .buffer(true)
      .parse((res, done) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('end', () => done(null, Buffer.concat(chunks)));
      });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(readFileSync('openapi.yaml'));
    expect(answer.headers).toMatchObject({
      'content-type': 'application/yaml',
      'cache-control': 'public, max-age=3600',
      etag: expect.stringMatching(/^"[\w-]{43}"$/),
      'x-content-type-options': 'nosniff',
      'access-control-allow-origin': '*',
    });
  },
);

it('whoever has it gets it not again', async () => {
  const { etag = '' } = (await request.get('/openapi.yaml')).headers;
  for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const answer = await request.get('/openapi.yaml').set('If-None-Match', known);
    expect([answer.status, answer.text, answer.headers.etag]).toEqual([304, '', etag]);
  }
  expect((await request.get('/openapi.yaml').set('If-None-Match', '"another"')).status).toBe(200);
});

it('is read, and nothing else', async () => {
  expect((await request.head('/openapi.yaml')).status).toBe(405);
  expect((await request.post('/openapi.yaml')).status).toBe(405);
});
