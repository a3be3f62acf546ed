/** Whose things are, who may do what with them, and what hangs on tables of schema auth: read at the source, made at the target. */
import pg from 'pg';
import { openOfOld } from '../catalogue/catalogue.ts';
import { withoutFollowers } from './multiranges.sql.ts';

const { escapeIdentifier, escapeLiteral } = pg;

/** A role of the source → the role that takes its place, or undefined where none does. `public` is everybody. */
export type Substitute = (role: string) => string | undefined;

const notOfExtension = (classid: string, oid: string) =>
  `not exists (select from pg_depend where classid = '${classid}'::regclass and objid = ${oid} and deptype = 'e')`;

export interface OwnedObject {
  /** As ALTER names it. */
  kind: string;
  identity: string;
  schema: string;
  owner: string;
}

/** What these roles own in these schemas. A column's sequence follows its table. */
export async function listOwned(
  client: pg.ClientBase,
  schemas: readonly string[],
  owners: readonly string[],
): Promise<OwnedObject[]> {
  const { rows } = await client.query<OwnedObject>(
    `select replace(o.type, ' object', '') as kind, o.identity, n.nspname as schema, pg_get_userbyid(d.refobjid)::text as owner
       from pg_shdepend as d
      cross join pg_identify_object(d.classid, d.objid, 0) as o
       join pg_namespace as n on quote_ident(n.nspname) = case when o.type = 'schema' then o.identity else o.schema end
      where d.dbid = (select oid from pg_database where datname = current_database()) and d.deptype = 'o'
        and n.nspname = any ($1) and pg_get_userbyid(d.refobjid) = any ($2)
        and not exists (select from pg_depend as own
                         where own.classid = d.classid and own.objid = d.objid and own.objsubid = 0
                           -- A partitioned table depends on columns of its own.
                           and own.refobjid <> own.objid
                           and (own.deptype = 'e'
                                or own.deptype = 'i' and d.classid <> 'pg_proc'::regclass
                                   and not (d.classid = 'pg_type'::regclass and exists (
                                     select from pg_range where rngmultitypid = d.objid))
                                or own.deptype = 'a' and o.type = 'sequence'))
      order by o.type = 'schema', 1, 2`,
    [schemas, owners],
  );
  return rows;
}

export async function giveToOwners(client: pg.ClientBase, objects: readonly OwnedObject[]): Promise<void> {
  // An owner who is no superuser's choice must be able to create where the thing is; the schema's own grants follow.
  const pairs = new Set(
    objects
      .filter(({ kind }) => kind !== 'schema')
      .map(({ schema, owner }) => `${escapeIdentifier(schema)} to ${escapeIdentifier(owner)}`),
  );
  await runAll(client, [
    ...[...pairs].map((pair) => `grant usage, create on schema ${pair}`),
    ...(await withoutFollowers(client, objects)).map(
      ({ kind, identity, owner }) => `alter ${kind} ${identity} owner to ${escapeIdentifier(owner)}`,
    ),
  ]);
}

export interface Grant {
  /** As GRANT names it: `table`, `sequence`, `routine`, `type`, `schema`. */
  kind: string;
  identity: string;
  schema: string;
  column: string | null;
  owner: string;
  /** `public` for everybody. */
  grantee: string;
  grantable: boolean;
  /** None where nobody has any right, not even the owner. */
  privileges: string[];
}

/** The objects of these schemas whose rights are not the ordinary ones, each with its owner and its list. */
const rightsOf = `
  select case c.relkind when 'S' then 'sequence' else 'table' end as kind, format('%I.%I', n.nspname, c.relname) as identity,
         n.nspname as schema, null as "column", c.relowner as owner, c.relacl as acl
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
   where n.nspname = any ($1) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relacl is not null
     and ${notOfExtension('pg_class', 'c.oid')}
  union all
  select 'table', format('%I.%I', n.nspname, c.relname), n.nspname, a.attname, c.relowner, a.attacl
    from pg_attribute as a join pg_class as c on c.oid = a.attrelid join pg_namespace as n on n.oid = c.relnamespace
   where n.nspname = any ($1) and a.attacl is not null and not a.attisdropped and ${notOfExtension('pg_class', 'c.oid')}
  union all
  select 'routine', o.identity, n.nspname, null, p.proowner, p.proacl
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
   cross join pg_identify_object('pg_proc'::regclass, p.oid, 0) as o
   where n.nspname = any ($1) and p.proacl is not null and ${notOfExtension('pg_proc', 'p.oid')}
  union all
  select 'type', o.identity, n.nspname, null, t.typowner, t.typacl
    from pg_type as t join pg_namespace as n on n.oid = t.typnamespace
   cross join pg_identify_object('pg_type'::regclass, t.oid, 0) as o
   where n.nspname = any ($1) and t.typacl is not null and ${notOfExtension('pg_type', 't.oid')}
  union all
  select 'schema', quote_ident(n.nspname), n.nspname, null, n.nspowner, n.nspacl
    from pg_namespace as n
   where n.nspname = any ($1) and n.nspacl is not null`;

