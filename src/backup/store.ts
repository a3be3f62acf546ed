/**
 * Where backups are kept. Below the directory, each in one of its own, named by its id:
 * - `database.dump.age`: pg_dump's custom format, encrypted
 * - `definitions.json.gz.age`: what the database is made of, to compare a restore with, encrypted
 * - `manifest.json`: what is in it
 * - `roles.sql`: the roles that have to be there before it is restored
 * - `proof.json`: what came of restoring it, the last time
 * - `kept`: where there is one, the backup never expires
 *
 * A backup is made as `.partial-…` and renamed once all of it is on the disk; one that goes is renamed first, too. So what
 * has the name of a backup is whole. All is readable for its owner alone.
 */
import { createWriteStream } from 'node:fs';
import { access, constants, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { AgeKey } from './age-key.ts';
import { isAlive } from './alive.ts';
import { explainStorage } from './failure.ts';
import { type Manifest, type Proof, readSigned, signed } from './manifest.ts';

export const DUMP = 'database.dump.age';
const MANIFEST = 'manifest.json';
const ROLES = 'roles.sql';
const PROOF = 'proof.json';
const KEPT = 'kept';
/** In UTC, so that the order of names is that of time. */
const ID = /^\d{4}-\d\d-\d\dT\d{6}Z-[0-9a-f]{6}$/;
const UNFINISHED = /^\.(?:partial|removed)-(?<host>.*)-(?<pid>\d+)-\d{4}-\d\d-\d\dT\d{6}Z-[0-9a-f]{6}$/;

export interface StoredBackup {
  id: string;
  directory: string;
  /** As the file says; undefined where it cannot be read. */
  manifest: { statement: Manifest; hmac: string } | undefined;
  proof: { statement: Proof; hmac: string } | undefined;
  kept: boolean;
}

export function newId(now: Date, random: string): string {
  const [date, time = ''] = now.toISOString().split('T');
  return `${date}T${time.slice(0, 8).replaceAll(':', '')}Z-${random}`;
}

/**
 * The directory is there and can be written, and what killed runs on this machine left is gone.
 *
 * @throws BackupFailure
 */
export async function prepareStore(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await access(directory, constants.W_OK | constants.X_OK);
    for (const name of await readdir(directory)) {
      const { host, pid } = UNFINISHED.exec(name)?.groups ?? {};
      if (host === hostname() && !isAlive(Number(pid)))
        await rm(join(directory, name), { recursive: true, force: true });
    }
  } catch (error) {
    throw explainStorage(error, directory);
  }
}

/** A place that nothing takes for a backup, for one that is being made. */
export async function beginBackup(directory: string, id: string): Promise<string> {
  const partial = join(directory, unfinished('partial', id));
  await mkdir(partial, { mode: 0o700 });
  return partial;
}

export async function completeBackup(
  partial: string,
  { manifest, roles, kept, key }: { manifest: Manifest; roles: string; kept: boolean; key: AgeKey },
): Promise<void> {
  await writeDurably(join(partial, ROLES), roles);
  if (kept) await writeDurably(join(partial, KEPT), '');
  await writeDurably(join(partial, MANIFEST), signed(manifest, key));
  await syncDirectory(partial);
}

/** From now on it is a backup. */
export async function publishBackup(directory: string, partial: string, id: string): Promise<void> {
  await rename(partial, join(directory, id));
  await syncDirectory(directory);
}

/** From now on it is none. Resolves to how to take that back, and how to free its space. */
export async function withdrawBackup(directory: string, id: string) {
  const [there, gone] = [join(directory, id), join(directory, unfinished('removed', id))];
  await rename(there, gone);
  return {
    restore: () => rename(gone, there),
    free: () => rm(gone, { recursive: true, force: true }),
  };
}

function unfinished(what: 'partial' | 'removed', id: string): string {
  return `.${what}-${hostname()}-${process.pid}-${id}`;
}

/** All backups, the newest first. */
export async function listStored(directory: string): Promise<StoredBackup[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw explainStorage(error, directory);
  });
  const ids = names.filter((name) => ID.test(name)).sort();
  return Promise.all(ids.reverse().map((id) => readStored(directory, id)));
}

async function readStored(directory: string, id: string): Promise<StoredBackup> {
  const own = join(directory, id);
  const [manifest, proof] = await Promise.all(
    [MANIFEST, PROOF].map((name) => readFile(join(own, name), 'utf8').catch(() => '')),
  );
  const kept = await access(join(own, KEPT)).then(
    () => true,
    () => false,
  );
  const read = <T extends Manifest | Proof>(text = '') => {
    const found = readSigned<T>(text);
    return found?.statement.id === id ? found : undefined;
  };
  return { id, directory: own, manifest: read<Manifest>(manifest), proof: read<Proof>(proof), kept };
}

export function sizeOf(backup: StoredBackup, file = DUMP): Promise<number> {
  return stat(join(backup.directory, file)).then(
    ({ size }) => size,
    () => -1,
  );
}

export async function writeProof({ directory }: StoredBackup, proof: Proof, key: AgeKey): Promise<void> {
  const partial = join(directory, `.${PROOF}-${process.pid}`);
  await writeDurably(partial, signed(proof, key));
  await rename(partial, join(directory, PROOF));
  await syncDirectory(directory);
}

async function writeDurably(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600, flush: true });
}

/** The file has all of it, on the disk. */
export async function streamDurably(path: string, source: AsyncIterable<Buffer>): Promise<void> {
  await pipeline(source, createWriteStream(path, { mode: 0o600, flush: true }));
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
