/**
 * A Supabase project made from plain PostgreSQL, faithful in what a migration meets: the roles and their rights, who owns
 * what, the settings (`extra_float_digits = 0`), schema auth with every kind of user, and a portal with one of each thing
 * that is hard to move. Written from facts about the hosted platform, not copied from it. The same seed makes the same
 * rows.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { passwordPool } from './supabase-source/password-pool.ts';
import { type ColumnKey, makePeople, type People } from './supabase-source/people.ts';

export interface SupabaseSourceOptions {
  /** Rows of auth.users, the named people among them. */
  users?: number;
  seed?: number;
  /** The fixture's present: what is recent, stale or still to come is so relative to it. */
  present?: string;
  /**
   * The portal's own tables; `'without large values'` leaves out the one value of 20 MB, and `'at scale'` has around them
   * what a portal has become in ten years: 550 tables, 1,300 foreign keys, 950 functions, 620 policies, 650 triggers and
   * 80 enums, in seconds.
   */
  portal?: boolean | 'without large values' | 'at scale';
  /** `'2024'`: a project whose Supabase Auth has not been updated since; columns and tables are missing. */
  gotrue?: 'current' | '2024';
}

export interface SupabaseSource {
  /** As the customer's role: `postgres`, which is no superuser. */
  url: string;
  /** As the cluster's superuser, which no customer has. */
  adminUrl: string;
  people: People;
  /** Keys of the column encryption: one that the customer holds, one that is lost. */
  keys: { held: ColumnKey; lost: ColumnKey };
  drop(): Promise<void>;
}

const part = (name: string) => readFile(new URL(`supabase-source/${name}.sql`, import.meta.url), 'utf8');
const authSchema = () => readFile(new URL('../../drizzle/0000_supabase_auth.sql', import.meta.url), 'utf8');

const scaleParts = ['scale-tables', 'scale-rows', 'scale-keys', 'scale-functions', 'scale-policies'];

/** Roles are made once per cluster: whoever makes a source holds this lock meanwhile. */
const ROLES_LOCK = 5_432_001;

/**
 * Makes a database of its own in the cluster of `adminUrl`, whose superuser must not be named `postgres`: 5,000 users
 * take seconds, a million a few minutes.
 */
export async function createSupabaseSource(
  adminUrl: string,
  {
    users = 5_000,
    seed = 1,
    present = '2026-11-01T12:00:00Z',
    portal = true,
    gotrue = 'current',
  }: SupabaseSourceOptions = {},
): Promise<SupabaseSource> {
  const { people, tables, keys } = makePeople(seed, present);
  const crowd = users - tables.users.length;
  if (crowd < 0) throw new Error(`a source has at least ${tables.users.length} users: one of every kind`);

  const database = `supabase_${randomBytes(6).toString('hex')}`;
  await withClient(adminUrl, async (cluster) => {
    await cluster.query(`select pg_advisory_lock(${ROLES_LOCK})`);
    await cluster.query(await part('roles'));
    await cluster.query(`select pg_advisory_unlock(${ROLES_LOCK})`);
    await cluster.query(`create database ${database} owner postgres template template0 encoding 'UTF8'`);
    await cluster.query(`
      alter database ${database} connection limit 15;
      alter database ${database} set extra_float_digits = 0;
      alter database ${database} set search_path = "$user", public, extensions;
      alter role postgres in database ${database} set statement_timeout = '2min'`);
  });

  const databaseUrl = new URL(adminUrl);
  databaseUrl.pathname = `/${database}`;
  await withClient(databaseUrl.href, async (admin) => {
    await admin.query(await authSchema());
    await admin.query(await part('project'));
    await admin.query(`
      set session_replication_role = replica;
      set timezone = 'UTC';
      select set_config('fixture.seed', '${seed}', false), set_config('fixture.present', '${present}', false),
             set_config('fixture.crowd', '${crowd}', false), set_config('fixture.toast', '${portal === true}', false)`);
    await admin.query("select set_config('fixture.hashes', $1, false)", [JSON.stringify(hashes())]);
    await admin.query(await part('chance'));
    await admin.query(await part('crowd'));
    for (const [table, rows] of Object.entries(tables)) await insertRows(admin, `auth.${table}`, rows);
    if (portal) {
      await admin.query(await part('portal'));
      await admin.query(await part('portal-rows'));
      await admin.query(await part('portal-last'));
    }
    if (portal === 'at scale') for (const name of scaleParts) await admin.query(await part(name));
    if (gotrue === '2024') await admin.query(await part('gotrue-2024'));
    await admin.query(await part('event-triggers'));
    await admin.query('analyze');
  });

  const url = new URL(databaseUrl);
  url.username = 'postgres';
  url.password = 'postgres';
  return {
    url: url.href,
    adminUrl: databaseUrl.href,
    people,
    keys,
    drop: () => withClient(adminUrl, (cluster) => cluster.query(`drop database ${database} with (force)`)),
  };
}

/** Format → hashes, for the crowd to draw from. */
function hashes(): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(passwordPool).map(([format, pool]) => [
      format,
      pool.map(({ encrypted_password }) => encrypted_password),
    ]),
  );
}

async function insertRows(client: pg.Client, table: string, rows: readonly Record<string, unknown>[]): Promise<void> {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].join(', ');
  await client.query(
    `insert into ${table} (${columns}) select ${columns} from jsonb_populate_recordset(null::${table}, $1::jsonb)`,
    [JSON.stringify(rows)],
  );
}

async function withClient(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
