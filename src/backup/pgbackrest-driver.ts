/**
 * Backups by pgBackRest, which is set up by whoever runs the database: it makes and keeps them by its own configuration.
 * Ours are the record, the restore that proves one, and that nothing is removed which was not told.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import type { Connection } from '../config/connection.ts';
import { inTransaction } from '../db/database.ts';
import { createPool } from '../db/pool.ts';
import type { AgeKey } from './age-key.ts';
import { hasEvent, newestEvent, pinSession, readContents, readDatabaseFacts } from './contents.sql.ts';
import type { BackupDriver, BackupMade, ListedBackup, Verification } from './driver.ts';
import { BackupFailure, explainStorage } from './failure.ts';
import { withLock } from './lock.ts';
import { isAuthentic, type Proof, readSigned, signed } from './manifest.ts';
import {
  listExpiring,
  type PgBackRestBackup,
  type PgBackRestInfo,
  pgbackrest,
  readInfo,
  type Stanza,
} from './pgbackrest.ts';
import { startRestored } from './restored-server.ts';
import { prepareStore } from './store.ts';
import { recordBackup, recordFailure, type Workplace } from './workplace.ts';

export interface PgBackRestSettings {
  stanza: Stanza;
  /** Where the proofs are. */
  directory: string;
  /** The first authenticates proofs, each is believed. */
  keys: AgeKey[];
  minimum: number;
}

/** What of the audit log was there when the backup began, as pgBackRest keeps it with the backup. */
const ANNOTATION = 'gatehouse-event';
const NOT_CHECKED = [
  'a physical backup has no list of what was in it: that all of it can be read, and that it has the audit event, is what is shown',
  'settings of the server, which are outside of the data directory on Debian',
];

export function pgBackRestDriver({ stanza, directory, keys, minimum }: PgBackRestSettings): BackupDriver {
  return {
    async run(place, { keep }) {
      if (keep) throw new BackupFailure('usage', 'pgBackRest has no backups that never expire: leave --keep out.');
      return withLock(place.db, async (client) => {
        try {
          return await makeBackup(place, client, stanza);
        } catch (error) {
          await recordFailure(place, { action: 'backup_failed', details: { driver: 'pgbackrest' } }, error);
          throw error;
        }
      });
    },

    async list() {
      const info = await readInfo(stanza);
      return Promise.all(newestFirst(info).map((backup) => listed(backup, info, { directory, keys })));
    },

    async verify(place, { id, scratch }) {
      const [key] = keys;
      if (!key) {
        throw new BackupFailure(
          'usage',
          'GATEHOUSE_BACKUP_KEY is not set, and authenticates what is said of a restore: make one with "gatehouse backup keygen".',
        );
      }
      if (scratch)
        throw new BackupFailure(
          'usage',
          'pgBackRest restores files and not into a server: leave --scratch and GATEHOUSE_BACKUP_SCRATCH_URL out.',
        );
      await prepareStore(directory);
      const info = await readInfo(stanza);
      const backup = id === undefined ? newestFirst(info)[0] : info.backup.find(({ label }) => label === id);
      if (!backup) throw new BackupFailure('refused', 'There is no such backup: see gatehouse backup list.');
      try {
        return await prove(place, stanza, backup, info, { directory, key });
      } catch (error) {
        const explained = explainStorage(error, directory);
        await recordFailure(place, { action: 'backup_verified', details: { id: backup.label } }, explained);
        throw explained;
      }
    },

    async expire(place, { apply }) {
      return withLock(place.db, async () => {
        const info = await readInfo(stanza);
        const going = await listExpiring(stanza);
        const staying = newestFirst(info).filter(({ label }) => !going.includes(label));
        const expiry = {
          going,
          staying: staying.map(({ label }) => ({ id: label, reasons: ['of pgBackRest' as const] })),
        };
        if (!apply || going.length === 0) return expiry;
        const all = await Promise.all(newestFirst(info).map((each) => listed(each, info, { directory, keys })));
        refuseLoss(all, going, minimum);
        // Recorded before it happens: what pgBackRest removes cannot be taken back.
        await inTransaction(place.db, (tx) =>
          recordBackup(tx, place, { action: 'backup_expired', outcome: 'success', details: { ids: going } }),
        );
        await pgbackrest(stanza, 'expire', []);
        return expiry;
      });
    },
  };
}

