/** `gatehouse clients`: made with a secret that is shown once, listed without it, disabled for good. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/clients/clients.command.ts';
import { createClient } from '../../src/clients/clients.ts';
import { outcomeOf } from '../harness/command.ts';
import { freshDatabase, type TestDatabase } from '../harness/postgres.ts';

let database: TestDatabase;
const now = new Date('2026-11-25T12:00:00.000Z');

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());
beforeEach(() => database.pool.query('delete from gatehouse.clients'));

/** Runs the command as at a terminal. */
async function gatehouse(...args: string[]) {
  return outcomeOf((streams) =>
    run(args, {
      ...streams,
      operator: 'root',
      clock: () => now,
      openDatabase: async () => ({ db: database.db, close: async () => {} }),
    }),
  );
}

async function clients() {
  const { rows } = await database.pool.query('select * from gatehouse.clients order by name');
  return rows;
}

async function eventsOf(client_id: string) {
  const { rows } = await database.pool.query(
    `select action, outcome, actor_id, actor_role, actor_name, method, path, details
       from audit.events where details ->> 'client_id' = $1 order by id`,
    [client_id],
  );
  return rows;
}

describe('create', () => {
  it('shows the id and a secret of 256 bits, keeps only its SHA-256, and is on record without either', async () => {
    const { code, stdout, stderr } = await gatehouse('create', 'portal api');
    const [, id = '', secret = ''] = /^client_id {6}(\S{36})\nclient_secret {2}(\S{43})\n$/.exec(stdout) ?? [];

    expect([code, stderr]).toEqual([0, expect.stringMatching(/^The secret is shown this once\./)]);
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect(await clients()).toEqual([
      {
        id,
        name: 'portal api',
        secret_hash: createHash('sha256').update(secret).digest(),
        created_at: '2026-11-25T12:00:00Z',
        disabled_at: null,
        last_used_at: null,
      },
    ]);
    const events = await eventsOf(id);
    expect(events).toEqual([
      {
        action: 'client_created',
        outcome: 'success',
        actor_id: null,
        actor_role: 'operator',
        actor_name: 'root',
        method: 'COMMAND',
        path: 'clients create',
        details: { client_id: id, name: 'portal api' },
      },
    ]);
    expect((await gatehouse('list')).stdout + JSON.stringify(events)).not.toContain(secret);
  });

  it('makes one client of a name, of twenty that are made at the same time', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => gatehouse('create', 'api')));
    expect(made.filter(({ code }) => code === 0)).toHaveLength(1);
    expect(made.find(({ code }) => code !== 0)).toEqual({
      code: 3,
      stdout: '',
      stderr: 'There is or was a client of that name: choose another.\n',
    });
    expect(await clients()).toHaveLength(1);
  });

  it('makes no client that is not on record', async () => {
    await database.pool.query('alter table audit.events add constraint closed check (false) not valid');
    try {
      await expect(gatehouse('create', 'api')).rejects.toMatchObject({ constraint: 'closed' });
      expect(await clients()).toEqual([]);
    } finally {
      await database.pool.query('alter table audit.events drop constraint closed');
    }
  });
});

describe('disable', () => {
  it.each(['name', 'id'] as const)('takes the %s, holds for good, and is on record once', async (by) => {
    const occasion = {
      caller: { request_id: 'r', ip: '127.0.0.1', user_agent: undefined, method: 'COMMAND', path: 'test' },
      now,
    };
    const made = await createClient(database.db, { name: 'api', actor: { role: 'operator' } }, occasion);
    const id = made?.client_id ?? '';
    const named = by === 'id' ? id : 'api';

    expect(await gatehouse('disable', named)).toEqual({
      code: 0,
      stdout: 'api is disabled from now on.\n',
      stderr: '',
    });
    expect((await gatehouse('disable', named)).stdout).toBe('api has been disabled since 2026-11-25T12:00:00Z.\n');
    expect(await clients()).toMatchObject([{ id, disabled_at: '2026-11-25T12:00:00Z' }]);
    expect((await eventsOf(id)).map(({ action }) => action)).toEqual(['client_created', 'client_disabled']);
    expect((await gatehouse('create', 'api')).code).toBe(3);
  });
});

describe('list', () => {
  it('says of each when it was made, last used and disabled', async () => {
    expect((await gatehouse('list')).stdout).toBe('There are no clients.\n');
    await gatehouse('create', 'b');
    await gatehouse('create', 'a');
    await gatehouse('disable', 'b');
    await database.pool.query(`update gatehouse.clients set last_used_at = '2026-11-25T13:00:00Z' where name = 'a'`);
    const [a, b] = await clients();
    expect((await gatehouse('list')).stdout).toBe(
      `${a.id}  a  made 2026-11-25T12:00:00Z, used 2026-11-25T13:00:00Z\n` +
        `${b.id}  b  made 2026-11-25T12:00:00Z, never used, disabled 2026-11-25T12:00:00Z\n`,
    );
  });
});

it('prints its help', async () => {
  expect((await gatehouse('--help')).stdout).toMatch(/^gatehouse clients create NAME\n/);
  expect(await gatehouse()).toEqual(await gatehouse('--help'));
});

it.each([
  ['no name', ['create'], 2, 'Say one name'],
  ['two names', ['create', 'a', 'b'], 2, 'Say one name'],
  ['an empty name', ['create', ''], 2, 'A name is up to'],
  ['a name that would move the cursor', ['create', 'a\u001b[2J'], 2, 'A name is up to'],
  ['a name of two lines', ['create', 'a\nb'], 2, 'A name is up to'],
  ['a name of 101 characters', ['create', 'a'.repeat(101)], 2, 'A name is up to'],
  ['a name that is SQL', ['disable', `a' or '1'='1`], 2, 'A name is up to'],
  ['nobody’s name', ['disable', 'nobody'], 3, 'There is no client of that name or id.'],
  ['a verb that is none', ['remove', 'a'], 2, 'Say create, list or disable.'],
  [
    'an option that is none',
    ['create', 'a', '--secret', 'b'],
    2,
    "Unknown option '--secret'. See gatehouse clients --help.\n",
  ],
  ['a list of one', ['list', 'a'], 2, 'A list is of all clients.'],
])('refuses %s in one sentence', async (_, args, code, sentence) => {
  const ran = await gatehouse(...args);
  expect(ran).toMatchObject({ code, stdout: '' });
  expect(ran.stderr.startsWith(sentence)).toBe(true);
  expect(ran.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(await clients()).toEqual([]);
});
