/** Making a backup: all of it, on the disk, described and on record, or nothing. */
import { createHash, randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { inTransaction } from '../db/database.ts';
import { pgToolEnvironment } from '../db/pg-tools.ts';
import { version } from '../version.ts';
import { encrypt } from './age.ts';
import type { AgeKey } from './age-key.ts';
import { exportSnapshot, listRoles, pinSession, readContents, readDatabaseFacts } from './contents.sql.ts';
import { readDefinitions, writeDefinitions } from './definitions.ts';
import { explainStorage } from './failure.ts';
import { withLock } from './lock.ts';
import type { Manifest } from './manifest.ts';
import { dumpDatabase } from './pg-dump.ts';
import { rolesScript } from './roles-script.ts';
import { beginBackup, completeBackup, DUMP, newId, prepareStore, publishBackup, streamDurably } from './store.ts';
import { recordBackup, recordFailure, toolsFor, type Workplace } from './workplace.ts';

export interface RunOptions {
  directory: string;
  key: AgeKey;
  /** It never expires. */
  keep: boolean;
}

/**
 * A backup of the whole database is in the directory and in the audit log. With it is what the database held in the very
 * snapshot that was dumped, so that a restore can be compared with it.
 *
 * @throws BackupFailure, and nothing is left that could be taken for a backup
 */
export async function runBackup(place: Workplace, options: RunOptions): Promise<Manifest> {
  await prepareStore(options.directory);
  return withLock(place.db, async (client) => {
    const started = place.clock();
    const id = newId(started, randomBytes(3).toString('hex'));
    try {
      return await makeBackup(place, client, { ...options, id, started });
    } catch (error) {
      const explained = explainStorage(error, options.directory);
      await recordFailure(place, { action: 'backup_failed', details: { id } }, explained);
      throw explained;
    }
  });
}

async function makeBackup(
  place: Workplace,
  client: pg.ClientBase,
  { directory, key, keep, id, started }: RunOptions & { id: string; started: Date },
): Promise<Manifest> {
  const database = await readDatabaseFacts(client);
  const tools = await toolsFor(database.server_major, place.env);
  const partial = await beginBackup(directory, id);
  try {
    await using tool = await pgToolEnvironment(place.connection, 'gatehouse backup', place.env);
    await pinSession(client);
    const { snapshot, snapshot_at } = await exportSnapshot(client);
    const plain = measured(dumpDatabase(tools.pg_dump, { snapshot, env: tool.env }));
    const encrypted = measured(encrypt(plain.bytes, key));
    await streamDurably(join(partial, DUMP), encrypted.bytes);
    const definitions = await writeDefinitions(partial, await readDefinitions(client), key);
    const contents = await readContents(client);
    const roles = await listRoles(client);
    await client.query('commit');

    const finished = place.clock();
    const manifest: Manifest = {
      manifest: 1,
      id,
      driver: 'pg_dump',
      database,
      started_at: started.toISOString(),
      snapshot_at: new Date(snapshot_at).toISOString(),
      finished_at: finished.toISOString(),
      seconds: (finished.getTime() - started.getTime()) / 1000,
      tools: { gatehouse: version, pg_dump: String(tools.major) },
      dump: {
        file: DUMP,
        format: 'custom',
        bytes: encrypted.count(),
        sha256: encrypted.sha256(),
        plain_bytes: plain.count(),
      },
      definitions,
      key_id: key.recipient,
      roles,
      contents,
    };
    await completeBackup(partial, { manifest, roles: rolesScript(roles), kept: keep, key });
    const { bytes, sha256 } = manifest.dump;
    const details = {
      id,
      database: database.name,
      snapshot_at: manifest.snapshot_at,
      bytes,
      sha256,
      key_id: key.recipient,
    };
    await inTransaction(place.db, async (tx) => {
      await recordBackup(tx, place, { action: 'backup_finished', outcome: 'success', details });
      await publishBackup(directory, partial, id);
    });
    return manifest;
  } catch (error) {
    // Where the record could not be written it may have its name already.
    for (const remains of [partial, join(directory, id)]) await rm(remains, { recursive: true, force: true });
    throw error;
  }
}

/** The same bytes, and how many there were and what they hash to once all have passed. */
function measured(source: AsyncIterable<Buffer>) {
  const hash = createHash('sha256');
  let count = 0;
  async function* pass(): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      count += chunk.length;
      hash.update(chunk);
      yield chunk;
    }
  }
  return { bytes: pass(), count: () => count, sha256: () => hash.digest('hex') };
}
