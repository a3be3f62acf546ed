/** Proving a backup: it is restored, compared with what was recorded when it was made, and thrown away. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { Connection } from '../config/connection.ts';
import { inTransaction } from '../db/database.ts';
import { type PgTools, pgToolEnvironment } from '../db/pg-tools.ts';
import { createPool } from '../db/pool.ts';
import { AgeError, decrypt } from './age.ts';
import type { AgeKey } from './age-key.ts';
import { compareContents } from './compare.ts';
import { pinSession, readContents } from './contents.sql.ts';
import { compareDefinitions, openDefinitions, readDefinitions } from './definitions.ts';
import { BackupFailure, explainStorage } from './failure.ts';
import { checkManifest, type Manifest, type Proof, type StoredFile } from './manifest.ts';
import { restoreDatabase } from './pg-dump.ts';
import { openScratch, type Scratch } from './scratch.ts';
import { DUMP, listStored, type StoredBackup, sizeOf, writeProof } from './store.ts';
import { recordBackup, recordFailure, toolsFor, type Workplace } from './workplace.ts';

export interface VerifyOptions {
  directory: string;
  keys: AgeKey[];
  /** The newest when left out. */
  id?: string | undefined;
  /** A server to restore to; the embedded one when left out. */
  scratch?: Connection | undefined;
}

const NOT_CHECKED = [
  'rows of materialized views, which are made anew, and of tables that an extension brings',
  'passwords and settings of roles, subscriptions, and settings of the server are not in a backup',
];

/**
 * Whether the backup can be restored and is what was backed up, also beside the backup and in the audit log; and what it
 * was compared with.
 *
 * @throws BackupFailure when that could not be found out
 */
export async function verifyBackup(
  place: Workplace,
  options: VerifyOptions,
): Promise<{ proof: Proof; manifest: Manifest }> {
  const backup = await findBackup(options);
  const { id } = backup;
  try {
    if (!backup.manifest) {
      throw new BackupFailure('unproven', `The manifest of backup ${id} cannot be read: do not trust this backup.`);
    }
    checkManifest(backup.manifest, options.keys);
    const { statement } = backup.manifest;
    return { proof: await prove(place, backup, statement, options), manifest: statement };
  } catch (error) {
    const explained = explainStorage(error, backup.directory);
    // A key that is not there says nothing about the backup.
    if (!(explained instanceof BackupFailure && explained.kind === 'refused')) {
      await recordFailure(place, { action: 'backup_verified', details: { id } }, explained);
    }
    throw explained;
  }
}

async function findBackup({ directory, id }: VerifyOptions): Promise<StoredBackup> {
  const all = await listStored(directory);
  const backup = id === undefined ? all[0] : all.find((each) => each.id === id);
  if (backup) return backup;
  throw new BackupFailure(
    'refused',
    all.length === 0
      ? `There is no backup in ${directory}.`
      : 'There is no backup of that id: see gatehouse backup list.',
  );
}

async function prove(
  place: Workplace,
  backup: StoredBackup,
  manifest: Manifest,
  { keys, scratch: server }: VerifyOptions,
) {
  const { id } = backup;
  const began = place.clock();
  const found =
    (await wrongFile(backup, manifest)) ?? (await restoreAndCompare(place, backup, manifest, { keys, server }));
  const verified = place.clock();
  const key = keys.find(({ recipient }) => recipient === manifest.key_id) as AgeKey;
  const proof: Proof = {
    proof: 1,
    id,
    verified_at: verified.toISOString(),
    verdict: found.differences.length === 0 ? 'equal' : 'different',
    differences: found.differences,
    not_checked: found.not_checked,
    restore_seconds: found.restore_seconds,
    seconds: secondsBetween(began, verified),
    recovery_point_seconds: secondsBetween(new Date(manifest.snapshot_at), verified),
    scratch: found.scratch,
    newest_event: found.newest_event,
  };
  const { differences, restore_seconds, seconds, recovery_point_seconds, newest_event, scratch } = proof;
  await inTransaction(place.db, async (tx) => {
    const details = {
      id,
      differences: differences.slice(0, 20),
      restore_seconds,
      seconds,
      recovery_point_seconds,
      newest_event,
      scratch,
    };
    await recordBackup(tx, place, {
      action: 'backup_verified',
      outcome: proof.verdict === 'equal' ? 'success' : 'failure',
      ...(differences[0] !== undefined && { reason: differences[0] }),
      details,
    });
    await writeProof(backup, proof, key);
  });
  return proof;
}

