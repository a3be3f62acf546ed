/** Users come over from a Supabase project, all of them and as they are, and a rerun follows the source. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { MigrationEvent } from '../../src/migrate/run.ts';
import { type MigrateUsersOptions, migrateUsers } from '../../src/migrate/users.ts';
import { adminUrl, freshDatabase, type TestDatabase } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';
import { carriedRows, count, expectedRows, query } from './rows.ts';

const USERS = 300;

let source: SupabaseSource;
let target: TestDatabase;

const migrate = (options: MigrateUsersOptions = {}, from = source) =>
  migrateUsers({ connectionString: from.url }, { connectionString: target.url }, { apply: true, ...options });

beforeEach(async () => {
  target = await freshDatabase();
  return () => target.drop();
});

describe('a first run', () => {
  beforeAll(async () => {
    source = await createSupabaseSource(adminUrl(), { users: USERS, portal: 'without large values' });
  });
  afterAll(() => source.drop());

  test('brings every row of every table as it was, and refresh tokens only as SHA-256', async () => {
    const report = await migrate();

    expect(await carriedRows(target.url)).toEqual(await expectedRows(source.adminUrl));
    expect(report.proofs.every(({ equal }) => equal)).toBe(true);
    expect(report.tables.find(({ table }) => table === 'users')).toMatchObject({ rows: USERS, inserted: USERS });
    const clear = [
      source.people.legacyFamily.session.refresh_token,
      source.people.oldToken.session.refresh_token,
      source.people.orphanToken.refresh_token,
    ];
    expect(await count(target.url, `auth.refresh_tokens where token in ('${clear.join("', '")}')`)).toBe(0);
  });

  test('without --apply says who is there and changes nothing', async () => {
    const events: MigrationEvent[] = [];
    const report = await migrate({ apply: false, onEvent: (event) => events.push(event) });

    expect(report.applied).toBe(false);
    expect(events.map(({ event }) => event)).toEqual(['plan']);
    for (const table of ['auth.users', 'gatehouse.migrated_rows', 'gatehouse.migration_ledger']) {
      expect(await count(target.url, table)).toBe(0);
    }
    expect(await count(target.url, "audit.events where action like 'migration%'")).toBe(0);
  });

  test('counts every kind of user that needs a word before it is moved', async () => {
    const { plan } = await migrate({ apply: false, decryption_key_ids: new Set(['held-key']) });
    const { census } = plan;

    const formats = Object.fromEntries(census.password_formats.map(({ what, count }) => [what, count]));
    expect(Object.keys(formats).sort()).toEqual([
      'Firebase scrypt',
      'argon2i',
      'argon2id',
      'bcrypt $2a$06$',
      'bcrypt $2a$10$',
      'bcrypt $2b$10$',
      'bcrypt $2b$12$',
      'bcrypt $2y$10$',
      'encrypted by column',
      'none',
    ]);
    expect(Object.values(formats).reduce((sum, n) => sum + n, 0)).toBe(USERS);
    expect(census.encrypted).toEqual([
      { what: 'users.encrypted_password', key_id: 'held-key', count: 1 },
      { what: 'users.encrypted_password', key_id: 'lost-key', count: 1 },
      { what: 'mfa_factors.secret', key_id: 'held-key', count: 1 },
      { what: 'sessions.refresh_token_hmac_key', key_id: 'held-key', count: 1 },
    ]);
    const expected = {
      anonymous: 'is_anonymous',
      banned: 'banned_until > now()',
      'deleted, kept as a row': 'deleted_at is not null',
      'sharing an address with another': 'email in (select email from auth.users group by 1 having count(*) > 1)',
      'of another instance': "instance_id is null or instance_id <> '00000000-0000-0000-0000-000000000000'",
    };
    for (const [what, where] of Object.entries(expected)) {
      const tally = census.users.find((counted) => counted.what === what)?.count;
      expect([what, tally]).toEqual([what, await count(source.adminUrl, `auth.users where ${where}`)]);
    }
    const nulls = await count(source.adminUrl, 'auth.users where confirmation_token is null');
    expect(census.null_columns).toContainEqual({ what: 'confirmation_token', count: nulls });
    expect(census.refresh_tokens).toContainEqual({ what: 'of an old release (22 characters)', count: 1 });
    expect(census.refresh_tokens).toContainEqual({ what: 'without a session', count: 1 });
    expect(plan.not_carried.map(({ table }) => table)).toEqual([
      'audit_log_entries',
      'flow_state',
      'schema_migrations',
      'sso_providers',
    ]);
    const warnings = plan.findings.filter(({ level }) => level === 'warning').map(({ message }) => message);
    expect(warnings).toEqual([expect.stringContaining('lost-key'), expect.stringContaining('instance_id')]);
  });

  test("leaves the target's own users alone, whose number it does not count", async () => {
    const id = '11111111-1111-4111-8111-111111111111';
    await query(target.url, `insert into auth.users (id, email) values ('${id}', 'admin@gatehouse.example')`);

    const { proofs } = await migrate();

    expect(proofs.find(({ table }) => table === 'users')).toMatchObject({ rows: USERS, equal: true });
    expect(await count(target.url, 'auth.users')).toBe(USERS + 1);
    expect(await count(target.url, `auth.users where id = '${id}'`)).toBe(1);
  });

  test('refuses when an address is taken by another user, and changes nothing', async () => {
    const { email } = source.people.bcrypt2a10;
    await query(
      target.url,
      `insert into auth.users (id, email) values ('11111111-1111-4111-8111-111111111111', '${email}')`,
    );

    await expect(migrate()).rejects.toMatchObject({ kind: 'target', message: expect.stringContaining(String(email)) });
    expect(await count(target.url, 'auth.users')).toBe(1);
    expect(await count(target.url, 'gatehouse.migrated_rows')).toBe(0);
  });

  test('takes over rows that are there already, as after a restored dump', async () => {
    await migrate();
    await query(target.url, 'delete from gatehouse.migrated_rows');

    const { tables, proofs } = await migrate();

    expect(proofs.every(({ equal }) => equal)).toBe(true);
    expect(tables.find(({ table }) => table === 'users')).toMatchObject({ inserted: 0, unchanged: USERS });
  });

  test('numbers the next refresh token past all that came', async () => {
    await migrate();
    const [next] = await query<{ ahead: boolean }>(
      target.url,
      "select nextval('auth.refresh_tokens_id_seq') > (select max(id) from auth.refresh_tokens) as ahead",
    );
    expect(next?.ahead).toBe(true);
  });

  // A portal's handle_new_user would give every user a second profile.
  describe("does not wake the portal's triggers", () => {
    const portal = `
      create table public.profiles (id uuid);
      create function public.handle_new_user() returns trigger language plpgsql as $$
        begin insert into public.profiles values (new.id); return new; end $$;
      create trigger on_auth_user_created after insert on auth.users
        for each row execute function public.handle_new_user()`;

    test('as a role that may turn them off for its session', async () => {
      await query(target.url, portal);
      await migrate();
      expect(await count(target.url, 'public.profiles')).toBe(0);
    });

    test('as the owner of the tables, who disables them and enables them again', async () => {
      await query(target.url, portal);
      const owner = await ordinaryOwner();
      await migrateUsers({ connectionString: source.url }, { connectionString: owner }, { apply: true });

      expect(await carriedRows(target.url)).toEqual(await expectedRows(source.adminUrl));
      expect(await count(target.url, 'public.profiles')).toBe(0);
      expect(await count(target.url, "pg_trigger where tgname = 'on_auth_user_created' and tgenabled = 'O'")).toBe(1);
    });

    test('and refuses when one insists on firing', async () => {
      await query(target.url, `${portal}; alter table auth.users enable always trigger on_auth_user_created`);
      await expect(migrate()).rejects.toMatchObject({ kind: 'obstacle', message: expect.stringContaining('ALWAYS') });
      expect(await count(target.url, 'auth.users')).toBe(0);
    });
  });

  test('is on record: in the audit log and in a ledger whose last hash the audit log holds', async () => {
    const { run_id, ledger_hash } = await migrate({ operator: 'ops@example.com' });

    const events = await query(
      target.url,
      `select action, outcome, actor_role, actor_name, details ->> 'run_id' as run_id, details ->> 'ledger_hash' as hash
         from audit.events where action like 'migration%' order by occurred_at, action desc`,
    );
    const actor = { actor_role: 'operator', actor_name: 'ops@example.com', run_id };
    expect(events).toEqual([
      { action: 'migration_started', outcome: 'success', ...actor, hash: null },
      { action: 'migration_finished', outcome: 'success', ...actor, hash: ledger_hash },
    ]);
    const steps = await query<{ step: string }>(target.url, 'select step from gatehouse.migration_ledger order by id');
    expect([...new Set(steps.map(({ step }) => step))]).toEqual(['started', 'table_copied', 'proved', 'finished']);
  });

  test('lets no secret into its events, its ledger or the audit log', async () => {
    const said: string[] = [];
    await migrate({ onEvent: (event) => said.push(JSON.stringify(event)) });
    const written = await query<{ text: string }>(
      target.url,
      'select e::text as text from audit.events as e union all select l::text from gatehouse.migration_ledger as l',
    );
    const all = [...said, ...written.map(({ text }) => text)].join('\n');

    const { people, keys } = source;
    const secrets = Object.values(people).flatMap((person) => [
      person.encrypted_password,
      'session' in person ? person.session.refresh_token : null,
      'factor' in person ? person.factor.secret : null,
    ]);
    for (const secret of [...secrets, keys.held.key, new URL(target.url).password]) {
      if (secret) expect(all).not.toContain(secret);
    }
  });
});

describe('a rerun', () => {
  beforeEach(async () => {
    source = await createSupabaseSource(adminUrl(), { users: USERS, portal: false });
    await migrate();
    return () => source.drop();
  });

  test('with nothing new writes no row', async () => {
    const places = () => query(target.url, 'select id, ctid::text, xmin::text from auth.users order by id');
    const before = await places();

    const { tables } = await migrate();

    expect(await places()).toEqual(before);
    expect(tables.map(({ rows, unchanged }) => rows - unchanged)).toEqual(tables.map(() => 0));
  });

  test('follows what the source changed, added and removed', async () => {
    const { bcrypt2a10, counter1, totp, softDeleted, recovering } = source.people;
    await query(
      source.adminUrl,
      `update auth.users set encrypted_password = 'new hash', updated_at = now() where id = '${bcrypt2a10.id}';
       update auth.sessions set refresh_token_counter = 2, refreshed_at = now() where id = '${counter1.session.id}';
       delete from auth.sessions where id = '${totp.session.id}';
       delete from auth.users where id = '${softDeleted.id}';
       delete from auth.one_time_tokens where user_id = '${recovering.id}';
       insert into auth.users (id, email) values ('22222222-2222-4222-8222-222222222222', 'newcomer@example.com');
       insert into auth.identities (user_id, provider, provider_id, identity_data)
         values ('22222222-2222-4222-8222-222222222222', 'email', '22222222-2222-4222-8222-222222222222', '{}')`,
    );

    const { tables, conflicts } = await migrate();

    expect(await carriedRows(target.url)).toEqual(await expectedRows(source.adminUrl));
    expect(conflicts).toEqual([]);
    expect(tables.find(({ table }) => table === 'users')).toMatchObject({ inserted: 1, updated: 1, deleted: 1 });
    expect(tables.find(({ table }) => table === 'sessions')).toMatchObject({ updated: 1, deleted: 1 });
  });

  test('leaves alone what only the target has changed: a rehashed password, a refreshed session', async () => {
    const { bcrypt2b, counter300 } = source.people;
    await query(
      target.url,
      `update auth.users set encrypted_password = 'rehashed' where id = '${bcrypt2b.id}';
       update auth.sessions set refresh_token_counter = 301 where id = '${counter300.session.id}'`,
    );

    const { tables, conflicts } = await migrate();

    expect(conflicts).toEqual([]);
    expect(tables.find(({ table }) => table === 'users')).toMatchObject({ kept: 1, updated: 0 });
    expect(await count(target.url, `auth.users where encrypted_password = 'rehashed'`)).toBe(1);
    expect(await count(target.url, 'auth.sessions where refresh_token_counter = 301')).toBe(1);
  });

  // Otherwise a rerun would resurrect a session that its user, or reuse detection, has ended.
  test('does not bring back what the target has removed, nor what belongs to it', async () => {
    const { legacyFamily, threeIdentities } = source.people;
    await query(
      target.url,
      `delete from auth.sessions where id = '${legacyFamily.session.id}';
       delete from auth.users where id = '${threeIdentities.id}'`,
    );

    const { conflicts } = await migrate();

    expect(conflicts).toEqual([]);
    expect(await count(target.url, `auth.sessions where id = '${legacyFamily.session.id}'`)).toBe(0);
    expect(await count(target.url, `auth.refresh_tokens where session_id = '${legacyFamily.session.id}'`)).toBe(0);
    expect(await count(target.url, `auth.identities where user_id = '${threeIdentities.id}'`)).toBe(0);
  });

  test('keeps and reports a row that both sides have changed, and goes on with the others', async () => {
    const { argon2i, argon2id } = source.people;
    await query(target.url, `update auth.users set encrypted_password = 'here' where id = '${argon2i.id}'`);
    await query(
      source.adminUrl,
      `update auth.users set encrypted_password = 'there' where id in ('${argon2i.id}', '${argon2id.id}')`,
    );

    const { conflicts, proofs } = await migrate();

    expect(conflicts).toEqual([{ table: 'users', key: argon2i.id }]);
    expect(proofs.every(({ equal }) => equal)).toBe(true);
    const rows = await query(
      target.url,
      `select id, encrypted_password from auth.users where id in ('${argon2i.id}', '${argon2id.id}')`,
    );
    expect(rows).toContainEqual({ id: argon2i.id, encrypted_password: 'here' });
    expect(rows).toContainEqual({ id: argon2id.id, encrypted_password: 'there' });
  });

  test('reports a new session of a user whom the target has removed, and does not bring it', async () => {
    const { argon2i } = source.people;
    await query(target.url, `delete from auth.users where id = '${argon2i.id}'`);
    const session = '33333333-3333-4333-8333-333333333333';
    await query(source.adminUrl, `insert into auth.sessions (id, user_id) values ('${session}', '${argon2i.id}')`);

    const { conflicts } = await migrate();

    expect(conflicts).toEqual([{ table: 'sessions', key: session }]);
    expect(await count(target.url, `auth.sessions where id = '${session}'`)).toBe(0);
  });

  test('ends as a first run would for a role that cannot turn foreign keys off', async () => {
    const owner = await ordinaryOwner();
    await query(
      source.adminUrl,
      `update auth.users set email = 'moved@example.com' where id = '${source.people.counter0.id}';
       delete from auth.users where id = '${source.people.totp.id}'`,
    );

    await migrateUsers({ connectionString: source.url }, { connectionString: owner }, { apply: true });

    expect(await carriedRows(target.url)).toEqual(await expectedRows(source.adminUrl));
  });
});

describe('a project that was never updated', () => {
  test('comes over with what it has', async () => {
    source = await createSupabaseSource(adminUrl(), { users: USERS, portal: false, gotrue: '2024' });
    try {
      const { plan, proofs } = await migrate();

      expect(proofs.every(({ equal }) => equal)).toBe(true);
      expect(plan.tables.map(({ table }) => table)).not.toContain('oauth_clients');
      expect(plan.tables.find(({ table }) => table === 'sessions')?.added).toEqual([
        'oauth_client_id',
        'refresh_token_hmac_key',
        'refresh_token_counter',
        'scopes',
      ]);
      const expected = await expectedRows(source.adminUrl);
      expect((await carriedRows(target.url)).users).toEqual(expected.users);
    } finally {
      await source.drop();
    }
  });

  test('keeps a column that is unknown here, and it is said before', async () => {
    source = await createSupabaseSource(adminUrl(), { users: USERS, portal: false });
    try {
      await query(source.adminUrl, "alter table auth.users add column favourite text default 'tea'");
      const { plan } = await migrate();
      expect(plan.findings).toContainEqual({
        level: 'warning',
        message: 'auth.users.favourite is not known here: its values stay behind.',
      });
    } finally {
      await source.drop();
    }
  });
});

/** The target as the role that owns its tables, without any right beyond. */
async function ordinaryOwner(): Promise<string> {
  const name = `owner_${new URL(target.url).pathname.slice(1)}`;
  await query(
    target.url,
    `create role ${name} login password 'owner' nosuperuser;
     grant gatehouse_owner to ${name};
     grant usage on schema public to ${name}`,
  );
  const url = new URL(target.url);
  url.username = name;
  url.password = 'owner';
  return url.href;
}
