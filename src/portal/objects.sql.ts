/** What the portal's schemas hold, by name: to find a target that is not empty, to go on where a run stopped, to begin anew. */
import pg from 'pg';

const { escapeIdentifier } = pg;

/** Everything in the schemas that somebody made there and no extension did, in words that DROP and a sentence can use. */
const madeIn = `
  select o.type, o.identity
    from (select 'pg_class'::regclass as classid, oid, relnamespace as namespace from pg_class
           where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
          union all select 'pg_proc'::regclass, oid, pronamespace from pg_proc
          union all select 'pg_type'::regclass, oid, typnamespace from pg_type
           where typtype in ('e', 'd', 'r') or (typtype = 'c' and typrelid in (select oid from pg_class where relkind = 'c'))
          union all select 'pg_collation'::regclass, oid, collnamespace from pg_collation
          union all select 'pg_operator'::regclass, oid, oprnamespace from pg_operator
          union all select 'pg_opfamily'::regclass, oid, opfnamespace from pg_opfamily
          union all select 'pg_conversion'::regclass, oid, connamespace from pg_conversion
          union all select 'pg_ts_config'::regclass, oid, cfgnamespace from pg_ts_config
          union all select 'pg_ts_dict'::regclass, oid, dictnamespace from pg_ts_dict) as made
    join pg_namespace as n on n.oid = made.namespace
   cross join pg_identify_object(made.classid, made.oid, 0) as o
   where n.nspname = any ($1)
     and not exists (select from pg_depend as d
                      where d.classid = made.classid and d.objid = made.oid
                        -- A partitioned table depends on columns of its own.
                        and (d.deptype = 'e' or (d.deptype = 'i' and d.refobjid <> d.objid)))
   order by made.classid <> 'pg_class'::regclass, o.type <> 'table', o.identity`;

export interface MadeObject {
  type: string;
  identity: string;
}

export async function listMade(client: pg.ClientBase, schemas: readonly string[]): Promise<MadeObject[]> {
  return (await client.query<MadeObject>(madeIn, [schemas])).rows;
}

/** Takes away all that the schemas hold; what an extension made there stays, and so do the schemas. */
export async function dropMade(client: pg.ClientBase, schemas: readonly string[]): Promise<void> {
  for (const { type, identity } of await listMade(client, schemas)) {
    await client.query(`drop ${type} if exists ${identity} cascade`);
  }
}

export async function makeSchemas(client: pg.ClientBase, schemas: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    'select name from unnest($1::text[]) as name where not exists (select from pg_namespace where nspname = name)',
    [schemas],
  );
  for (const { name } of rows) await client.query(`create schema ${escapeIdentifier(name)}`);
}

/**
 * Asks with every name in quotes, as PostgreSQL writes it meanwhile: one that needs none there may be a reserved word in a
 * newer one.
 */
export async function inQuotes<T>(client: pg.ClientBase, ask: () => Promise<T>): Promise<T> {
  await client.query('set quote_all_identifiers = on');
  const answer = await ask();
  await client.query('reset quote_all_identifiers');
  return answer;
}

/** An object by its place in the catalogue. */
export interface Address {
  classid: number;
  objid: number;
}

