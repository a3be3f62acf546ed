/** One of every kind of object, through a copy: what the catalogue of the target then says. */
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { readCatalogue } from '../../src/catalogue/catalogue.ts';
import { compareCatalogues } from '../../src/catalogue/compare.ts';
import { connectionFromUrl } from '../../src/config/connection.ts';
import { copyPortal } from '../../src/copy/copy.ts';
import { embeddedMajors } from '../../src/db/embedded-postgres.ts';
import { portalScope } from '../../src/portal/scope.ts';
import { startServer, type TestServer } from '../harness/server.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });

let source: SupabaseSource;
/** What no copy brings; the operator makes it at the target before, but for the tables that are in the portal. */
let elsewhere: string;
const servers = new Map<number, TestServer>();

beforeAll(async () => {
  for (const major of embeddedMajors) servers.set(major, await startServer(major, { wal_level: 'logical' }));
  // On the major that pg_dump can read wherever there is one.
  source = await createSupabaseSource(servers.get(15)?.url ?? '', { users: 100, portal: 'without large values' });
  await asking(source.adminUrl, await readFile(new URL('../catalogue/one-of-each.sql', import.meta.url), 'utf8'));
  elsewhere = await readFile(new URL('../catalogue/elsewhere.sql', import.meta.url), 'utf8');
  await asking(source.adminUrl, elsewhere);
});

afterAll(async () => {
  for (const { stop } of servers.values()) await stop();
});

async function asking(url: string, statements: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(statements).finally(() => client.end());
}

// Newer ones reserve words that 15 does not, and print views in another way.
test.each(embeddedMajors)('every definition arrives in PostgreSQL %i', async (major) => {
  const url = (await servers.get(major)?.createDatabase('portal')) ?? '';
  const byHand = elsewhere.split('\n').filter((line) => !line.includes('foreign table'));
  await asking(
    url,
    `do $$ begin create role authenticated noinherit; exception when duplicate_object then end $$;
     alter role authenticated set statement_timeout = '8s'; ${byHand.join('\n')}`,
  );
  await copyPortal(connectionFromUrl(source.url), connectionFromUrl(url), { apply: true, env: process.env });
  const from = new pg.Client(source.url);
  const into = new pg.Client(url);
  await Promise.all([from.connect(), into.connect()]);
  try {
    const { schemas, roles } = await portalScope(from, into);
    const { user = '' } = into;
    const substitutes = new Map(roles.filter(({ becomes }) => becomes === 'owner').map(({ name }) => [name, user]));
    const drifts = compareCatalogues(await readCatalogue(from, schemas), await readCatalogue(into, schemas), {
      roles: substitutes,
      absent: new Set(['publication supabase_realtime']),
    });
    expect(drifts.map(({ sentence }) => sentence)).toEqual([]);
  } finally {
    await Promise.all([from.end(), into.end()]);
  }
});