export async function listGrants(client: pg.ClientBase, schemas: readonly string[]): Promise<Grant[]> {
  const { rows } = await client.query<Grant>(
    `select r.kind, r.identity, r.schema, r."column"::text, pg_get_userbyid(r.owner)::text as owner,
            case when coalesce(a.grantee, 0) = 0 then 'public' else pg_get_userbyid(a.grantee)::text end as grantee,
            coalesce(a.is_grantable, false) as grantable,
            coalesce(array_agg(a.privilege_type order by a.privilege_type) filter (where a.privilege_type is not null), '{}')
              as privileges
       from (${rightsOf}) as r
       left join aclexplode(r.acl) as a on true
      group by 1, 2, 3, 4, 5, 6, 7
      order by 1, 2, 4 nulls first, 6`,
    [schemas],
  );
  return rows;
}

/**
 * Gives the objects of these schemas exactly the rights of the source: what the target's own defaults have given goes first.
 */
export async function setGrants(
  client: pg.ClientBase,
  schemas: readonly string[],
  grants: readonly Grant[],
  substitute: Substitute,
): Promise<void> {
  const objectOf = ({ kind, identity }: Grant) => `all on ${kind} ${identity}`;
  const given = (await listGrants(client, schemas)).filter(({ privileges }) => privileges.length > 0);
  const settable = await withoutFollowers(client, grants);
  // Schemas last: whoever has lost the right to one for a moment finds nothing in it.
  for (const ofSchemas of [false, true]) {
    const now = settable.filter(({ kind }) => (kind === 'schema') === ofSchemas);
    // Rights on a column say nothing of those on its table, which may be the ordinary ones.
    const whole = now.filter(({ column }) => column === null);
    const stated = new Map(whole.map((grant) => [objectOf(grant), substitute(grant.owner) ?? grant.owner]));
    await runAll(client, [
      ...given
        .filter(({ kind }) => (kind === 'schema') === ofSchemas)
        .filter((grant) => stated.has(objectOf(grant)) || ![grant.owner, 'public'].includes(grant.grantee))
        .map(({ kind, identity, column, grantee }) => {
          return `revoke all${columnOf(column)} on ${kind} ${identity} from ${name(grantee)}`;
        }),
      ...[...stated].map(([all, owner]) => `revoke ${all} from public, ${name(owner)}`),
      ...now.flatMap((grant) => granting(grant, substitute)),
    ]);
  }
}

/** Gives rights to roles on what exists here already: schema auth and that of the extensions. */
export async function addGrants(
  client: pg.ClientBase,
  grants: readonly Grant[],
  substitute: Substitute,
): Promise<void> {
  const { rows } = await client.query<{ n: number }>(
    `select n
       from unnest($1::text[], $2::text[]) with ordinality as g (kind, identity, n)
      where case kind when 'schema' then to_regnamespace(identity) is not null
                      when 'routine' then to_regprocedure(identity) is not null
                      when 'type' then to_regtype(identity) is not null
                      else to_regclass(identity) is not null end`,
    [grants.map(({ kind }) => kind), grants.map(({ identity }) => identity)],
  );
  const here = new Set(rows.map(({ n }) => Number(n) - 1));
  await runAll(
    client,
    grants.filter((_, n) => here.has(n)).flatMap((grant) => granting(grant, substitute)),
  );
}

function granting({ kind, identity, column, grantee, grantable, privileges }: Grant, substitute: Substitute): string[] {
  const role = grantee === 'public' ? 'public' : substitute(grantee);
  // Unknown to an older server, or to this one: pg_dump would not know it either.
  if (role === undefined || privileges.length === 0) return [];
  const what = privileges.map((privilege) => `${privilege}${columnOf(column)}`).join(', ');
  return [`grant ${what} on ${kind} ${identity} to ${name(role)}${grantable ? ' with grant option' : ''}`];
}

