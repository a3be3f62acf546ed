import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applySchemaChanges, SchemaChangeError } from '../../src/db/schema-changes.ts';
import { adminUrl, emptyDatabase, type TestDatabase } from '../harness/postgres.ts';

let database: TestDatabase;
let name: string;
beforeEach(async () => {
  database = await emptyDatabase();
  name = new URL(database.url).pathname.slice(1);
});
afterEach(() => database.drop());

it('eight instances that start at once apply each schema change once', async () => {
  const results = await Promise.all(Array.from({ length: 8 }, () => applySchemaChanges(database.url)));
  expect(results.flatMap(({ applied }) => applied).sort()).toEqual(await appliedVersions());
});

it('applies nothing a second time', async () => {
  await applySchemaChanges(database.pool);
  expect(await applySchemaChanges(database.pool)).toEqual({ applied: [], differences: [] });
});

it('continues where an earlier call stopped', async () => {
  await database.pool.query('create schema audit');
  await expect(applySchemaChanges(database.pool)).rejects.toThrow(
    'The schema change 0001_gatehouse cannot be applied to this database: schema "audit" already exists.',
  );
  expect(await appliedVersions()).toEqual(['0000_supabase_auth']);
  await database.pool.query('drop schema audit');
  const { applied } = await applySchemaChanges(database.pool);
  expect(applied[0]).toBe('0001_gatehouse');
});

it('leaves nothing half applied of a change that fails', async () => {
  await database.pool.query('create schema audit');
  await applySchemaChanges(database.pool).catch(() => {});
  const { rows } = await database.pool.query(`select tablename from pg_tables where schemaname = 'gatehouse'`);
  expect(rows).toEqual([{ tablename: 'schema_changes' }]);
});

it('tells each change as it is made', async () => {
  const lines: string[] = [];
  await applySchemaChanges(database.pool, { log: (line) => lines.push(line) });
  expect(lines).toEqual((await appliedVersions()).map((version) => `schema change ${version} applied`));
});

it('records each change in the audit log', async () => {
  await applySchemaChanges(database.pool);
  const { rows } = await database.pool.query(
    `select outcome, actor_role, details ->> 'version' as version from audit.events where action = 'schema_changed'
      order by version`,
  );
  expect(rows).toEqual(
    (await appliedVersions()).map((version) => ({ outcome: 'success', actor_role: 'operator', version })),
  );
});

describe('refuses', () => {
  it('a file that was edited after it was applied', async () => {
    await applySchemaChanges(database.pool);
    await database.pool.query(
      `update gatehouse.schema_changes set checksum = 'other' where version = '0001_gatehouse'`,
    );
    await expect(applySchemaChanges(database.pool)).rejects.toThrow(
      new SchemaChangeError(
        'drizzle/0001_gatehouse.sql is not what was applied to this database: restore the file, and put what is new into a file of its own.',
      ),
    );
  });

  it('a database that is newer than the code', async () => {
    await applySchemaChanges(database.pool);
    await database.pool.query(`insert into gatehouse.schema_changes (version, checksum) values ('9999_later', '')`);
    await expect(applySchemaChanges(database.pool)).rejects.toThrow(
      new SchemaChangeError(
        'The database has the schema change 9999_later, which this version of gatehouse does not know: start a newer gatehouse.',
      ),
    );
  });

  it('in one sentence where the role may not create schemas', async () => {
    const { url, role } = await login();
    await expect(applySchemaChanges(url)).rejects.toThrow(
      `The schema cannot be applied to this database: permission denied for database ${name}.`,
    );
    await logout(role);
  });
});

describe('a role that is no superuser', () => {
  it('applies every change to a database of its own, and is told which rights it could not grant', async () => {
    const { url, role } = await login();
    await database.pool.query(`grant create on database ${name} to ${role}`);
    const lines: string[] = [];
    const { applied } = await applySchemaChanges(url, { log: (line) => lines.push(line) });
    expect(applied).toEqual(await appliedVersions());
    expect(lines.filter((line) => !line.startsWith('schema change'))).toEqual([
      `${role} is not a member of gatehouse_owner: what it made stays its own`,
    ]);
    await logout(role);
  });

  it('leaves what it made to gatehouse_owner, of which it is a member', async () => {
    const { url, role } = await login();
    await database.pool.query(`grant create on database ${name} to ${role}; grant gatehouse_owner to ${role}`);
    const lines: string[] = [];
    await applySchemaChanges(url, { log: (line) => lines.push(line) });
    expect(lines.filter((line) => !line.startsWith('schema change'))).toEqual([]);
    const { rows } = await database.pool.query(`
      select distinct pg_get_userbyid(relowner) as owner from pg_class
       where relnamespace in ('auth'::regnamespace, 'audit'::regnamespace, 'gatehouse'::regnamespace)`);
    expect(rows).toEqual([{ owner: 'gatehouse_owner' }]);
    await logout(role);
  });

  it('starts on a finished schema with the rights of gatehouse_app alone', async () => {
    await applySchemaChanges(database.pool);
    const { url, role } = await login();
    await database.pool.query(`grant gatehouse_app to ${role}`);
    expect(await applySchemaChanges(url)).toEqual({ applied: [], differences: [] });
    await logout(role);
  });
});

it('grants the rights of roles that were made after the schema', async () => {
  await applySchemaChanges(database.pool);
  await database.pool.query('drop owned by gatehouse_app');
  await applySchemaChanges(database.pool);
  const { rows } = await database.pool.query(
    `select has_table_privilege('gatehouse_app', 'audit.events', 'insert') as insert,
            has_table_privilege('gatehouse_app', 'audit.events', 'update') as update`,
  );
  expect(rows).toEqual([{ insert: true, update: false }]);
});

async function appliedVersions(): Promise<string[]> {
  const { rows } = await database.pool.query('select version from gatehouse.schema_changes order by version');
  return rows.map(({ version }) => version);
}

/** A role of its own that may connect, and no more. */
async function login(): Promise<{ url: string; role: string }> {
  const role = name.replace('test', 'login');
  await asAdmin(`create role ${role} login password 'secret'`);
  const url = new URL(database.url);
  url.username = role;
  url.password = 'secret';
  return { url: url.href, role };
}

async function logout(role: string): Promise<void> {
  await database.pool.query(`reassign owned by ${role} to current_user; drop owned by ${role}; drop role ${role}`);
}

async function asAdmin(statement: string): Promise<void> {
  const client = new pg.Client(adminUrl());
  await client.connect();
  await client.query(statement);
  await client.end();
}
