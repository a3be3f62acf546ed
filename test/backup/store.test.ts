/** What is kept, and what is removed from it: by reason, on record, and never half. */
import { access, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BackupFailure, explainStorage } from '../../src/backup/failure.ts';
import type { Manifest } from '../../src/backup/manifest.ts';
import {
  beginBackup,
  completeBackup,
  DUMP,
  newId,
  prepareStore,
  publishBackup,
  streamDurably,
  writeProof,
} from '../../src/backup/store.ts';
import { toolsFor } from '../../src/backup/workplace.ts';
import { IDENTITY, keyOf, openPortal, type Portal, refuseAtCommit } from './harness.ts';

const key = keyOf(IDENTITY);
const DAY_MS = 24 * 3600 * 1000;
let portal: Portal;

beforeAll(async () => {
  portal = await openPortal();
});
afterAll(() => portal.end());
beforeEach(async () => {
  for (const name of await readdir(portal.directory)) await rm(join(portal.directory, name), { recursive: true });
  await portal.newEvents();
});

/** A backup of so many days ago, as far as keeping it is concerned. */
async function backupOf(days: number, { kept = false, proven = false } = {}): Promise<string> {
  const at = new Date(Date.UTC(2026, 10, 26, 12) - days * DAY_MS);
  const id = newId(at, 'abcdef');
  const { directory } = portal;
  const partial = await beginBackup(directory, id);
  await streamDurably(join(partial, DUMP), Readable.from([Buffer.from('x')]));
  const manifest = {
    id,
    snapshot_at: at.toISOString(),
    key_id: key.recipient,
    dump: { bytes: 1 },
    contents: { tables: {} },
  } as unknown as Manifest;
  await completeBackup(partial, { manifest, roles: '', kept, key });
  await publishBackup(directory, partial, id);
  if (proven) {
    const backup = { id, directory: join(directory, id), manifest: undefined, proof: undefined, kept };
    await writeProof(backup, { id, verdict: 'equal', restore_seconds: 1, verified_at: at.toISOString() } as never, key);
  }
  return id;
}

const settings = { env: { GATEHOUSE_BACKUP_RETENTION: '2 daily', GATEHOUSE_BACKUP_MINIMUM: '1' } };

describe('expire', () => {
  it('says what would go and why the rest stays, and removes it with --apply, on record', async () => {
    const [today, yesterday, before, older, proven, kept] = [
      await backupOf(0),
      await backupOf(1),
      await backupOf(2),
      await backupOf(3),
      await backupOf(4, { proven: true }),
      await backupOf(5, { kept: true }),
    ];
    const told = await portal.gatehouse(['expire'], settings);
    expect([told.code, told.stdout.split('\n')]).toEqual([
      0,
      [
        `${today}  stays: newest, daily`,
        `${yesterday}  stays: daily`,
        `${proven}  stays: last proven`,
        `${kept}  stays: kept`,
        `${before}  would be removed`,
        `${older}  would be removed`,
        'Nothing was removed. Add --apply to do it.',
        '',
      ],
    ]);
    expect(await readdir(portal.directory)).toHaveLength(6);
    expect(await portal.newEvents()).toEqual([]);

    const done = await portal.gatehouse(['expire', '--apply', '--json'], settings);
    expect(JSON.parse(done.stdout)).toMatchObject({ going: [before, older], applied: true });
    expect((await readdir(portal.directory)).sort()).toEqual([kept, proven, yesterday, today]);
    expect(await portal.newEvents()).toEqual([
      {
        action: 'backup_expired',
        outcome: 'success',
        reason: null,
        path: 'backup expire',
        details: { ids: [before, older] },
      },
    ]);
    expect((await portal.gatehouse(['expire', '--apply'], settings)).stdout).toMatch(/^Nothing expires\.$/m);
    expect(await portal.newEvents()).toEqual([]);
  });

  it('removes nothing where that cannot be put on record', async () => {
    for (const days of [0, 1, 2, 3]) await backupOf(days);
    const end = await refuseAtCommit(portal.database, 'backup_expired');
    await expect(portal.gatehouse(['expire', '--apply'], settings)).rejects.toThrow('refused');
    await end();
    expect((await readdir(portal.directory)).filter((name) => !name.startsWith('.'))).toHaveLength(4);
  });

  it('leaves what cannot be read to somebody who looks at it, and never counts it', async () => {
    const ids = [await backupOf(0), await backupOf(1), await backupOf(2), await backupOf(3)];
    await rm(join(portal.directory, ids[0] ?? '', 'manifest.json'));
    const { stdout } = await portal.gatehouse(['expire', '--apply', '--json'], settings);
    expect(JSON.parse(stdout)).toMatchObject({
      going: [ids[3]],
      staying: [{ id: ids[0], reasons: ['unreadable'] }, { id: ids[1] }, { id: ids[2] }],
    });
    expect((await portal.gatehouse(['list'])).stdout).toContain('NOT USABLE: its manifest cannot be read');
  });

  it('believes no proof that somebody made up', async () => {
    await backupOf(0);
    await backupOf(1);
    const forged = await backupOf(9, { proven: true });
    const other = { env: { ...settings.env, GATEHOUSE_BACKUP_KEY: '' } };
    expect(JSON.parse((await portal.gatehouse(['expire', '--json'], settings)).stdout).going).toEqual([]);
    expect(JSON.parse((await portal.gatehouse(['expire', '--json'], other)).stdout).going).toEqual([forged]);
  });

  it('a backup made with --keep says so, and stays', async () => {
    const { code, stdout } = await portal.gatehouse(['run', '--keep', '--json']);
    const { id } = JSON.parse(stdout);
    expect(code).toBe(0);
    await access(join(portal.directory, id, 'kept'));
    expect(JSON.parse((await portal.gatehouse(['list', '--json'])).stdout).backups).toMatchObject([{ id, kept: true }]);
  });
});

it('a run removes what killed runs of this machine left, and nothing of others', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-store-'));
  const id = newId(new Date(), 'abcdef');
  // No process has this number: Linux has none above 2^22.
  const gone = 4_194_305;
  const names = [
    `.partial-${hostname()}-${gone}-${id}`,
    `.partial-elsewhere-${gone}-${id}`,
    `.partial-${hostname()}-${process.pid}-${id}`,
    'notes',
  ];
  for (const name of names) await mkdir(join(directory, name));
  await prepareStore(directory);
  expect((await readdir(directory)).sort()).toEqual(names.slice(1).sort());
  await rm(directory, { recursive: true });
});

it('a full disk is told in a sentence', async () => {
  const full = await streamDurably('/dev/full', Readable.from([Buffer.alloc(100_000)])).catch((error) =>
    explainStorage(error, '/backups'),
  );
  expect(full).toBeInstanceOf(BackupFailure);
  expect((full as BackupFailure).message).toBe(
    'There is no space left for a backup in /backups (ENOSPC): make room there, or expire backups. Nothing of this one was kept.',
  );
});

it('programs that are too old for the server are told in a sentence, and what to install', async () => {
  await expect(toolsFor(99, { PATH: process.env.PATH })).rejects.toThrow(
    expect.objectContaining({ kind: 'failed', message: expect.stringMatching(/install .*postgresql-client-99/) }),
  );
});