const columnOf = (column: string | null) => (column === null ? '' : ` (${escapeIdentifier(column)})`);
const name = (role: string) => (role === 'public' ? 'public' : escapeIdentifier(role));

export interface DefaultPrivileges {
  owner: string;
  /** Null for every schema. */
  schema: string | null;
  /** `tables`, `sequences`, `functions`, `types`, `schemas`, `large objects`. */
  objects: string;
  grantee: string;
  grantable: boolean;
  privileges: string[];
  /** Of the whole list: whether everybody has what everybody has of old. */
  everybody: boolean;
  /** Of the whole list: whether its owner has what an owner has of old. */
  whole: boolean;
}

/** What new objects will be open to. */
export async function listDefaultPrivileges(
  client: pg.ClientBase,
  schemas: readonly string[],
): Promise<DefaultPrivileges[]> {
  const { rows } = await client.query<DefaultPrivileges>(
    `select pg_get_userbyid(d.defaclrole)::text as owner, n.nspname as schema,
            case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
                                 when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end as objects,
            case when a.grantee = 0 then 'public' else pg_get_userbyid(coalesce(a.grantee, d.defaclrole))::text end as grantee,
            coalesce(a.is_grantable, false) as grantable,
            array_remove(array_agg(a.privilege_type order by a.privilege_type), null) as privileges,
            exists (select from aclexplode(d.defaclacl) where grantee = 0) as everybody,
            not exists (
              select from aclexplode(acldefault(case d.defaclobjtype when 'S' then 's' else d.defaclobjtype end, d.defaclrole)) as o
               where o.grantee = d.defaclrole and not exists (
                 select from aclexplode(d.defaclacl) as k where (k.grantee, k.privilege_type) = (o.grantee, o.privilege_type))) as whole
       from pg_default_acl as d
       left join pg_namespace as n on n.oid = d.defaclnamespace
       left join aclexplode(d.defaclacl) as a on true
      where d.defaclnamespace = 0 or n.nspname = any ($1)
      group by d.oid, 1, 2, 3, 4, 5
      order by 1, 2 nulls first, 3, 4`,
    [schemas],
  );
  return rows;
}

/**
 * Sets what new objects will be open to. What is open in every schema there is open in `schemas` alone here, where there are
 * others beside them; rights on schemas to come, which cannot be given so, are not set.
 */
export async function setDefaultPrivileges(
  client: pg.ClientBase,
  list: readonly DefaultPrivileges[],
  schemas: readonly string[],
  substitute: Substitute,
): Promise<void> {
  const { rows } = await client.query<{ me: string }>('select current_user::text as me');
  await runAll(client, [
    ...list.flatMap((entry) => closing(entry, substitute, rows[0]?.me)),
    ...list.flatMap((entry) => opening(entry, schemas, substitute, rows[0]?.me)),
  ]);
}

/**
 * A list for all schemas stands in place of the ordinary one, in which everybody may execute and use, and the owner everything.
 * The connected role keeps that: it makes gatehouse's tables.
 */
function closing(
  { owner, schema, objects, everybody, whole }: DefaultPrivileges,
  substitute: Substitute,
  me: string | undefined,
): string[] {
  const role = substitute(owner);
  if (role === undefined || schema !== null) return [];
  const closed = [
    ...(!everybody && openOfOld.includes(objects) ? ['public'] : []),
    ...(!whole && role !== me ? [name(role)] : []),
  ];
  return closed.map((from) => `alter default privileges for role ${name(role)} revoke all on ${objects} from ${from}`);
}

function opening(
  { owner, schema, objects, grantee, grantable, privileges, whole }: DefaultPrivileges,
  schemas: readonly string[],
  substitute: Substitute,
  me: string | undefined,
): string[] {
  const role = substitute(owner);
  const to = grantee === 'public' ? 'public' : substitute(grantee);
  if (role === undefined || to === undefined || privileges.length === 0) return [];
  return places().map(
    (place) =>
      `alter default privileges for role ${name(role)}${place} grant ${privileges.join(', ')} on ${objects} to ${name(to)}${grantable ? ' with grant option' : ''}`,
  );

  function places(): string[] {
    if (schema !== null) return [` in schema ${escapeIdentifier(schema)}`];
    // They are in no schema.
    if (objects === 'large objects') return [''];
    if (to === role && role !== me && !whole) return [''];
    const isOrdinary = to === role || (to === 'public' && openOfOld.includes(objects));
    if (objects === 'schemas' || isOrdinary) return [];
    return schemas.map((of) => ` in schema ${escapeIdentifier(of)}`);
  }
}

