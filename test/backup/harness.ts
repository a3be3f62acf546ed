/** `gatehouse backup` as at a terminal, on a database with something of everything that a backup has to bring back. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readIdentity } from '../../src/backup/age-key.ts';
import { run } from '../../src/backup/backup.command.ts';
import { connectionFromUrl } from '../../src/config/connection.ts';
import { readConfig } from '../../src/config.ts';
import { createDatabase } from '../../src/db/database.ts';
import { embeddedMajors } from '../../src/db/embedded-postgres.ts';
import { findPgTools, PgToolsMissing } from '../../src/db/pg-tools.ts';
import { createPool } from '../../src/db/pool.ts';
import { applySchemaChanges } from '../../src/db/schema-changes.ts';
import { outcomeOf } from '../harness/command.ts';
import { forgetSchemaChanges } from '../harness/global-setup.ts';
import { adminUrl, freshDatabase, type TestDatabase } from '../harness/postgres.ts';
import { majorOfTheRun, startServer } from '../harness/server.ts';

export const IDENTITY = 'AGE-SECRET-KEY-15NKD7Y6QCEEJ5YFC5H6CJ0AX866LLEG707ESZJXKA23SFFUEN47S8NGPHE';
export const OTHER_IDENTITY = 'AGE-SECRET-KEY-1TNJ5Q82XQV36DQJV34FTGHHMWXKXQAK7TH95XVL4DR8QH93ZVCDQ3QCEJJ';

export function keyOf(identity: string) {
  const key = readIdentity(identity);
  if (!key) throw new Error('no identity');
  return key;
}

export interface Portal {
  database: TestDatabase;
  /** The server that it is on, as its superuser. */
  server: string;
  /** Where its backups are. */
  directory: string;
  env: Record<string, string>;
  /** Runs the command, with other variables or another time where they are given. */
  gatehouse(args: string[], options?: { env?: Record<string, string>; now?: Date }): Promise<Ran>;
  /** Of the audit log, since it was asked the last time. */
  newEvents(): Promise<
    { action: string; outcome: string; reason: string | null; path: string; details: Record<string, unknown> }[]
  >;
  end(): Promise<void>;
}

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * On the run's server where this machine's pg_dump can read it. Where it is too old, on one of the default major that stands
 * beside, and that is said: what is tested of backups then is not tested of the run's major.
 */
async function openDatabase(): Promise<{ database: TestDatabase; server: string }> {
  const missing = await findPgTools(majorOfTheRun, process.env).then(
    () => undefined,
    (error) => {
      if (majorOfTheRun === embeddedMajors[0] || !(error instanceof PgToolsMissing)) throw error;
      return error.message;
    },
  );
  if (missing === undefined) return { database: await freshDatabase(), server: adminUrl() };

  const [readable] = embeddedMajors;
  process.stderr.write(`Backups are tested on PostgreSQL ${readable}, not ${majorOfTheRun}: ${missing}\n`);
  const server = await startServer(readable, { max_connections: '300' });
  const url = await server.createDatabase('portal');
  await applySchemaChanges(url);
  await forgetSchemaChanges(url);
  const pool = createPool({ connection: { connectionString: url }, application_name: 'gatehouse-test', max: 10 });
  const drop = async () => {
    await pool.end();
    await server.stop();
  };
  return { database: { url, pool, db: createDatabase(pool), drop }, server: server.url };
}