type Found = Pick<Proof, 'differences' | 'not_checked' | 'restore_seconds' | 'scratch' | 'newest_event'>;

/** A file that is not what was written is not even opened: a dump is a program for a superuser. */
async function wrongFile(backup: StoredBackup, { dump, definitions }: Manifest): Promise<Found | undefined> {
  const sentence =
    (await whatIsWrongWith(backup, dump)) ?? (definitions && (await whatIsWrongWith(backup, definitions)));
  if (sentence === undefined) return undefined;
  return { differences: [sentence], not_checked: [], restore_seconds: 0, scratch: 'not restored', newest_event: null };
}

async function whatIsWrongWith(backup: StoredBackup, { file, bytes, sha256 }: StoredFile): Promise<string | undefined> {
  const size = await sizeOf(backup, file);
  if (size < 0) return `${file} is missing`;
  if (size !== bytes) return `${file} has ${size} bytes instead of ${bytes}: it was cut short or written over`;
  if ((await sha256Of(join(backup.directory, file))) === sha256) return undefined;
  return `${file} is not what was written: it was damaged or changed`;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

async function restoreAndCompare(
  place: Workplace,
  backup: StoredBackup,
  manifest: Manifest,
  { keys, server }: { keys: AgeKey[]; server: Connection | undefined },
): Promise<Found> {
  const tools = await toolsFor(manifest.database.server_major, place.env);
  await using scratch = await openScratch(server, manifest);
  const described = `PostgreSQL ${scratch.server_version}, ${server === undefined ? 'started for it' : 'a database of its own'}`;
  const { collate } = manifest.database;
  const not_checked = [
    ...(manifest.definitions
      ? []
      : [
          'what the schemas are made of: the version that made this backup recorded it in a form that is not read any more',
        ]),
    ...(scratch.sameLocale
      ? []
      : [`the locale ${collate} is not known there: generated columns and indexes may differ for it`]),
    ...NOT_CHECKED,
  ];

  const began = place.clock();
  const restored = await restore(place, backup, tools, { keys, scratch });
  const restore_seconds = secondsBetween(began, place.clock());
  const base = { not_checked, restore_seconds, scratch: described };
  if (restored !== undefined) return { ...base, differences: [restored], newest_event: null };
  return { ...base, ...(await compareWith(manifest, backup, { keys, scratch })) };
}

/** Undefined when all of it was restored, else why not. */
async function restore(
  place: Workplace,
  backup: StoredBackup,
  tools: PgTools,
  { keys, scratch }: { keys: AgeKey[]; scratch: Scratch },
): Promise<string | undefined> {
  await using tool = await pgToolEnvironment(scratch.connection, 'gatehouse backup verify', place.env);
  const dump = decrypt(createReadStream(join(backup.directory, DUMP)), keys);
  try {
    const { connection, server_major } = scratch;
    await restoreDatabase(tools, dump, { database: connection.database, server_major, env: tool.env });
    return undefined;
  } catch (error) {
    if (error instanceof AgeError) return `${DUMP} cannot be decrypted: it is not what was written`;
    if (error instanceof BackupFailure) return error.message.replace(/\.$/, '');
    throw error;
  }
}

async function compareWith(
  { contents, definitions }: Manifest,
  { directory }: StoredBackup,
  { keys, scratch }: { keys: AgeKey[]; scratch: Scratch },
): Promise<Pick<Found, 'differences' | 'newest_event'>> {
  const pool = createPool({ connection: scratch.connection, application_name: 'gatehouse backup verify', max: 1 });
  const client = await pool.connect();
  try {
    await pinSession(client);
    const restored = await readContents(client);
    const drift =
      definitions && compareDefinitions(await openDefinitions(directory, keys), await readDefinitions(client));
    // A table that is missing is missed by both.
    const differences = new Set([...compareContents(contents, restored), ...(drift ?? [])]);
    return { differences: [...differences], newest_event: restored.newest_event };
  } finally {
    client.release(true);
    await pool.end();
  }
}

function secondsBetween(from: Date, to: Date): number {
  return (to.getTime() - from.getTime()) / 1000;
}
