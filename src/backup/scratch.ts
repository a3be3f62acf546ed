/**
 * A PostgreSQL to restore to and throw away: a cluster of its own from the embedded server, or a database of its own on a
 * server that somebody names. Neither archives, so that what is tried out never comes among the real backups.
 */
import { randomBytes } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import { type Connection, connectionFromUrl } from '../config/connection.ts';
import { EmbeddedPostgresError, embeddedMajors, startEmbeddedPostgres } from '../db/embedded-postgres.ts';
import { createPool } from '../db/pool.ts';
import { whyUnusable } from '../db/unusable.ts';
import {
  createMissingRoles,
  createScratchDatabase,
  dropDatabase,
  dropRoles,
  listAbandonedDatabases,
  pinSession,
  readScratchFacts,
  tryScratchLock,
} from './contents.sql.ts';
import { BackupFailure } from './failure.ts';
import type { Manifest } from './manifest.ts';
import { makeScratchDirectory } from './scratch-directory.ts';

export interface Scratch {
  /** To the database that the backup is restored into, which is empty. */
  connection: Connection;
  server_version: string;
  server_major: number;
  /** Whether its database has the locale of the one that was dumped. */
  sameLocale: boolean;
  /** Nothing of it is left. */
  [Symbol.asyncDispose](): Promise<void>;
}

const PREFIX = 'gatehouse_verify_';
/** What is thrown away is not waited for. */
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  archive_mode: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  autovacuum: 'off',
};

/**
 * @param server one of yours, as its superuser; without one the embedded server is started
 * @throws BackupFailure
 */
export async function openScratch(server: Connection | undefined, manifest: Manifest): Promise<Scratch> {
  if (server !== undefined) return openDatabaseOn(server, manifest, async () => {});
  const { postgresUrl, stop } = await startOwnServer(manifest.database.server_major);
  try {
    return await openDatabaseOn(connectionFromUrl(postgresUrl), manifest, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startOwnServer(server_major: number) {
  const directory = await makeScratchDirectory();
  try {
    // As root the server belongs to another account, which has to get through here.
    await chmod(directory.path, 0o711);
    const version = embeddedMajors.find((major) => major >= server_major);
    if (!version) throw new EmbeddedPostgresError(`There is no embedded PostgreSQL ${server_major}`);
    const { url, stop } = await startEmbeddedPostgres({ directory: directory.path, settings: SETTINGS, version });
    const stopAndRemove = async () => {
      await stop();
      await directory.remove();
    };
    return { postgresUrl: url, stop: stopAndRemove };
  } catch (error) {
    await directory.remove();
    if (!(error instanceof EmbeddedPostgresError)) throw error;
    throw new BackupFailure(
      'failed',
      `There is no PostgreSQL to restore to: name one with --scratch postgres://…, of version ${server_major} or newer. (${error.message.replace(/\.$/, '')}.)`,
    );
  }
}

async function openDatabaseOn(server: Connection, manifest: Manifest, end: () => Promise<void>): Promise<Scratch> {
  const pool = createPool({ connection: server, application_name: 'gatehouse backup verify', max: 1 });
  const name = `${PREFIX}${randomBytes(6).toString('hex')}`;
  let made: string[] = [];
  const close = async () => {
    try {
      await dropDatabase(await session, name);
      await dropRoles(await session, made);
    } finally {
      (await session).release(true);
      await pool.end();
      await end();
    }
  };
  const session = pool.connect();
  try {
    const client = await session;
    await pinSession(client);
    const facts = await readScratchFacts(client);
    refuseUnfit(facts, manifest);
    if (!(await tryScratchLock(client))) {
      throw new BackupFailure(
        'busy',
        'Another backup is being verified on the server of --scratch: run again when that has ended.',
      );
    }
    for (const abandoned of await listAbandonedDatabases(client, PREFIX)) await dropDatabase(client, abandoned);
    const sameLocale = await createScratchDatabase(client, name, manifest.database);
    made = await createMissingRoles(client, manifest.roles);
    const { server_version, server_major } = facts;
    const connection = { ...server, database: name };
    return { connection, server_version, server_major, sameLocale, [Symbol.asyncDispose]: close };
  } catch (error) {
    await session.then((client) => client.release(true)).catch(() => {});
    await pool.end();
    const why = whyUnusable(error, server, '--scratch');
    throw why === undefined ? error : new BackupFailure('failed', why);
  }
}

function refuseUnfit(
  { superuser, archive_mode, server_major }: Awaited<ReturnType<typeof readScratchFacts>>,
  { database }: Manifest,
): void {
  const refuse = (sentence: string) => {
    throw new BackupFailure('failed', sentence);
  };
  if (archive_mode !== 'off') {
    refuse(
      'The server of --scratch archives what it writes, and so what is tried out there: name one with archive_mode = off.',
    );
  }
  if (!superuser) refuse('The role of --scratch is no superuser, and a backup has roles and owners: name one that is.');
  if (server_major < database.server_major) {
    refuse(
      `The server of --scratch is PostgreSQL ${server_major}, and the backup is of PostgreSQL ${database.server_major}: name one of that version or newer.`,
    );
  }
}
