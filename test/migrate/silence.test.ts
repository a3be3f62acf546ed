/** A side that keeps its connection open and never answers is told from one that takes its time. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectionFromUrl } from '../../src/config/connection.ts';
import { copyPortal } from '../../src/copy/copy.ts';
import { asking } from '../../src/migrate/failure.ts';
import { connectTo, type Line, sideOf } from '../../src/migrate/source.sql.ts';
import { planPortal } from '../../src/plan/plan.ts';
import { verifyPortal } from '../../src/verify/verify.ts';
import { startLine, type TestLine } from '../harness/line.ts';
import { adminUrl, emptyDatabase, type TestDatabase } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';
import { query } from './rows.ts';

/** So short that a statement takes many times as long. */
const STALL_SECONDS = 0.2;

let database: TestDatabase;
let way: TestLine;
let line: Line | undefined;

beforeAll(async () => {
  database = await emptyDatabase();
});
afterAll(() => database.drop());
afterEach(async () => {
  line?.cut();
  await way.stop();
});

/** Asks by a way that can be cut. */
async function ask(statement: string, meanwhile: () => unknown = () => {}) {
  way = await startLine(database.url);
  const config = { connectionString: way.url };
  line = await connectTo(config, 'gatehouse migrate', STALL_SECONDS);
  const asked = line.client.query(statement);
  const answered = asking(sideOf('source', config), () => asked);
  await meanwhile();
  return answered;
}

describe('a statement', () => {
  test('that takes its time is waited for', async () => {
    const { rows } = await ask("select 'done' as it from pg_sleep(2)");
    expect(rows).toEqual([{ it: 'done' }]);
  });

  test('that takes its time is waited for where the server has no connection left to be asked by', async () => {
    const name = new URL(database.url).pathname.slice(1);
    await query(adminUrl(), `create role silence_guest login password 'guest' connection limit 1`);
    const url = new URL(database.url);
    [url.username, url.password] = ['silence_guest', 'guest'];
    try {
      way = await startLine(url.href);
      line = await connectTo({ connectionString: way.url }, name, STALL_SECONDS);
      const { rows } = await line.client.query("select 'done' as it from pg_sleep(2)");
      expect(rows).toEqual([{ it: 'done' }]);
    } finally {
      line?.cut();
      await query(adminUrl(), 'drop role silence_guest');
    }
  });

  test('of a server that hangs fails in one sentence', async () => {
    await expect(ask('select pg_sleep(1)', () => way.cut('all'))).rejects.toMatchObject({
      kind: 'lost',
      message: expect.stringMatching(
        /^The source does not answer any more \(127\.0\.0\.1:\d+\/\w+\): for 0\.2 seconds it has said nothing, and it does not answer on a new connection either: it hangs, or the way to it is cut\. Nothing was changed at the target; run the command again\.$/,
      ),
    });
  });

  test('whose answer is lost on the way fails in one sentence', async () => {
    await expect(ask('select pg_sleep(1)', () => way.cut('open ones'))).rejects.toMatchObject({
      kind: 'lost',
      message: expect.stringMatching(
        /^The source does not answer any more \(.*\): for 0\.2 seconds it has said nothing, and it is not at work on what it was asked: the answer is lost on the way\. /,
      ),
    });
  });
});

describe('a source that hangs in the middle', () => {
  let source: SupabaseSource;
  beforeAll(async () => {
    source = await createSupabaseSource(adminUrl(), { users: 100, portal: 'without large values' });
  });
  afterAll(() => source.drop());

  const silent = { kind: 'lost', message: expect.stringMatching(/^The source does not answer any more \(/) };

  test.each([10, 30, 50])('ends a plan (after %i messages)', async (messages) => {
    way = await startLine(source.url, messages);
    const [from, to] = [connectionFromUrl(way.url), connectionFromUrl(database.url)];
    await expect(planPortal(from, to, new Set(), process.env, STALL_SECONDS)).rejects.toMatchObject(silent);
  });

  test.each([10, 30, 50])('ends a copy before anything is written (after %i messages)', async (messages) => {
    way = await startLine(source.url, messages);
    const sides = [{ connectionString: way.url }, { connectionString: database.url }] as const;
    const options = { apply: true, env: process.env, stall_seconds: STALL_SECONDS };
    await expect(copyPortal(...sides, options)).rejects.toMatchObject(silent);
    expect(await query(database.url, "select from pg_namespace where nspname in ('gatehouse', 'storage')")).toEqual([]);
  });

  test.each([10, 30, 50])('ends a verification (after %i messages)', async (messages) => {
    way = await startLine(source.url, messages);
    const sides = [{ connectionString: way.url }, { connectionString: database.url }] as const;
    await expect(verifyPortal(...sides, { stall_seconds: STALL_SECONDS })).rejects.toMatchObject(silent);
  });
});
