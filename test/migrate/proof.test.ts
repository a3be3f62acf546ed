/** Whatever is not equal on both sides is found, and named to the row and column. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DifferingRow, TableProof } from '../../src/migrate/proof.ts';
import { migrateUsers, verifyUsers } from '../../src/migrate/users.ts';
import { adminUrl, freshDatabase, type TestDatabase } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';
import { count, query } from './rows.ts';

let source: SupabaseSource;
let target: TestDatabase;
const sides = () => [{ connectionString: source.url }, { connectionString: target.url }] as const;

beforeAll(async () => {
  source = await createSupabaseSource(adminUrl(), { users: 300, portal: false });
  target = await freshDatabase();
});
afterAll(async () => {
  await target.drop();
  await source.drop();
});

test('equal sides are equal whatever their databases print by default', async () => {
  const defaults = {
    target: ["timezone = 'Asia/Kathmandu'", "datestyle = 'German, DMY'", 'extra_float_digits = -10'],
    source: ["timezone = 'America/St_Johns'", "datestyle = 'SQL, MDY'", "bytea_output = 'escape'"],
  };
  for (const [side, url] of [
    ['target', target.url],
    ['source', source.adminUrl],
  ] as const) {
    const name = new URL(url).pathname.slice(1);
    for (const setting of defaults[side]) await query(url, `alter database ${name} set ${setting}`);
  }
  await migrateUsers(...sides(), { apply: true });

  const proofs = await verifyUsers(...sides());

  expect(proofs.filter(({ equal }) => !equal)).toEqual([]);
  expect(proofs.find(({ table }) => table === 'users')).toMatchObject({ rows: 300 });
});

describe('one difference among equal rows', () => {
  interface Plant {
    what: string;
    at: 'source' | 'target';
    sql: (key: string) => string;
    row: (people: SupabaseSource['people']) => DifferingRow;
  }
  const changed = (table: string, key: string, ...columns: string[]): DifferingRow => ({
    table,
    key,
    difference: 'changed',
    columns,
  });
  const users = (what: string, change: string, person: keyof SupabaseSource['people'], column: string): Plant => ({
    what,
    at: 'target',
    sql: (key) => `update auth.users set ${change} where id = '${key}'`,
    row: (people) => changed('users', people[person].id, column),
  });

  const plants: Plant[] = [
    users('a microsecond', "created_at = created_at + interval '1 microsecond'", 'bcrypt2a10', 'created_at'),
    users("NULL instead of ''", 'recovery_token = null', 'bcrypt2a06', 'recovery_token'),
    users("'' instead of NULL", "phone_change = ''", 'nullTokens', 'phone_change'),
    users('a blank at the end', "encrypted_password = encrypted_password || ' '", 'bcrypt2y', 'encrypted_password'),
    users('one bit of a boolean', 'is_anonymous = false', 'anonymous', 'is_anonymous'),
    users(
      'a combined é that became a composed one',
      'raw_user_meta_data = normalize(raw_user_meta_data::text, nfc)::jsonb',
      'oddMetadata',
      'raw_user_meta_data',
    ),
    {
      what: 'a counter that is one behind',
      at: 'target',
      sql: (key) => `update auth.sessions set refresh_token_counter = 299 where id = '${key}'`,
      row: ({ counter300 }) => changed('sessions', counter300.session.id, 'refresh_token_counter'),
    },
    {
      what: 'a network mask',
      at: 'target',
      sql: (key) => `update auth.sessions set ip = '203.0.113.9/24' where id = '${key}'`,
      row: ({ counter0 }) => changed('sessions', counter0.session.id, 'ip'),
    },
    {
      what: 'a revoked token that is live again',
      at: 'target',
      sql: (key) => `update auth.refresh_tokens set revoked = false where id = '${key}'`,
      row: () => changed('refresh_tokens', '1', 'revoked'),
    },
    {
      what: 'a byte',
      at: 'target',
      sql: (key) =>
        `update auth.webauthn_credentials set public_key = set_byte(public_key, 5, get_byte(public_key, 5) # 1) where user_id = '${key}'`,
      row: ({ passkey }) => changed('webauthn_credentials', passkey.id, 'public_key'),
    },
    {
      what: 'a row that is missing here',
      at: 'target',
      sql: (key) => `delete from auth.mfa_factors where id = '${key}'`,
      row: ({ totpUnverified }) => ({
        table: 'mfa_factors',
        key: totpUnverified.factor.id,
        difference: 'missing at the target',
        columns: [],
      }),
    },
    {
      what: 'a row that is not at the source',
      at: 'source',
      sql: (key) => `delete from auth.sessions where id = '${key}'`,
      row: ({ endingSession }) => ({
        table: 'sessions',
        key: endingSession.session.id,
        difference: 'not at the source',
        columns: [],
      }),
    },
  ];

  let differing: DifferingRow[];
  const expectedRow = async ({ row }: Plant): Promise<DifferingRow> => {
    const { key, ...rest } = row(source.people);
    // A row known by its user: its own id is what is named.
    const own = rest.table === 'webauthn_credentials' ? `where user_id = '${key}'` : undefined;
    const [found] = own ? await query<{ id: string }>(source.adminUrl, `select id from auth.${rest.table} ${own}`) : [];
    return { ...rest, key: found?.id ?? key };
  };

  beforeAll(async () => {
    await query(target.url, "update auth.refresh_tokens set revoked = true where id = '1'");
    await query(source.adminUrl, "update auth.refresh_tokens set revoked = true where id = '1'");
    for (const { at, sql, row } of plants) {
      await query(at === 'target' ? target.url : source.adminUrl, sql(row(source.people).key));
    }
    differing = (await verifyUsers(...sides())).flatMap((proof: TableProof) => proof.differing);
  });

  test.each(plants)('is named: $what', async (plant) => {
    expect(differing).toContainEqual(await expectedRow(plant));
  });

  test('and nothing else is named', async () => {
    // The session that is gone from the source took its claims with it.
    const claims = differing.filter(({ table }) => table === 'mfa_amr_claims');
    expect(claims).toEqual([expect.objectContaining({ difference: 'not at the source' })]);
    expect(differing).toHaveLength(plants.length + claims.length);
  });
});

test('a role that may only read compares, and one that may not read either is told so', async () => {
  const url = new URL(target.url);
  [url.username, url.password] = ['proof_reader', 'only-to-read'];
  const asReader = () => verifyUsers({ connectionString: source.url }, { connectionString: url.href });
  await query(target.url, "create role proof_reader login bypassrls password 'only-to-read'");
  try {
    await expect(asReader()).rejects.toMatchObject({
      kind: 'target',
      message: expect.stringMatching(
        /^Role proof_reader may not read users, .*gatehouse\.migrated_rows at the target\. Use .*, or grant it pg_read_all_data\.$/,
      ),
    });
    await query(target.url, 'grant pg_read_all_data to proof_reader');
    expect((await asReader()).map(({ rows }) => rows)).toContain(300);
  } finally {
    await query(target.url, 'drop role proof_reader');
  }
});

test('values that changed places between two rows are found', async () => {
  const fresh = await freshDatabase();
  try {
    const { counter0, counter1 } = source.people;
    const to = { connectionString: fresh.url };
    await migrateUsers({ connectionString: source.url }, to, { apply: true });
    await query(
      fresh.url,
      `update auth.users as u set encrypted_password = other.encrypted_password
         from auth.users as other
        where (u.id, other.id) in (('${counter0.id}', '${counter1.id}'), ('${counter1.id}', '${counter0.id}'))`,
    );

    const proofs = await verifyUsers({ connectionString: source.url }, to);

    expect(
      proofs
        .flatMap(({ differing }) => differing)
        .map(({ key }) => key)
        .sort(),
    ).toEqual([counter0.id, counter1.id].sort());
  } finally {
    await fresh.drop();
  }
});

test('a copy that is not equal is not committed', async () => {
  const fresh = await freshDatabase();
  try {
    // A target that was not made by us: it cuts the microseconds.
    await query(fresh.url, 'alter table auth.sessions alter column created_at type timestamptz(3)');

    const run = migrateUsers({ connectionString: source.url }, { connectionString: fresh.url }, { apply: true });

    await expect(run).rejects.toMatchObject({
      kind: 'unequal',
      message: expect.stringMatching(/auth\.sessions is not equal .* is changed in created_at\. Nothing was changed/),
    });
    for (const table of ['auth.users', 'auth.sessions', 'gatehouse.migrated_rows']) {
      expect(await count(fresh.url, table)).toBe(0);
    }
    const [last] = await query(
      fresh.url,
      "select action, outcome from audit.events where action like 'migration%' order by occurred_at desc, id desc limit 1",
    );
    expect(last).toEqual({ action: 'migration_failed', outcome: 'failure' });
  } finally {
    await fresh.drop();
  }
});
