/** One of every kind of object, through a copy: what the catalogue of the target then says. */
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCatalogue } from '../../src/catalogue/catalogue.ts';
import { compareCatalogues } from '../../src/catalogue/compare.ts';
import { connectionFromUrl } from '../../src/config/connection.ts';
import { copyPortal } from '../../src/copy/copy.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts';
import { portalScope } from '../../src/portal/scope.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';

let source: SupabaseSource;
let directory: string;
/** Servers of their own: of the major that Supabase's projects have, and of the newest. */
const servers: EmbeddedPostgres[] = [];
let sameMajor: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-moved-'));
  await chmod(directory, 0o711);
  for (const version of [15, 18]) {
    const settings = { fsync: 'off', wal_level: 'logical' };
    const place = join(directory, String(version));
    servers.push(await startEmbeddedPostgres({ directory: place, settings, ...(version === 18 && { version }) }));
  }
  const [oldest] = servers;
  source = await createSupabaseSource(oldest?.url ?? '', { users: 100, portal: 'without large values' });
  await asking(source.adminUrl, await readFile(new URL('../catalogue/one-of-each.sql', import.meta.url), 'utf8'));
  await asking(source.adminUrl, 'create database portal');
  const portal = new URL(source.adminUrl);
  portal.pathname = '/portal';
  sameMajor = portal.href;
});

afterAll(async () => {
  for (const { stop } of servers) await stop();
  await rm(directory, { recursive: true, force: true });
});

async function asking(url: string, statements: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(statements).finally(() => client.end());
}

test.each([
  ['into a server of the same major', () => sameMajor],
  // It reserves words that 15 does not, and prints views in another way.
  ['into PostgreSQL 18', () => servers[1]?.url ?? ''],
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
