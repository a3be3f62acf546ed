/** Schemas, extensions and roles of a database, with what in it names each. */
import type pg from 'pg';

export interface SchemaFacts {
  name: string;
  owner: string;
  /** The extension that made the schema, and takes it away again. */
  extension: string | null;
  relations: number;
}

/** All but PostgreSQL's own. */
export async function listSchemas(client: pg.ClientBase): Promise<SchemaFacts[]> {
  const { rows } = await client.query<SchemaFacts>(
    `select n.nspname as name, pg_get_userbyid(n.nspowner) as owner, e.extname as extension,
            (select count(*)::int from pg_class as c
              where c.relnamespace = n.oid and c.relkind in ('r', 'p', 'f', 'v', 'm')) as relations
       from pg_namespace as n
       left join pg_depend as d on d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e'
       left join pg_extension as e on e.oid = d.refobjid
      where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      order by n.nspname collate "C"`,
  );
  return rows;
}

export interface ExtensionFacts {
  name: string;
  schema: string;
  version: string;
  /** Schema → how many of its objects are made of this extension: columns of its types, defaults that call it, indexes. */
  dependents: Record<string, number>;
}

/**
 * The schema `n` of an object `(classid, objid)`, or of the table that it hangs on. An object's address names the schema
 * first, but for types, which only the other function places; that one quotes what it says.
 */
const whereItIs = `
         cross join pg_identify_object(classid, objid, 0) as o
         cross join pg_identify_object_as_address(classid, objid, 0) as a
         join pg_namespace as n on quote_ident(n.nspname) = coalesce(o.schema, quote_ident(a.object_names[1]))`;

/** What a function's body calls is text, which PostgreSQL does not count among dependents. */
export async function listExtensions(client: pg.ClientBase): Promise<ExtensionFacts[]> {
  const { rows } = await client.query<ExtensionFacts>(
    `with dependent as (
       select distinct m.refobjid as extension, d.classid, d.objid
         from pg_depend as m
         join pg_depend as d on d.refclassid = m.classid and d.refobjid = m.objid and d.deptype in ('n', 'a')
        where m.refclassid = 'pg_extension'::regclass and m.deptype = 'e'
          and not exists (select from pg_depend as own
                           where own.classid = d.classid and own.objid = d.objid and own.deptype = 'e')),
     counted as (
       select extension, n.nspname as schema, count(*)::int as count
         from dependent ${whereItIs}
        group by 1, 2)
     select e.extname as name, n.nspname as schema, e.extversion as version,
            coalesce((select jsonb_object_agg(c.schema, c.count) from counted as c where c.extension = e.oid), '{}') as dependents
       from pg_extension as e
       join pg_namespace as n on n.oid = e.extnamespace
      order by e.extname collate "C"`,
  );
  return rows;
}

export interface AvailableExtension {
  /** That is installed, or that CREATE EXTENSION would install. */
  version: string;
  /** It is installed, or the connected role may install it where it may create schemas. */
  installable: boolean;
}

/** Extensions that this server has, by name. */
export async function listAvailableExtensions(client: pg.ClientBase): Promise<Map<string, AvailableExtension>> {
  const { rows } = await client.query<AvailableExtension & { name: string }>(
    `select e.name, coalesce(e.installed_version, e.default_version) as version,
            e.installed_version is not null or r.rolsuper or coalesce(v.trusted or not v.superuser, false) as installable
       from pg_available_extensions as e
       join pg_roles as r on r.rolname = current_user
       left join pg_available_extension_versions as v on v.name = e.name and v.version = e.default_version`,
  );
  return new Map(rows.map(({ name, ...extension }) => [name, extension]));
}

export interface RoleFacts {
  name: string;
  login: boolean;
  inherit: boolean;
  bypassrls: boolean;
  superuser: boolean;
  /** `name=value`, as ALTER ROLE … SET left them: for every database, and for this one. */
  settings: string[];
  member_of: string[];
  /** Those of them whose rights it has unasked: since 16 each membership says so, before the role does. */
  inherits_from: string[];
  /** Those of them in which it may make others members. */
  administers: string[];
  /** Those of them that it may not SET ROLE to: since 16 a membership may say so. */
  never_acts_as: string[];
  /** Something in these schemas belongs to it, is granted to it or has a policy for it. */
  named: boolean;
}

/**
 * All roles but PostgreSQL's own. `schemas` are those that move; beyond them, policies on other tables (portals hang some on
 * Supabase's), publications and large objects count as naming a role too.
 */
export async function listRoles(client: pg.ClientBase, schemas: readonly string[]): Promise<RoleFacts[]> {
  const { rows } = await client.query<RoleFacts>(
    `with object as (
       select distinct refobjid as role, classid, objid
         from pg_shdepend
        where refclassid = 'pg_authid'::regclass
          and dbid = (select oid from pg_database where datname = current_database())),
     naming as (
       select role
         from object
        where classid in ('pg_policy'::regclass, 'pg_publication'::regclass, 'pg_largeobject'::regclass)
       union
       select role
         from object ${whereItIs}
        where classid <> 'pg_default_acl'::regclass and n.nspname = any ($1)
       union
       select o.role
         from object as o
         join pg_default_acl as d on d.oid = o.objid and o.classid = 'pg_default_acl'::regclass
         left join pg_namespace as n on n.oid = d.defaclnamespace
        where d.defaclnamespace = 0 or n.nspname = any ($1))
     select r.rolname as name, r.rolcanlogin as login, r.rolinherit as inherit, r.rolbypassrls as bypassrls,
            r.rolsuper as superuser, r.oid in (select role from naming) as named,
            array(select unnest(s.setconfig)
                    from pg_db_role_setting as s
                   where s.setrole = r.oid
                     and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
                   order by 1) as settings,
            array(select distinct pg_get_userbyid(m.roleid)::text from pg_auth_members as m where m.member = r.oid order by 1)
              as member_of,
            array(select distinct pg_get_userbyid(m.roleid)::text from pg_auth_members as m
                   where m.member = r.oid and coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, r.rolinherit) order by 1)
              as inherits_from,
            array(select pg_get_userbyid(m.roleid)::text from pg_auth_members as m where m.member = r.oid
                   group by 1 having bool_or(m.admin_option) order by 1) as administers,
            array(select pg_get_userbyid(m.roleid)::text from pg_auth_members as m where m.member = r.oid
                   group by 1 having not bool_or((to_jsonb(m) ->> 'set_option')::boolean) order by 1) as never_acts_as
       from pg_roles as r
      where r.rolname !~ '^pg_'
      order by r.rolname collate "C"`,
    [schemas],
  );
  return rows;
}

/** `name=value`, as ALTER DATABASE … SET left them. */
export async function listDatabaseSettings(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ setting: string }>(
    `select unnest(setconfig) as setting
       from pg_db_role_setting
      where setrole = 0 and setdatabase = (select oid from pg_database where datname = current_database())
      order by 1`,
  );
  return rows.map(({ setting }) => setting);
}
