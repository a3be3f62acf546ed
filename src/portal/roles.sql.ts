/** Roles, extensions and settings that the portal's objects count on, made at the target where they are missing. */
import pg from 'pg';
import type { ScopedExtension, ScopedRole } from './scope.ts';

const { escapeIdentifier, escapeLiteral } = pg;

export interface TargetFacts {
  role: string;
  superuser: boolean;
  may_create_roles: boolean;
  bypasses_rls: boolean;
  version: number;
  /** Names of the roles that are there. */
  roles: string[];
  /** Those of them that may do everything. */
  superusers: string[];
  /** Those of them that pass row security. */
  bypassing: string[];
  /** May grant BYPASSRLS: a superuser, and since 16 whoever has it and may create roles. */
  may_grant_bypass: boolean;
  /** May create schemas in this database. */
  may_create: boolean;
  owns_database: boolean;
  encoding: string;
}

export async function readTarget(client: pg.ClientBase): Promise<TargetFacts> {
  const { rows } = await client.query<TargetFacts>(
    `select r.rolname::text as role, r.rolsuper as superuser, r.rolsuper or r.rolcreaterole as may_create_roles,
            r.rolsuper or r.rolbypassrls as bypasses_rls, v.version,
            r.rolsuper or (r.rolcreaterole and r.rolbypassrls and v.version >= 16) as may_grant_bypass,
            has_database_privilege(current_database(), 'create') as may_create,
            pg_has_role(d.datdba, 'usage') as owns_database, pg_encoding_to_char(d.encoding)::text as encoding,
            array(select rolname::text from pg_roles) as roles,
            array(select rolname::text from pg_roles where rolsuper) as superusers,
            array(select rolname::text from pg_roles where rolsuper or rolbypassrls) as bypassing
       from pg_roles as r, pg_database as d,
            (select current_setting('server_version_num')::int / 10000 as version) as v
      where r.rolname = current_user and d.datname = current_database()`,
  );
  return rows[0] as TargetFacts;
}

/** Settings of a role that mean the same without Supabase. */
const CARRIED_SETTINGS = [
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'transaction_timeout',
  'search_path',
];
/** Of the database: what unqualified names and times in the portal's SQL mean. */
const CARRIED_DATABASE_SETTINGS = ['search_path', 'timezone', 'datestyle', 'intervalstyle'];

/**
 * Makes the missing roles, NOLOGIN, with their memberships, and lets the connected role act for all of them. Existing ones
 * stay as they are. Resolves to what could not be granted, in sentences.
 */
export async function makeRoles(
  client: pg.ClientBase,
  roles: readonly ScopedRole[],
  { roles: existing, may_grant_bypass, superuser, role: me, version }: TargetFacts,
): Promise<string[]> {
  const refused: string[] = [];
  const moving = roles.filter(({ becomes }) => becomes === 'itself');
  const missing = moving.filter(({ name }) => !existing.includes(name));
  for (const { name, inherit, bypassrls, settings } of missing) {
    const bypass = bypassrls && may_grant_bypass;
    if (bypassrls && !bypass) {
      refused.push(
        `${name} may pass row security at the source, and ${me} may not grant that: as a superuser, alter role ${escapeIdentifier(name)} bypassrls.`,
      );
    }
    await client.query(
      `create role ${escapeIdentifier(name)} nologin ${inherit ? 'inherit' : 'noinherit'}${bypass ? ' bypassrls' : ''}`,
    );
    for (const [setting, value] of settings.map(split)) {
      if (!CARRIED_SETTINGS.includes(setting)) continue;
      await client.query(`alter role ${escapeIdentifier(name)} set ${setting} = ${sqlValue(setting, value)}`);
    }
  }
  const names = new Set(moving.map(({ name }) => name));
  for (const role of moving) {
    for (const group of role.member_of) {
      if (!names.has(group)) continue;
      const { rows } = await client.query<{ member: boolean }>(
        `select exists (select from pg_auth_members as m
                         where pg_get_userbyid(m.member) = $1 and pg_get_userbyid(m.roleid) = $2) as member`,
        [role.name, group],
      );
      if (!rows[0]?.member) {
        await client.query(
          `grant ${escapeIdentifier(group)} to ${escapeIdentifier(role.name)}${membership(role, group, version)}`,
        );
      }
    }
  }
  if (superuser) return refused;
  // To give something to a role one must be able to act for it.
  for (const name of names) {
    const { rows } = await client.query<{ usage: boolean }>("select pg_has_role($1::name, 'usage') as usage", [name]);
    if (!rows[0]?.usage) await client.query(`grant ${escapeIdentifier(name)} to current_user`);
  }
  return refused;
}

/** What else a grant of membership says. Servers before 16 know no more than ADMIN. */
function membership({ inherits_from, administers, never_acts_as }: ScopedRole, group: string, version: number): string {
  const admin = administers.includes(group);
  if (version < 16) return admin ? ' with admin option' : '';
  return ` with inherit ${inherits_from.includes(group)}, set ${!never_acts_as.includes(group)}, admin ${admin}`;
}

/** Makes an extension where it is missing, in the schema that it has at the source. */
export async function makeExtension(
  client: pg.ClientBase,
  { name, schema }: Pick<ScopedExtension, 'name' | 'schema'>,
): Promise<void> {
  await client.query(`create extension if not exists ${escapeIdentifier(name)} schema ${escapeIdentifier(schema)}`);
}

export async function setDatabaseSettings(client: pg.ClientBase, settings: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ name: string }>('select quote_ident(current_database()) as name');
  for (const [setting, value] of settings.map(split)) {
    if (!CARRIED_DATABASE_SETTINGS.includes(setting.toLowerCase())) continue;
    await client.query(`alter database ${rows[0]?.name} set ${setting} = ${sqlValue(setting, value)}`);
  }
}

function split(setting: string): [name: string, value: string] {
  const at = setting.indexOf('=');
  return [setting.slice(0, at), setting.slice(at + 1)];
}

/** A list of names is kept as text that says more than names when somebody wants it to: each goes over as a string of its own. */
function sqlValue(setting: string, value: string): string {
  if (setting !== 'search_path') return escapeLiteral(value);
  return namesIn(value).map(escapeLiteral).join(', ') || "''";
}

/** The names of such a list, as PostgreSQL reads it. */
function namesIn(list: string): string[] {
  return [...list.matchAll(/"((?:[^"]|"")*)"|[^\s,"]+/g)].map(([word, quoted]) =>
    quoted === undefined ? word.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : quoted.replaceAll('""', '"'),
  );
}
