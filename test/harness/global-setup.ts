/** One PostgreSQL for the whole run, with a template database in which every schema change is applied. */
import { rmSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts';
import { applySchemaChanges } from '../../src/db/schema-changes.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** As the cluster's superuser, to its database `postgres`. */
    postgresAdminUrl: string;
    templateDatabase: string;
  }
}

/** Nothing here outlives the run, so nothing waits for a disk. */
const settings = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '300',
  wal_level: 'logical',
  log_min_messages: 'fatal',
};

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-test-'));
  // The server of a run as root belongs to another account, which has to get through here.
  await chmod(directory, 0o711);
  const removeAtExit = () => rmSync(directory, { recursive: true, force: true });
  process.on('exit', removeAtExit);

  const major = process.env.GATEHOUSE_TEST_POSTGRES;
  const server = await startEmbeddedPostgres({ directory, settings, ...(major ? { version: Number(major) } : {}) });
  const teardown = async () => {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
    process.off('exit', removeAtExit);
  };

  try {
    const templateDatabase = 'gatehouse_template';
    const admin = new pg.Client(server.url);
    await admin.connect();
    await admin.query(`create database ${templateDatabase}`);
    await admin.end();

    const template = new URL(server.url);
    template.pathname = `/${templateDatabase}`;
    await applySchemaChanges(template.href);
    await forgetSchemaChanges(template.href);

    project.provide('postgresAdminUrl', server.url);
    project.provide('templateDatabase', templateDatabase);
    return teardown;
  } catch (error) {
    await teardown();
    throw error;
  }
}

/** Tests count audit events from none; only a superuser who turns triggers off gets there. */
export async function forgetSchemaChanges(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query('set session_replication_role = replica; truncate audit.events');
  await client.end();
}
