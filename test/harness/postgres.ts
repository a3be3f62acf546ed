/** A database of one's own, in the server of the run. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { createDatabase, type Database } from '../../src/db/database.ts';
import { createPool } from '../../src/db/pool.ts';
import './global-setup.ts';

export interface TestDatabase {
  /** As the superuser. */
  url: string;
  pool: pg.Pool;
  db: Database;
  /** Ends the pool and removes the database, whoever else is connected. */
  drop(): Promise<void>;
}

/** With every schema change applied and no rows of its own. */
export function freshDatabase(): Promise<TestDatabase> {
  return createTestDatabase(inject('templateDatabase'));
}

/** Without any schema of ours. */
export function emptyDatabase(): Promise<TestDatabase> {
  return createTestDatabase('template0');
}

/** A URL of the run's server: the superuser's, for what concerns the whole cluster. */
export function adminUrl(): string {
  return inject('postgresAdminUrl');
}

async function createTestDatabase(template: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asAdmin(`create database ${name} template ${template}`);
  const url = new URL(adminUrl());
  url.pathname = `/${name}`;
  const pool = createPool({ connection: { connectionString: url.href }, application_name: 'gatehouse-test', max: 10 });
  return {
    url: url.href,
    pool,
    db: createDatabase(pool),
    drop: async () => {
      await pool.end();
      await asAdmin(`drop database ${name} with (force)`);
    },
  };
}

async function asAdmin(statement: string): Promise<void> {
  const client = new pg.Client(adminUrl());
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
