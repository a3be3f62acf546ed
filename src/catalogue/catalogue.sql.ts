/**
 * What a database is made of, asked with one statement per kind of object, however many of it there are. Each row names an
 * `object` as a sentence would, the `parent` that it hangs on (its kind and its name), and what is known of it: its facts.
 * What an extension made is the extension's and left out. The questions are in a file per subject.
 *
 * `$1` is the list of schemas. PostgreSQL 15 to 18: a column that only newer servers have is read through `to_jsonb`.
 */
import type pg from 'pg';
import { aboutDatabase } from './database.sql.ts';
import { role } from './fragments.sql.ts';
import type { Kind } from './kinds.ts';
import { aboutRelations } from './relations.sql.ts';
import { aboutRights } from './rights.sql.ts';
import { aboutTypesAndFunctions } from './types-and-functions.sql.ts';

/**
 * Under these the text of an expression is the same whatever the session, role or database is set to: with every name
 * qualified, every constant printed in full, and no name quoted that need not be.
 */
const pinned = {
  search_path: 'pg_catalog',
  quote_all_identifiers: 'off',
  standard_conforming_strings: 'on',
  TimeZone: 'UTC',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  lc_monetary: 'C',
  // Compiling a question takes longer than answering it.
  jit: 'off',
};

/** Runs work with the settings pinned, and leaves them as they were found: inside a transaction or outside of one. */
export async function withPinnedSettings<T>(client: pg.ClientBase, work: () => Promise<T>): Promise<T> {
  const { rows } = await client.query<{ found: string }>(
    `with found as (
       select s.name, s.setting, p.value
         from jsonb_each_text($1) as p
         join pg_settings as s on lower(s.name) = lower(p.key))
     select jsonb_object_agg(name, setting)::text as found, count(set_config(name, value, false)) from found`,
    [JSON.stringify(pinned)],
  );
  try {
    return await work();
  } finally {
    // In a transaction that has failed they go back on their own.
    await client
      .query('select set_config(key, value, false) from jsonb_each_text($1)', [rows[0]?.found ?? '{}'])
      .catch(() => {});
  }
}

const questions: Record<Exclude<Kind, 'role'>, string> = {
  ...aboutDatabase,
  ...aboutRelations,
  ...aboutTypesAndFunctions,
  ...aboutRights,
};

/** A row of an answer: the object's name, what it hangs on, and its facts. */
export type CatalogueRow = Record<string, unknown>;

/** Every object of one kind, in the order of its name. */
export async function listObjects(
  client: pg.ClientBase,
  kind: Exclude<Kind, 'role'>,
  schemas: readonly string[],
): Promise<CatalogueRow[]> {
  const { rows } = await client.query<CatalogueRow>(questions[kind], [schemas]);
  return rows;
}

/** What a role is told that means the same without Supabase. */
const carriedSettings = [
  'search_path',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'transaction_timeout',
];

/** Roles by name. Who may sign in, and how, is for each server to say, and not asked. */
export async function listRoles(client: pg.ClientBase, names: readonly string[]): Promise<CatalogueRow[]> {
  const { rows } = await client.query<CatalogueRow>(
    `select r.rolname::text as object, r.rolsuper as superuser, r.rolbypassrls as bypass_row_security, r.rolinherit as inherit,
            array(select ${role('m.roleid')} from pg_auth_members as m where m.member = r.oid group by 1 order by 1) as member_of,
            array(select ${role('m.roleid')} from pg_auth_members as m where m.member = r.oid group by 1
                  having bool_or((to_jsonb(m) ->> 'inherit_option')::boolean) <> r.rolinherit order by 1) as inherits_otherwise,
            array(select ${role('m.roleid')} from pg_auth_members as m where m.member = r.oid group by 1
                  having bool_or(m.admin_option) order by 1) as administers,
            array(select ${role('m.roleid')} from pg_auth_members as m where m.member = r.oid group by 1
                  having not bool_or((to_jsonb(m) ->> 'set_option')::boolean) order by 1) as never_acts_as,
            array(select distinct setting
                    from pg_db_role_setting as s, unnest(s.setconfig) as setting
                   where s.setrole = r.oid
                     and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
                     and split_part(setting, '=', 1) = any ($2)
                   order by 1) as settings
       from pg_roles as r
      where r.rolname = any ($1)`,
    [names, carriedSettings],
  );
  return rows;
}

export async function readServerVersion(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ version: number }>(
    "select current_setting('server_version_num')::int as version",
  );
  return rows[0]?.version ?? 0;
}
