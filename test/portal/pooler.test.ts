import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { connectionFromUrl } from '../../src/config/connection.ts';
import { planPortal } from '../../src/plan/plan.ts';
import { type Pooler, startPooler } from '../harness/pooler.ts';
import { adminUrl } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';

let source: SupabaseSource;
let pooler: Pooler;

beforeAll(async () => {
  source = await createSupabaseSource(adminUrl(), { users: 100, portal: 'without large values' });
});
afterEach(() => pooler.stop());
afterAll(() => source.drop());

test('a pooler in transaction mode is refused, in a sentence that says what to use', async () => {
  pooler = await startPooler(source.url, 'transaction');
  await expect(planPortal(connectionFromUrl(pooler.url), undefined)).rejects.toThrow(
    'The source is reached through a pooler in transaction mode, which cannot hold a snapshot: use the direct connection, or the pooler in session mode (port 5432).',
  );
});

test('one in session mode is as good as none, and the plan says that it is there', async () => {
  pooler = await startPooler(source.url, 'session');
  const through = await planPortal(connectionFromUrl(pooler.url), undefined);
  const straight = await planPortal(connectionFromUrl(source.url), undefined);
  expect([through.source.direct, straight.source.direct]).toEqual([false, true]);
  expect(through.inventory).toEqual(straight.inventory);
});
