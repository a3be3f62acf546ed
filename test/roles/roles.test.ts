/** Rights that are rows: who has one, and the record of who gave it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/roles/roles.command.ts';
import { grantRole, hasRole, type Role, revokeRole } from '../../src/roles/roles.ts';
import { outcomeOf } from '../harness/command.ts';
import { freshDatabase, type TestDatabase } from '../harness/postgres.ts';

let database: TestDatabase;
let ada: string;

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.pool.query('delete from auth.users');
  ada = await addUser('ada@example.com');
});

async function addUser(email: string | null, columns: Record<string, unknown> = {}): Promise<string> {
  const row = { id: randomUUID(), email, email_confirmed_at: '2026-01-01T00:00:00Z', ...columns };
  const names = Object.keys(row);
  await database.pool.query(
    `insert into auth.users (${names}) values (${names.map((_, index) => `$${index + 1}`)})`,
    Object.values(row),
  );
  return row.id;
}

const now = new Date('2026-11-25T12:00:00.000Z');
const occasion = {
  caller: { request_id: 'a-request', ip: '127.0.0.1', user_agent: undefined, method: 'COMMAND', path: 'roles' },
  now,
};
const actor = { role: 'operator', username: 'root' };

async function events() {
  const { rows } = await database.pool.query(
    `select action, outcome, subject_id, actor_id, actor_role, actor_name, method, path, details
       from audit.events where subject_id = $1 order by id`,
    [ada],
  );
  return rows;
}

const grants = async () => (await database.pool.query('select user_id, role from gatehouse.role_grants')).rows;

describe('a role', () => {
  it('is had from the grant on, until it is revoked, and each of both is on record', async () => {
    expect(await hasRole(database.db, ada, 'auditor')).toBe(false);
    expect(await grantRole(database.db, { user_id: ada, role: 'auditor', actor }, occasion)).toBe(true);
    expect(await hasRole(database.db, ada, 'auditor')).toBe(true);
    expect(await revokeRole(database.db, { user_id: ada, role: 'auditor', actor }, occasion)).toBe(true);
    expect(await hasRole(database.db, ada, 'auditor')).toBe(false);

    const who = { outcome: 'success', actor_id: null, actor_role: 'operator', actor_name: 'root' };
    expect(await events()).toMatchObject([
      { action: 'role_granted', ...who, details: { role: 'auditor' } },
      { action: 'role_revoked', ...who, details: { role: 'auditor' } },
    ]);
  });

  it('does not include the other one', async () => {
    await grantRole(database.db, { user_id: ada, role: 'admin', actor }, occasion);
    expect(await hasRole(database.db, ada, 'auditor')).toBe(false);
  });

  it('is given once by twenty who give it at the same time, with one record', async () => {
    const change = { user_id: ada, role: 'admin' as Role, actor };
    const changed = await Promise.all(Array.from({ length: 20 }, () => grantRole(database.db, change, occasion)));
    expect(changed.filter(Boolean)).toHaveLength(1);
    expect(await events()).toHaveLength(1);
  });

  it('is not given without a record', async () => {
    await database.pool.query(
      `alter table audit.events add constraint closed check (action <> 'role_granted') not valid`,
    );
    try {
      await expect(grantRole(database.db, { user_id: ada, role: 'admin', actor }, occasion)).rejects.toThrow(/closed/);
      expect(await hasRole(database.db, ada, 'admin')).toBe(false);
    } finally {
      await database.pool.query('alter table audit.events drop constraint closed');
    }
  });

  it('goes with the user', async () => {
    await grantRole(database.db, { user_id: ada, role: 'admin', actor }, occasion);
    await database.pool.query('delete from auth.users');
    expect(await grants()).toEqual([]);
  });
});

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

describe('gatehouse roles', () => {
  it('gives a role by address, in any case, and by id; a second time nothing changes', async () => {
    const granted = { code: 0, stdout: 'ada@example.com now has the role auditor.\n', stderr: '' };
    expect(await gatehouse('grant', 'auditor', '--to', 'Ada@Example.com')).toEqual(granted);
    expect((await gatehouse('grant', 'auditor', '--to', ada)).stdout).toMatch(/already had/);

    expect(await grants()).toEqual([{ user_id: ada, role: 'auditor' }]);
    expect(await events()).toMatchObject([
      { action: 'role_granted', actor_role: 'operator', actor_name: 'root', method: 'COMMAND', path: 'roles grant' },
    ]);
  });

  it('takes it away', async () => {
    await gatehouse('grant', 'admin', '--to', 'ada@example.com');
    expect((await gatehouse('revoke', 'admin', '--from', 'ada@example.com')).stdout).toMatch(/no longer has/);
    expect(await gatehouse('revoke', 'admin', '--from', 'ada@example.com')).toMatchObject({
      code: 0,
      stdout: 'ada@example.com did not have the role admin.\n',
    });
    expect(await grants()).toEqual([]);
  });

  it('lists who has which', async () => {
    expect((await gatehouse('list')).stdout).toBe('Nobody has a role.\n');
    await gatehouse('grant', 'admin', '--to', 'ada@example.com');
    await gatehouse('grant', 'auditor', '--to', 'ada@example.com');
    const line = (role: string) => `${role}  ${ada}  2026-11-25T12:00:00Z  ada@example.com\n`;
    expect((await gatehouse('list')).stdout).toBe(line('admin') + line('auditor'));
    expect((await gatehouse('list', 'auditor')).stdout).toBe(line('auditor'));
  });

  it('prints its help', async () => {
    expect((await gatehouse('--help')).stdout).toMatch(/^gatehouse roles grant ROLE --to PERSON\n/);
    expect(await gatehouse()).toEqual(await gatehouse('--help'));
  });

  // Whoever signs up first with somebody's address would get the right that was meant for that somebody.
  it('gives nothing by an address that is not confirmed; by the id it does', async () => {
    const mallory = await addUser('boss@example.com', { email_confirmed_at: null });
    expect(await gatehouse('grant', 'admin', '--to', 'boss@example.com')).toMatchObject({
      code: 3,
      stderr: `The user with this address has not confirmed it; the id is ${mallory}.\n`,
    });
    expect(await grants()).toEqual([]);
    expect((await gatehouse('grant', 'admin', '--to', mallory)).code).toBe(0);
  });

  it('asks for an id where several users share an address', async () => {
    const other = await addUser('ada@example.com', { is_sso_user: true });
    expect(await gatehouse('grant', 'admin', '--to', 'ada@example.com')).toMatchObject({
      code: 3,
      stderr: `Several users have this address; name one by id: ${ada}, ${other} (SSO).\n`,
    });
    expect(await grants()).toEqual([]);
  });

  it.each([
    ['nobody of that address', ['grant', 'admin', '--to', 'eve@example.com'], 3, 'There is no such user.'],
    ['nobody of that id', ['grant', 'admin', '--to', randomUUID()], 3, 'There is no such user.'],
    ['no address', ['grant', 'admin', '--to', `x' or '1'='1`], 2, 'A person is an email address or the id of a user.'],
    ['no person', ['grant', 'admin'], 2, 'Say to whom: --to EMAIL.'],
    ['no role', ['grant', '--to', 'ada@example.com'], 2, 'Say which role: auditor or admin.'],
    ['a role that is none', ['grant', 'owner', '--to', 'ada@example.com'], 2, 'The role is auditor or admin.'],
    ['two roles', ['grant', 'admin', 'auditor', '--to', 'ada@example.com'], 2, 'The role is auditor or admin.'],
    ['a verb that is none', ['make', 'admin', '--to', 'ada@example.com'], 2, 'Say grant, revoke or list.'],
    [
      'an option that is none',
      ['grant', 'admin', '--two', 'ada@example.com'],
      2,
      "Unknown option '--two'. See gatehouse roles --help.\n",
    ],
    ['a list of a person', ['list', '--to', 'ada@example.com'], 2, 'A list is of a role, not of a person.'],
  ])('refuses %s in one sentence', async (_, args, code, sentence) => {
    const ran = await gatehouse(...args);
    expect(ran).toMatchObject({ code, stdout: '' });
    expect(ran.stderr.startsWith(sentence)).toBe(true);
    expect(ran.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(await grants()).toEqual([]);
    expect(await events()).toEqual([]);
  });

  it('does not see a user who was deleted softly', async () => {
    await database.pool.query('update auth.users set deleted_at = now()');
    expect(await gatehouse('grant', 'admin', '--to', ada)).toMatchObject({
      code: 3,
      stderr: 'There is no such user.\n',
    });
  });
});
