/** What no tutorial has and a real portal does: each kind of object in its odd forms arrives, on every major, and is found equal. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { copyPortal } from '../../src/copy/copy.ts';
import { embeddedMajors } from '../../src/db/embedded-postgres.ts';
import { type Verification, verifyPortal } from '../../src/verify/verify.ts';
import { startServer, type TestServer } from '../harness/server.ts';
import type { SupabaseSource } from '../harness/supabase-source.ts';
import { makeOddForms } from '../portal/odd-forms.ts';
import { ask } from '../portal/portal-rows.ts';
import { createPortalSource } from '../portal/portal-source.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });

const SECRET = 'do-not-show-this';

let source: SupabaseSource;
const servers: TestServer[] = [];

beforeAll(async () => {
  source = await createPortalSource({ users: 100, portal: false });
  await makeOddForms(source.adminUrl);
  const name = new URL(source.adminUrl).pathname.slice(1);
  await ask(
    source.adminUrl,
    `alter database ${name} set app.key = '${SECRET}'; alter role odd_reader in database ${name} set app.tenant = '${SECRET}'`,
  );
});
afterAll(async () => {
  await source.drop();
  for (const server of servers) await server.stop();
});

/** What differs, in a word or a sentence each. */
const differing = ({ catalogue, tables, users, sequences, large_objects }: Verification) => [
  ...catalogue.drift.map(({ sentence }) => sentence),
  ...[...tables, ...users].filter(({ equal }) => !equal).map(({ table }) => table),
  ...sequences.filter(({ equal }) => !equal).map(({ sequence }) => sequence),
  ...(large_objects.equal ? [] : ['large objects']),
];

test.each(embeddedMajors)('PostgreSQL %i', async (major) => {
  const server = await startServer(major, { wal_level: 'logical' });
  servers.push(server);
  const sides = [{ connectionString: source.url }, { connectionString: await server.createDatabase('odd') }] as const;

  const copied = await copyPortal(...sides, { apply: true, env: process.env });
  expect(copied.notes).toEqual([
    expect.stringMatching(/^Default privileges for every schema are given in the portal's schemas alone/),
  ]);

  const verification = await verifyPortal(...sides);
  expect(differing(verification)).toEqual([]);
  expect(verification.equal).toBe(true);

  expect(copied.plan.findings).toContainEqual({
    level: 'warning',
    message: expect.stringContaining(
      ': app.key of the database, app.tenant of role odd_reader. Set them at the target',
    ),
  });
  expect(verification.not_checked.map(({ what }) => what)).toEqual(
    expect.arrayContaining(['setting app.key of the database', 'setting app.tenant of role odd_reader']),
  );
  expect(JSON.stringify([copied, verification])).not.toContain(SECRET);
});