async function makeBackup(place: Workplace, client: pg.ClientBase, stanza: Stanza): Promise<BackupMade> {
  refuseClear(await readInfo(stanza));
  const event = await newestEvent(client);
  const { name: database } = await readDatabaseFacts(client);
  // Removing is a step of its own, which is told and on record.
  const options = ['--no-expire-auto', ...(event ? [`--annotation=${ANNOTATION}=${event.id}`] : [])];
  await pgbackrest(stanza, 'backup', options);
  const made = newestFirst(await readInfo(stanza))[0];
  if (!made) throw new BackupFailure('failed', 'pgBackRest says that it made a backup, and lists none.');
  const { label: id, info, timestamp, type } = made;
  const bytes = info.repository.delta ?? 0;
  const snapshot_at = timeOf(timestamp.stop);
  const details = { id, database, snapshot_at, bytes, type, driver: 'pgbackrest' };
  await inTransaction(place.db, (tx) =>
    recordBackup(tx, place, { action: 'backup_finished', outcome: 'success', details }),
  );
  return { id, database, snapshot_at, bytes, plain_bytes: info.size, seconds: timestamp.stop - timestamp.start };
}

/** @throws BackupFailure when what would stay is too little, or unproven while what was proven goes */
function refuseLoss(all: readonly ListedBackup[], going: readonly string[], minimum: number): void {
  const proven = all.find(({ proof }) => proof?.verdict === 'equal')?.id;
  if (proven !== undefined && going.includes(proven)) {
    throw new BackupFailure(
      'failed',
      `pgBackRest would remove ${proven}, the newest backup that was proven: verify a newer one first.`,
    );
  }
  const staying = all.filter(({ id }) => !going.includes(id)).length;
  if (staying < minimum) {
    throw new BackupFailure(
      'failed',
      `pgBackRest would leave ${staying} backups, fewer than GATEHOUSE_BACKUP_MINIMUM (${minimum}): raise repo-retention-full in its configuration.`,
    );
  }
}

function refuseClear({ cipher, name }: PgBackRestInfo): void {
  if (cipher !== 'none') return;
  throw new BackupFailure(
    'usage',
    `The repository of stanza ${name} is not encrypted, and a backup is never in the clear: set repo1-cipher-type and repo1-cipher-pass in pgBackRest's configuration, and make the stanza anew.`,
  );
}

