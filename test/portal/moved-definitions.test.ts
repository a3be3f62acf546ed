/** One of every kind of object, through a copy: what the catalogue of the target then says. */
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCatalogue } from '../../src/catalogue/catalogue.ts';
import { compareCatalogues } from '../../src/catalogue/compare.ts';
import { connectionFromUrl } from '../../src/config/connection.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts';
import { copyPortal } from '../../src/portal/copy.ts';
import { portalScope } from '../../src/portal/scope.ts';
import { adminUrl, emptyDatabase, type TestDatabase } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';

let source: SupabaseSource;
let directory: string;
let newest: EmbeddedPostgres;
let target: TestDatabase;

beforeAll(async () => {
  source = await createSupabaseSource(adminUrl(), { users: 100, portal: 'without large values' });
  const admin = new pg.Client(source.adminUrl);
  await admin.connect();
  await admin.query(await readFile(new URL('../catalogue/one-of-each.sql', import.meta.url), 'utf8'));
  await admin.end();
  target = await emptyDatabase();
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-newest-'));
  await chmod(directory, 0o711);
  newest = await startEmbeddedPostgres({ directory, version: 18, settings: { fsync: 'off' } });
});

afterAll(async () => {
  await source.drop();
  await target.drop();
  await newest.stop();
  await rm(directory, { recursive: true, force: true });
});

test.each([
  ['into a server of the same major', () => target.url],
  // It reserves words that 15 does not, and prints views in another way.
  ['into PostgreSQL 18', () => newest.url],
])('every definition arrives: %s', async (_, url) => {
  await copyPortal(connectionFromUrl(source.url), connectionFromUrl(url()), { apply: true, env: process.env });
  const from = new pg.Client(source.url);
  const into = new pg.Client(url());
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