export async function openPortal(): Promise<Portal> {
  const { database, server } = await openDatabase();
  await database.pool.query(PORTAL);
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-backups-'));
  const env = { DATABASE_URL: database.url, GATEHOUSE_BACKUP_DIRECTORY: directory, GATEHOUSE_BACKUP_KEY: IDENTITY };
  let seen: string[] = [];
  return {
    database,
    server,
    directory,
    env,
    async gatehouse(args, { env: more = {}, now } = {}) {
      const { settings, secrets } = readConfig({ ...env, ...more }, 'command');
      return outcomeOf((streams) =>
        run(args, {
          ...streams,
          operator: 'ops',
          clock: () => now ?? new Date(),
          findDatabase: async () => connectionFromUrl({ ...env, ...more }.DATABASE_URL),
          env: { PATH: more.PATH ?? process.env.PATH },
          settings,
          secrets,
        }),
      );
    },
    async newEvents() {
      const { rows } = await database.pool.query(
        `select id::text, action, outcome, reason, path, details from audit.events
          where action like 'backup%' and id::text <> all ($1) order by id`,
        [seen],
      );
      seen = [...seen, ...rows.map(({ id }) => id)];
      return rows.map(({ id: _, ...event }) => event);
    },
    async end() {
      await database.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The audit log refuses events of this name, once the transaction they are in commits. Resolves to how to end that. */
export async function refuseAtCommit({ pool }: TestDatabase, action: string): Promise<() => Promise<unknown>> {
  await pool.query(`
    create function public.refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$;
    create constraint trigger refused after insert on audit.events deferrable initially deferred
      for each row when (new.action = '${action}') execute function public.refuse()`);
  return () => pool.query('drop function public.refuse cascade');
}

const PORTAL = `
  create schema "Client Files";
  create extension citext;
  create type public.risk as enum ('low', 'high');
  create domain public.iban as text check (value ~ '^[A-Z]{2}');
  create table "Client Files"."Account" (
    id bigint generated always as identity primary key, owner uuid references auth.users, name citext not null,
    balance numeric(12, 4), rate float8, opened timestamptz, risk public.risk default 'low', account public.iban,
    raw bytea, tags text[], settings jsonb, lower_name text generated always as (lower(name::text)) stored,
    check (name in ('ÉCOLE', 'second', 'third')));
  insert into "Client Files"."Account" (name, balance, rate, opened, account, raw, tags, settings) values
    ('ÉCOLE', 1.00, 0.1::float8 + 0.2::float8, '2026-02-28 23:59:59.999999+00', 'DE02', '\\x00ff', '{a,NULL,"b,c"}', '{"b": 1, "a": null}'),
    ('second', null, 'NaN', 'infinity', null, '', '{}', null),
    ('third', -0.5, '-Infinity', null, 'GB', null, null, '[]');
  alter table "Client Files"."Account" enable row level security;
  create policy own on "Client Files"."Account" for select using (owner = auth.uid());
  -- Columns of the child stand in another order once it was dumped and restored.
  create table public.parent (a int);
  create table public.child (b int) inherits (public.parent);
  alter table public.parent add column c int default 7;
  insert into public.parent values (1, 2);
  insert into public.child (a, b) values (3, 4);
  create table public.measured (at date not null, value int) partition by range (at);
  create table public.measured_2026 partition of public.measured for values from ('2026-01-01') to ('2027-01-01');
  insert into public.measured values ('2026-05-05', 5);
  -- PostgreSQL prints lists of a varchar in another way once they were restored.
  alter table public.measured add kind varchar(9) default 'new' check (kind in ('new', 'old'));
  create index measured_high on public.measured (value) where kind in ('new', 'newer');
  create table public.nothing ();
  insert into public.nothing default values;
  create view public.names with (security_invoker) as select name from "Client Files"."Account" where name in ('ÉCOLE', 'second');
  create materialized view public.totals as select count(*) from "Client Files"."Account";
  create function public.touch() returns trigger language plpgsql security definer set search_path = '' as
    $$ begin new.rate := 1; return new; end $$;
  create trigger touched before update on "Client Files"."Account" for each row execute function public.touch();
  create sequence public.invoice_number start 100;
  select nextval('public.invoice_number');
  create function public.on_ddl() returns event_trigger language plpgsql as 'begin end';
  create event trigger of_a_superuser on ddl_command_end when tag in ('CREATE CAST') execute function public.on_ddl();
  comment on table public.parent is 'has a child';
  create publication everything for all tables;
  alter default privileges in schema public grant select on tables to public;
  select lo_from_bytea(0, convert_to(repeat('large ', 200000), 'UTF8'));`;