function newestFirst({ backup }: PgBackRestInfo): PgBackRestBackup[] {
  return [...backup].sort((a, b) => b.timestamp.stop - a.timestamp.stop);
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

async function listed(
  { label, type, timestamp, info: { repository }, error }: PgBackRestBackup,
  { cipher }: PgBackRestInfo,
  { directory, keys }: { directory: string; keys: AgeKey[] },
): Promise<ListedBackup> {
  const found = readSigned<Proof>(await readFile(proofFile(directory, label), 'utf8').catch(() => ''));
  const believed = found && found.statement.id === label && isAuthentic(found, keys) ? found.statement : undefined;
  return {
    id: label,
    kind: type,
    snapshot_at: timeOf(timestamp.stop),
    bytes: repository.delta ?? 0,
    kept: false,
    proof: believed
      ? {
          verified_at: believed.verified_at,
          verdict: believed.verdict,
          restore_seconds: believed.restore_seconds,
          recovery_point_seconds: believed.recovery_point_seconds,
        }
      : null,
    flaw: error ? 'pgBackRest found pages with wrong checksums' : cipher === 'none' ? 'it is not encrypted' : null,
  };
}

function proofFile(directory: string, label: string): string {
  return join(directory, `pgbackrest-${label}.proof.json`);
}

async function prove(
  place: Workplace,
  stanza: Stanza,
  backup: PgBackRestBackup,
  info: PgBackRestInfo,
  { directory, key }: { directory: string; key: AgeKey },
): Promise<Verification> {
  const { label: id, annotation, timestamp } = backup;
  const began = place.clock();
  const { differences, restored, newest_event, checked } = await lookInside(place, stanza, backup, info);
  const verified = place.clock();
  const proof: Proof = {
    proof: 1,
    id,
    verified_at: verified.toISOString(),
    verdict: differences.length === 0 ? 'equal' : 'different',
    differences,
    not_checked: annotation?.[ANNOTATION] ? NOT_CHECKED : [...NOT_CHECKED, 'no audit event was noted with this backup'],
    restore_seconds: (restored.getTime() - began.getTime()) / 1000,
    seconds: (verified.getTime() - began.getTime()) / 1000,
    recovery_point_seconds: verified.getTime() / 1000 - timestamp.stop,
    scratch: `PostgreSQL ${versionOf(backup, info)}, started on what was restored`,
    newest_event,
  };
  const { proof: _, not_checked, verdict, verified_at, ...details } = proof;
  await inTransaction(place.db, async (tx) => {
    await recordBackup(tx, place, {
      action: 'backup_verified',
      outcome: verdict === 'equal' ? 'success' : 'failure',
      ...(differences[0] !== undefined && { reason: differences[0] }),
      details,
    });
    const partial = join(directory, `.proof-${process.pid}`);
    await writeFile(partial, signed(proof, key), { mode: 0o600, flush: true });
    await rename(partial, proofFile(directory, id));
  });
  return { ...details, not_checked, verdict, verified_at, checked };
}

type Look = Pick<Proof, 'differences' | 'newest_event'> & { restored: Date; checked: string };

/** Restores, starts and reads all of it. What the backup is to blame for is a difference, all else an error. */
async function lookInside(
  place: Workplace,
  stanza: Stanza,
  backup: PgBackRestBackup,
  info: PgBackRestInfo,
): Promise<Look> {
  const { user, database } = place.connection;
  try {
    await using server = await startRestored(
      versionOf(backup, info),
      (data) => restoreInto(stanza, backup.label, data),
      { user, database },
      place.env,
    );
    return { restored: place.clock(), ...(await readAll(server.connection, backup)) };
  } catch (error) {
    if (!(error instanceof BackupFailure && error.kind === 'unproven')) throw error;
    const differences = [error.message.replace(/\.$/, '')];
    return { restored: place.clock(), differences, newest_event: null, checked: '' };
  }
}

async function restoreInto(stanza: Stanza, label: string, data: string): Promise<void> {
  const target = ['--type=immediate', '--target-action=promote', '--archive-mode=off'];
  try {
    await pgbackrest(stanza, 'restore', [`--pg1-path=${data}`, `--set=${label}`, ...target]);
  } catch (error) {
    throw error instanceof BackupFailure ? new BackupFailure('unproven', error.message) : error;
  }
}

async function readAll(
  connection: Connection,
  { annotation }: PgBackRestBackup,
): Promise<Pick<Look, 'differences' | 'newest_event' | 'checked'>> {
  const pool = createPool({ connection, application_name: 'gatehouse backup verify', max: 1 });
  const client = await pool.connect();
  try {
    await pinSession(client);
    const { tables, newest_event } = await readContents(client);
    const event = annotation?.[ANNOTATION];
    const missing = event !== undefined && !(await hasEvent(client, event));
    const digests = Object.values(tables);
    const rows = digests.reduce((sum, { count }) => sum + count, 0);
    return {
      differences: missing ? [`audit event ${event}, which was there before the backup began, is missing`] : [],
      newest_event,
      checked: `each value of ${rows.toLocaleString('en')} rows of ${digests.length.toLocaleString('en')} tables can be read`,
    };
  } catch (error) {
    // Class XX: PostgreSQL found its own files damaged.
    const { code = '', message } = error as { code?: string; message: string };
    throw code.startsWith('XX')
      ? new BackupFailure('unproven', `What was restored cannot be read: ${message}.`)
      : error;
  } finally {
    client.release(true);
    await pool.end();
  }
}

function versionOf({ database }: PgBackRestBackup, { db }: PgBackRestInfo): string {
  return db.find((each) => each.id === database.id && each['repo-key'] === database['repo-key'])?.version ?? '';
}