export interface Policy {
  table: string;
  name: string;
  permissive: boolean;
  command: string;
  roles: string[];
  using: string | null;
  check: string | null;
  comment: string | null;
}

export async function listPolicies(client: pg.ClientBase, schemas: readonly string[]): Promise<Policy[]> {
  const { rows } = await client.query<Policy>(
    `select format('%I.%I', n.nspname, c.relname) as "table", p.polname::text as name, p.polpermissive as permissive,
            case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end
              as command,
            array(select coalesce(r.rolname::text, case when member = 0 then 'public' else member::text end)
                    from unnest(p.polroles) as member left join pg_roles as r on r.oid = member) as roles,
            pg_get_expr(p.polqual, p.polrelid) as "using", pg_get_expr(p.polwithcheck, p.polrelid) as "check",
            obj_description(p.oid, 'pg_policy') as comment
       from pg_policy as p
       join pg_class as c on c.oid = p.polrelid
       join pg_namespace as n on n.oid = c.relnamespace
      where n.nspname = any ($1) and ${notOfExtension('pg_policy', 'p.oid')}
      order by 1, 2`,
    [schemas],
  );
  return rows;
}

/** Makes policies in place of those of the same name. */
export async function makePolicies(
  client: pg.ClientBase,
  policies: readonly Policy[],
  substitute: Substitute,
): Promise<void> {
  await runAll(
    client,
    policies.flatMap(({ table, name: policy, permissive, command, roles, using, check, comment }) => {
      const to = [...new Set(roles.map((role) => (role === 'public' ? role : (substitute(role) ?? role))))].map(name);
      const place = `policy ${escapeIdentifier(policy)} on ${table}`;
      return [
        `drop policy if exists ${escapeIdentifier(policy)} on ${table}`,
        `create ${place} as ${permissive ? 'permissive' : 'restrictive'} for ${command} to ${to.join(', ')}${
          using === null ? '' : ` using (${using})`
        }${check === null ? '' : ` with check (${check})`}`,
        ...(comment === null ? [] : [`comment on ${place} is ${escapeLiteral(comment)}`]),
      ];
    }),
  );
}

export interface AuthTrigger {
  table: string;
  name: string;
  definition: string;
  /** As `ALTER TABLE … ENABLE TRIGGER` has it: O, D, R or A. */
  enabled: 'O' | 'D' | 'R' | 'A';
  /** Schema of the function that it calls. */
  calls: string;
  comment: string | null;
}

/** Triggers that the portal hung on tables of schema auth. */
export async function listAuthTriggers(client: pg.ClientBase): Promise<AuthTrigger[]> {
  const { rows } = await client.query<AuthTrigger>(
    `select format('%I.%I', n.nspname, c.relname) as "table", t.tgname::text as name, pg_get_triggerdef(t.oid) as definition,
            t.tgenabled::text as enabled, f.nspname::text as calls, obj_description(t.oid, 'pg_trigger') as comment
       from pg_trigger as t
       join pg_class as c on c.oid = t.tgrelid
       join pg_namespace as n on n.oid = c.relnamespace
       join pg_proc as p on p.oid = t.tgfoid
       join pg_namespace as f on f.oid = p.pronamespace
      where n.nspname = 'auth' and not t.tgisinternal
      order by 1, 2`,
  );
  return rows;
}

const ENABLING = { O: 'enable', D: 'disable', R: 'enable replica', A: 'enable always' };

export async function makeAuthTriggers(client: pg.ClientBase, triggers: readonly AuthTrigger[]): Promise<void> {
  await runAll(
    client,
    triggers.flatMap(({ table, name: trigger, definition, enabled, comment }) => [
      `drop trigger if exists ${escapeIdentifier(trigger)} on ${table}`,
      definition,
      `alter table ${table} ${ENABLING[enabled]} trigger ${escapeIdentifier(trigger)}`,
      ...(comment === null
        ? []
        : [`comment on trigger ${escapeIdentifier(trigger)} on ${table} is ${escapeLiteral(comment)}`]),
    ]),
  );
}

/** Statements in a few messages rather than one each: a portal has thousands. */
async function runAll(client: pg.ClientBase, statements: readonly string[]): Promise<void> {
  for (let at = 0; at < statements.length; at += 200) await client.query(statements.slice(at, at + 200).join(';\n'));
}