/** What the objects are called, in words that are the same in another database; in their order, '' where there is none. */
export async function nameObjects(client: pg.ClientBase, addresses: readonly Address[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select case when classid = 0 then ''
                 else (select type || ' ' || identity from pg_identify_object(classid, objid, 0)) end as name
       from unnest($1::oid[], $2::oid[]) with ordinality as a (classid, objid, n)
      order by n`,
    [addresses.map(({ classid }) => classid), addresses.map(({ objid }) => objid)],
  );
  return rows.map(({ name }) => name);
}

/** The names, in those words, of every index and constraint of the schemas. */
export async function listKeys(client: pg.ClientBase, schemas: readonly string[]): Promise<Set<string>> {
  const { rows } = await client.query<{ name: string }>(
    `select o.type || ' ' || o.identity as name
       from (select 'pg_class'::regclass as classid, i.indexrelid as oid, c.relnamespace as namespace
               from pg_index as i join pg_class as c on c.oid = i.indexrelid
             union all
             select 'pg_constraint'::regclass, oid, connamespace from pg_constraint) as made
       join pg_namespace as n on n.oid = made.namespace
      cross join pg_identify_object(made.classid, made.oid, 0) as o
      where n.nspname = any ($1)`,
    [schemas],
  );
  return new Set(rows.map(({ name }) => name));
}

export interface LooseEnd extends Address {
  /** In words: `function call of trigger notify on public.people`. */
  what: string;
  kind: 'foreign key' | 'trigger' | 'other';
  /** Where what it needs is. */
  schema: string;
  needs: string;
}

/**
 * Objects of the portal that need something which does not come along: neither in these schemas nor of an extension nor in
 * one of `known`, which the target has.
 */
export async function listLooseEnds(
  client: pg.ClientBase,
  schemas: readonly string[],
  known: readonly string[],
): Promise<LooseEnd[]> {
  const { rows } = await client.query<LooseEnd>(
    `with needed as (
       select distinct d.classid, d.objid, d.refclassid, d.refobjid
         from pg_depend as d
        where d.deptype in ('n', 'a') and d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass))
     select needed.classid::bigint::float8 as classid, needed.objid::bigint::float8 as objid, o.type || ' ' || o.identity as what,
            case when k.contype = 'f' then 'foreign key' when needed.classid = 'pg_trigger'::regclass then 'trigger' else 'other' end
              as kind,
            r.schema, r.identity as needs
       from needed
      cross join pg_identify_object(needed.classid, needed.objid, 0) as o
      cross join pg_identify_object_as_address(needed.classid, needed.objid, 0) as a
      cross join pg_identify_object(needed.refclassid, needed.refobjid, 0) as r
       left join pg_constraint as k on needed.classid = 'pg_constraint'::regclass and k.oid = needed.objid
      where coalesce(o.schema, quote_ident(a.object_names[1])) = any (select quote_ident(s) from unnest($1::text[]) as s)
        and r.schema is not null and r.schema !~ '^pg_' and r.schema <> 'information_schema'
        and not r.schema = any (select quote_ident(s) from unnest($1::text[] || $2::text[]) as s)
        and not exists (select from pg_depend as e
                         where e.classid = needed.refclassid and e.objid = needed.refobjid and e.deptype = 'e')
      order by 3`,
    [schemas, known],
  );
  return rows;
}

/** Functions of these schemas that do what they do with the rights of an owner who is no superuser. */
export async function countDefiners(client: pg.ClientBase, schemas: readonly string[]): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `select count(*)::int as count
       from pg_proc as p
       join pg_namespace as n on n.oid = p.pronamespace
       join pg_roles as r on r.oid = p.proowner
      where n.nspname = any ($1) and p.prosecdef and not r.rolsuper`,
    [schemas],
  );
  return rows[0]?.count ?? 0;
}

export interface Publication {
  name: string;
  all_tables: boolean;
  /** Its own place in the catalogue, and those of its members. */
  addresses: Address[];
}

/** What the portal publishes to others; Supabase's own publications are not among them. */
export async function listPublications(client: pg.ClientBase): Promise<Publication[]> {
  const { rows } = await client.query<Publication>(
    `select p.pubname::text as name, p.puballtables as all_tables,
            jsonb_build_array(jsonb_build_object('classid', 'pg_publication'::regclass::oid::bigint::float8, 'objid', p.oid::bigint::float8))
            || coalesce((select jsonb_agg(jsonb_build_object('classid', 'pg_publication_rel'::regclass::oid::bigint::float8, 'objid', r.oid::bigint::float8))
                           from pg_publication_rel as r where r.prpubid = p.oid), '[]')
            || coalesce((select jsonb_agg(jsonb_build_object('classid', 'pg_publication_namespace'::regclass::oid::bigint::float8, 'objid', s.oid::bigint::float8))
                           from pg_publication_namespace as s where s.pnpubid = p.oid), '[]') as addresses
       from pg_publication as p
      where p.pubname !~ '^supabase_'
      order by 1`,
  );
  return rows;
}

export async function dropPublications(client: pg.ClientBase, names: readonly string[]): Promise<void> {
  for (const name of names) await client.query(`drop publication if exists ${escapeIdentifier(name)}`);
}

export interface ForeignServer {
  name: string;
  /** Foreign tables of these schemas that are on it. */
  tables: string[];
}

export async function listForeignServers(client: pg.ClientBase, schemas: readonly string[]): Promise<ForeignServer[]> {
  const { rows } = await client.query<ForeignServer>(
    `select s.srvname::text as name,
            array(select format('%I.%I', n.nspname, c.relname)
                    from pg_foreign_table as f
                    join pg_class as c on c.oid = f.ftrelid
                    join pg_namespace as n on n.oid = c.relnamespace
                   where f.ftserver = s.oid and n.nspname = any ($1)
                   order by 1) as tables
       from pg_foreign_server as s
      order by 1`,
    [schemas],
  );
  return rows;
}
