/** A server of one's own beside that of the run: of another major version, or to do with it as one likes. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { embeddedMajors, startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts';

/** Of the server that the run is on. */
export const majorOfTheRun = Number(process.env.GATEHOUSE_TEST_POSTGRES || embeddedMajors[0]);

export interface TestServer {
  /** As the superuser, to the database `postgres`. */
  url: string;
  /** Makes a database of that name, for a role or the superuser, and resolves to its URL as the superuser. */
  createDatabase(name: string, more?: string): Promise<string>;
  /** Nothing of it is left. */
  stop(): Promise<void>;
}

export async function startServer(version: number, settings: Record<string, string> = {}): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-server-'));
  // The server of a run as root belongs to another account, which has to get through here.
  await chmod(directory, 0o711);
  const { url, stop } = await startEmbeddedPostgres({ directory, settings: { fsync: 'off', ...settings }, version });
  return {
    url,
    async createDatabase(name, more = '') {
      const admin = new pg.Client(url);
      await admin.connect();
      await admin.query(`create database ${name} template template0 ${more}`).finally(() => admin.end());
      const made = new URL(url);
      made.pathname = `/${name}`;
      return made.href;
    },
    async stop() {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
