/** Who may do what in the database (DESIGN §4): the rows of drizzle/grants.sql, tried out. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase, type TestDatabase } from '../harness/postgres.ts';

let database: TestDatabase;
const user = '11111111-1111-4111-8111-111111111111';

beforeAll(async () => {
  database = await freshDatabase();
  await database.pool.query(`insert into auth.users (id, email) values ('${user}', 'someone@example.com')`);
  await insertEvent('2026-01-01T00:00:00Z');
});
afterAll(() => database.drop());

const insertEvent = (occurred_at: string) =>
  database.pool.query(
    `insert into audit.events (id, occurred_at, action, outcome) values (gen_random_uuid(), $1, 'login', 'success')`,
    [occurred_at],
  );

/** Runs it as the role in a transaction that is undone; resolves to how many rows, or the refusal. */
async function as(role: string, statement: string): Promise<number | string> {
  const client = await database.pool.connect();
  try {
    await client.query('begin');
    await client.query(`set local role ${role}`);
    return (await client.query(statement)).rowCount ?? 0;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await client.query('rollback');
    client.release();
  }
}

describe('the audit log is append-only', () => {
  const appendOnly = (operation: string) => `${operation} on audit.events: the audit log is append-only`;

  it.each([
    ['update', `update audit.events set action = 'logout'`],
    ['delete', 'delete from audit.events'],
    ['truncate', 'truncate audit.events'],
  ])('for its owner: no %s', async (operation, statement) => {
    expect(await as('gatehouse_owner', statement)).toBe(appendOnly(operation));
  });

  it('for the superuser: on every partition, today and those to come', async () => {
    const { rows } = await database.pool.query(`select inhrelid::regclass::text as name from pg_inherits
      where inhparent = 'audit.events'::regclass order by 1`);
    expect(rows.length).toBe(14);
    const next = new Date();
    await database.pool.query('select audit.ensure_partitions(14)');
    for (const { name } of rows) {
      expect(await as('gatehouse_superuser', `truncate ${name}`)).toBe(appendOnly('truncate'));
    }
    next.setUTCDate(1);
    next.setUTCMonth(next.getUTCMonth() + 14);
    await insertEvent(next.toISOString());
    const partition = `audit.events_${next.toISOString().slice(0, 7).replace('-', '_')}`;
    expect(await as('gatehouse_superuser', `delete from ${partition}`)).toBe(appendOnly('delete'));
    expect(await as('gatehouse_superuser', `truncate ${partition}`)).toBe(appendOnly('truncate'));
  });

  it.each([
    ['update', `update audit.events set action = 'logout'`],
    ['delete', 'delete from audit.events'],
    ['truncate', 'truncate audit.events'],
    ['update', `update audit.events_default set action = 'logout'`],
  ])('for the service, by grant: no %s', async (_, statement) => {
    expect(await as('gatehouse_app', statement)).toMatch(/^permission denied for table events/);
  });
});

describe('partitions of the audit log', () => {
  it('an event of a month without a partition is kept all the same', async () => {
    await insertEvent('1999-12-31T23:59:59.999999Z');
    const { rows } = await database.pool.query(
      `select tableoid::regclass::text as partition from audit.events where occurred_at < '2000-01-01'`,
    );
    expect(rows).toEqual([{ partition: 'audit.events_default' }]);
  });

  it('are made by the service, which may not create tables otherwise', async () => {
    expect(await as('gatehouse_app', 'select audit.ensure_partitions(20)')).toBeGreaterThan(0);
    expect(await as('gatehouse_app', 'create table audit.mine (id int)')).toBe('permission denied for schema audit');
  });

  it('are made once by instances that ask together', async () => {
    const made = await Promise.all(
      Array.from({ length: 6 }, () => database.pool.query('select audit.ensure_partitions(30) as name')),
    );
    const names = made.flatMap(({ rows }) => rows.map(({ name }) => name));
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThan(0);
  });

  it('leave a month to the default partition that has events of it, and make the others', async () => {
    const month = new Date();
    month.setUTCDate(15);
    month.setUTCMonth(month.getUTCMonth() + 40);
    await insertEvent(month.toISOString());
    const { rows } = await database.pool.query('select audit.ensure_partitions(41) as name');
    const left = `events_${month.toISOString().slice(0, 7).replace('-', '_')}`;
    const names = rows.map(({ name }) => name);
    expect(names.length).toBeGreaterThan(0);
    expect(names).not.toContain(left);
  });
});

describe('the service', () => {
  it.each([
    [
      'reads and writes users through row security',
      `update auth.users set role = 'authenticated' where id = '${user}'`,
    ],
    ['starts sessions', `insert into auth.sessions (id, user_id) values (gen_random_uuid(), '${user}')`],
    ['numbers refresh tokens', `insert into auth.refresh_tokens (token) values ('t')`],
    ['counts attempts', `insert into gatehouse.attempts values ('password', '\\x00', 1, now(), now())`],
    [
      'records events',
      `insert into audit.events (id, occurred_at, action, outcome) values (gen_random_uuid(), now(), 'login', 'success')`,
    ],
  ])('%s', async (_, statement) => {
    expect(await as('gatehouse_app', statement)).toBe(1);
  });

  it.each([
    ['schemas', 'create schema mine'],
    ['tables', 'alter table auth.users add column mine text'],
    ['ledgers', `insert into gatehouse.schema_changes values ('x', now(), 'x')`],
    ["GoTrue's ledger", 'delete from auth.schema_migrations'],
  ])('may not change %s', async (_, statement) => {
    expect(await as('gatehouse_app', statement)).toMatch(/^(permission denied|must be owner)/);
  });
});

describe('the auditor', () => {
  it('reads the trail', async () => {
    expect(await as('gatehouse_auditor', 'select * from audit.trail')).toBeGreaterThan(0);
  });

  it.each(['audit.events', 'audit.events_default', 'auth.users', 'gatehouse.clients'])(
    'may not read %s',
    async (table) => {
      expect(await as('gatehouse_auditor', `select * from ${table}`)).toMatch(/^permission denied/);
    },
  );

  it('may not write', async () => {
    expect(await as('gatehouse_auditor', `insert into audit.trail (action) values ('login')`)).toMatch(
      /^permission denied/,
    );
  });
});

describe('the functions of schema auth', () => {
  const claims = JSON.stringify({ sub: user, role: 'authenticated', email: 'someone@example.com' });
  it.each([
    [
      'read the claims',
      { 'request.jwt.claims': claims },
      [user, 'authenticated', 'someone@example.com', JSON.parse(claims)],
    ],
    ['are null without claims', {}, [null, null, null, null]],
    [
      'take an empty setting for none',
      { 'request.jwt.claims': '', 'request.jwt.claim.sub': '' },
      [null, null, null, null],
    ],
    [
      'prefer the setting of a single claim',
      { 'request.jwt.claims': claims, 'request.jwt.claim.role': 'service_role', 'request.jwt.claim': '{"aal":"aal2"}' },
      [user, 'service_role', 'someone@example.com', { aal: 'aal2' }],
    ],
  ] as [string, Record<string, string>, unknown[]][])('%s', async (_, settings, expected) => {
    const client = await database.pool.connect();
    await client.query('begin');
    for (const [name, value] of Object.entries(settings))
      await client.query('select set_config($1, $2, true)', [name, value]);
    const { rows } = await client.query('select auth.uid(), auth.role(), auth.email(), auth.jwt()');
    await client.query('rollback');
    client.release();
    expect(Object.values(rows[0])).toEqual(expected);
  });
});
