import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase } from '../../src/db/database.ts';
import { createPool } from '../../src/db/pool.ts';
import { health, livez, readiness } from '../../src/http/health.http.ts';
import { freshDatabase, type TestDatabase } from '../harness/postgres.ts';
import { smallApp } from './small-app.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());

it("/health says what auth-js's neighbours expect, whatever comes with the request", async () => {
  const { app } = smallApp([['get', '/health', health('v1.2.3')]]);
  for (const path of ['/health', '/health?x=1']) {
    const response = await request(app).get(path).set('Authorization', 'Bearer broken');
    expect(response.body).toEqual({
      version: 'v1.2.3',
      name: 'GoTrue',
      description: 'GoTrue is a user registration and authentication API',
    });
  }
});

it('/livez answers without a database', async () => {
  const { app } = smallApp([['get', '/livez', livez]]);
  expect((await request(app).get('/livez')).body).toEqual({ status: 'alive' });
});

describe('/readyz', () => {
  const ask = (handler: Parameters<typeof smallApp>[0][number][2]) =>
    request(smallApp([['get', '/readyz', handler as never]]).app).get('/readyz');

  it('is 200 while the database answers, 503 from the moment we drain', async () => {
    const { handler, drain } = readiness(database.db);
    const ready = await ask(handler);
    expect([ready.status, ready.body]).toEqual([200, { status: 'ready' }]);
    drain();
    const draining = await ask(handler);
    expect([draining.status, draining.body]).toEqual([503, { status: 'draining' }]);
  });

  it('is 503 without a database', async () => {
    const pool = createPool({ connection: { host: '127.0.0.1', port: 1 }, application_name: 'test', max: 1 });
    const response = await ask(readiness(createDatabase(pool)).handler);
    expect([response.status, response.body]).toEqual([503, { status: 'no database' }]);
    await pool.end();
  });

  it('is 503, not silence, where the database is there and does not answer', async () => {
    const pool = createPool({ connection: { connectionString: database.url }, application_name: 'test', max: 1 });
    const busy = await pool.connect();
    const response = await ask(readiness(createDatabase(pool)).handler);
    expect(response.status).toBe(503);
    busy.release();
    await pool.end();
  });

  it('asks the database once, however many ask at once', async () => {
    const pool = createPool({ connection: { connectionString: database.url }, application_name: 'test', max: 10 });
    const { handler } = readiness(createDatabase(pool));
    const { app } = smallApp([['get', '/readyz', handler]]);
    const held = await pool.connect();
    const connectionsBefore = pool.totalCount;
    const statuses = await Promise.all(Array.from({ length: 10 }, () => request(app).get('/readyz')));
    expect(statuses.every(({ status }) => status === 200)).toBe(true);
    expect(pool.totalCount).toBe(connectionsBefore + 1);
    held.release();
    await pool.end();
  });
});
