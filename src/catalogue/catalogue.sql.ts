/**
 * What a database is made of, asked with one statement per kind of object, however many of it there are. Each row names an
 * `object` as a sentence would, the `parent` that it hangs on (its kind and its name), and what is known of it: its facts.
 * What an extension made is the extension's and left out.
 *
 * `$1` is the list of schemas. PostgreSQL 15 to 18: a column that only newer servers have is read through `to_jsonb`.
 */
import type pg from 'pg';
import type { Kind } from './kinds.ts';

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

const notOfAnExtension = (catalogue: string, oid: string) =>
  `not exists (select from pg_depend as e where e.classid = '${catalogue}'::regclass and e.objid = ${oid} and e.deptype = 'e')`;

/** The name of relation `c` in schema `n`, and the same with its kind: what a column or a trigger hangs on. */
const relation = `format('%I.%I', n.nspname, c.relname)`;
const relationAsParent = `case c.relkind when 'v' then 'view ' when 'm' then 'materialized view ' when 'S' then 'sequence '
                               else 'table ' end || ${relation}`;
const schemaAsParent = `format('schema %I', n.nspname)`;
const on = (name: string) => `format('%I on %s', ${name}, ${relation})`;
const role = (oid: string) => `pg_get_userbyid(${oid})::text`;
const sorted = (array: string) => `array(select unnest(${array}) order by 1)`;
const qualified = {
  collation: (oid: string) =>
    `(select format('%I.%I', s.nspname, o.collname) from pg_collation as o join pg_namespace as s on s.oid = o.collnamespace where o.oid = ${oid})`,
  operatorClass: (oid: string) =>
    `(select format('%I.%I', s.nspname, o.opcname) from pg_opclass as o join pg_namespace as s on s.oid = o.opcnamespace where o.oid = ${oid})`,
};
/** Options that may hold a key: each with the hash of its value, which nobody reads here. */
const hashed = (options: string) => `
  array(select o.option_name || '=' || encode(sha256(convert_to(o.option_value, 'UTF8')), 'hex')
          from pg_options_to_table(${options}) as o order by 1)`;
/** What somebody made, and initdb did not. */
const made = (oid: string) => `${oid} >= 16384`;
/** NULL where no function is set. */
const functionName = (regproc: string) => `nullif(${regproc}::oid, 0)::regprocedure::text`;

/** The operators and functions of an operator family that are told by a condition on their place in the catalogue. */
const membersOf = (family: string, which: (catalogue: string, oid: string) => string) => `
           array(select concat_ws(' ', p.amopstrategy, p.amopopr::regoperator, case p.amoppurpose when 'o' then 'for order by' end)
                   from pg_amop as p where p.amopfamily = ${family} and ${which('pg_amop', 'p.oid')} order by 1)
             || array(select format('%s (%s, %s) %s', f.amprocnum, format_type(f.amproclefttype, null), format_type(f.amprocrighttype, null), f.amproc::regprocedure)
                        from pg_amproc as f where f.amprocfamily = ${family} and ${which('pg_amproc', 'f.oid')} order by 1)`;
const ofClass = (catalogue: string, oid: string) =>
  `select from pg_depend as d where d.classid = '${catalogue}'::regclass and d.objid = ${oid} and d.refclassid = 'pg_opclass'::regclass`;

/** Of the entries `g` of access control lists; who may hand a right on has that as a second one. */
const rights = `array_agg(distinct g.privilege_type)
             || coalesce(array_agg(distinct g.privilege_type || ' with grant option') filter (where g.is_grantable), '{}')`;

const questions: Record<Exclude<Kind, 'role'>, string> = {
  database: `
    select 'database' as object,
           (select split_part(setting, '=', 2)
              from pg_db_role_setting as s, unnest(s.setconfig) as setting
             where s.setdatabase = d.oid and s.setrole = 0 and setting like 'search\\_path=%') as search_path
      from pg_database as d
     where d.datname = current_database() and $1::text[] is not null`,

  schema: `
    select format('%I', n.nspname) as object, ${role('n.nspowner')} as owner,
           obj_description(n.oid, 'pg_namespace') as comment
      from pg_namespace as n
     where n.nspname = any ($1)`,

  table: `
    select ${relation} as object, ${schemaAsParent} as parent,
           case c.relkind when 'r' then 'ordinary' when 'p' then 'partitioned' else 'foreign' end as form,
           case c.relpersistence when 'p' then 'logged' when 'u' then 'unlogged' else 'temporary' end as persistence,
           case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end as partition_key,
           case when c.relispartition then (
             select format('of %I.%I %s', pn.nspname, p.relname, pg_get_expr(c.relpartbound, c.oid))
               from pg_inherits as h
               join pg_class as p on p.oid = h.inhparent
               join pg_namespace as pn on pn.oid = p.relnamespace
              where h.inhrelid = c.oid) end as partition,
           case when not c.relispartition then array(
             select format('%I.%I', pn.nspname, p.relname)
               from pg_inherits as h
               join pg_class as p on p.oid = h.inhparent
               join pg_namespace as pn on pn.oid = p.relnamespace
              where h.inhrelid = c.oid
              order by h.inhseqno) end as inherits,
           c.relrowsecurity as row_security, c.relforcerowsecurity as forced_row_security,
           ${role('c.relowner')} as owner,
           ${sorted(`c.reloptions || array(select 'toast.' || o from pg_class as t, unnest(t.reloptions) as o where t.oid = c.reltoastrelid)`)} as options,
           (select amname::text from pg_am where oid = c.relam) as access_method,
           case c.relreplident when 'd' then 'primary key' when 'f' then 'full' when 'n' then 'nothing' else (
             select format('index %I', i.relname)
               from pg_index as x join pg_class as i on i.oid = x.indexrelid
              where x.indrelid = c.oid and x.indisreplident) end as replica_identity,
           nullif(c.reloftype, 0)::regtype::text as of_type,
           (select quote_ident(s.srvname) from pg_foreign_table as f join pg_foreign_server as s on s.oid = f.ftserver
             where f.ftrelid = c.oid) as foreign_server,
           (select ${hashed('f.ftoptions')} from pg_foreign_table as f where f.ftrelid = c.oid) as foreign_options,
           array(select a.attname::text from pg_attribute as a
                  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                    -- Columns that a parent got after its child are the child's last ones, and its first where it is made anew.
                    and (a.attinhcount = 0 or c.relispartition)
                  order by a.attnum) as column_order,
           obj_description(c.oid, 'pg_class') as comment
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = any ($1) and c.relkind in ('r', 'p', 'f') and ${notOfAnExtension('pg_class', 'c.oid')}`,

  view: `
    select ${relation} as object, ${schemaAsParent} as parent,
           pg_get_viewdef(c.oid) as definition,
           coalesce((select o.option_value in ('true', 'on', 'yes', '1') from pg_options_to_table(c.reloptions) as o
                      where o.option_name = 'security_invoker'), false) as security_invoker,
           array(select o from unnest(c.reloptions) as o where o not like 'security\\_invoker=%' order by 1) as options,
           ${role('c.relowner')} as owner,
           obj_description(c.oid, 'pg_class') as comment
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = any ($1) and c.relkind = 'v' and ${notOfAnExtension('pg_class', 'c.oid')}`,

  'materialized view': `
    select ${relation} as object, ${schemaAsParent} as parent,
           pg_get_viewdef(c.oid) as definition, c.relispopulated as populated,
           ${sorted('c.reloptions')} as options, ${role('c.relowner')} as owner,
           (select amname::text from pg_am where oid = c.relam) as access_method,
           obj_description(c.oid, 'pg_class') as comment
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = any ($1) and c.relkind = 'm' and ${notOfAnExtension('pg_class', 'c.oid')}`,

  // A generated column's expression is kept where a default is; it is no default. A server of 18 says of NOT NULL whether
  // it was ever checked; what was not is no guarantee.
  column: `
    select format('%s.%I', ${relation}, a.attname) as object, ${relationAsParent} as parent,
           format_type(a.atttypid, a.atttypmod) as type,
           case when a.attcollation <> t.typcollation then ${qualified.collation('a.attcollation')} end as collation,
           case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end as default,
           a.attnotnull and not exists (
             select from pg_constraint as o
              where o.conrelid = c.oid and o.contype = 'n' and not o.convalidated and o.conkey = array[a.attnum]) as not_null,
           case a.attgenerated when 's' then 'stored ' when 'v' then 'virtual ' end || pg_get_expr(d.adbin, d.adrelid)
             as generated,
           case a.attidentity when 'a' then 'always' when 'd' then 'by default' end as identity,
           case when a.attstorage <> t.typstorage then a.attstorage::text end as storage,
           nullif(a.attcompression::text, '') as compression,
           nullif(a.attstattarget::int, -1) as statistics_target,
           ${sorted('a.attoptions')} as options, ${hashed('a.attfdwoptions')} as foreign_options,
           col_description(c.oid, a.attnum) as comment
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
      join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      join pg_type as t on t.oid = a.atttypid
      left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
     where n.nspname = any ($1) and c.relkind in ('r', 'p', 'f', 'v', 'm') and ${notOfAnExtension('pg_class', 'c.oid')}`,

  // A foreign key is held by triggers of its own, which a load that broke off may have left disabled. One that refers to a
  // partitioned table has another beside it for each partition, named as each major likes: they are the same key.
  constraint: `
    select ${on('o.conname')} as object, ${relationAsParent} as parent,
           case o.contype when 'c' then 'check' when 'f' then 'foreign key' when 'p' then 'primary key'
                          when 'u' then 'unique' else 'exclusion' end as form,
           regexp_replace(pg_get_constraintdef(o.oid), ' NOT VALID$', '') as definition,
           o.convalidated and coalesce((select x.indisvalid and x.indisready from pg_index as x
                                         where x.indexrelid = o.conindid and o.contype in ('p', 'u', 'x')), true) as valid,
           coalesce((to_jsonb(o) ->> 'conenforced')::boolean, true)
             and coalesce((select bool_and(t.tgenabled = 'O') from pg_trigger as t
                            where t.tgconstraint = o.oid and o.contype = 'f'), true) as enforced,
           (select format('%I.%I', fn.nspname, f.relname)
              from pg_class as f join pg_namespace as fn on fn.oid = f.relnamespace
             where f.oid = o.confrelid) as "references",
           (select x.indisclustered from pg_index as x where x.indexrelid = o.conindid and o.contype in ('p', 'u', 'x')) as clustered,
           obj_description(o.oid, 'pg_constraint') as comment,
           case when o.contype in ('p', 'u', 'x') then obj_description(o.conindid, 'pg_class') end as index_comment
      from pg_constraint as o
      join pg_class as c on c.oid = o.conrelid
      join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = any ($1) and o.contype in ('c', 'f', 'p', 'u', 'x') and ${notOfAnExtension('pg_class', 'c.oid')}
       and not exists (select from pg_constraint as k where k.oid = o.conparentid and k.conrelid = o.conrelid)`,

  // Those of a primary key, a unique or an exclusion constraint are that constraint's.
  index: `
    select format('%I.%I', n.nspname, i.relname) as object, ${relationAsParent} as parent,
           replace(pg_get_indexdef(i.oid), coalesce(' WHERE ' || pg_get_expr(x.indpred, x.indrelid), ''), '') as definition,
           x.indisunique as unique, pg_get_expr(x.indpred, x.indrelid) as predicate,
           x.indisvalid and x.indisready and x.indislive as valid, x.indisclustered as clustered,
           (select format('%I.%I', pn.nspname, p.relname)
              from pg_inherits as h
              join pg_class as p on p.oid = h.inhparent
              join pg_namespace as pn on pn.oid = p.relnamespace
             where h.inhrelid = i.oid) as part_of,
           array(select format('%s: %s', a.attnum, a.attstattarget) from pg_attribute as a
                  where a.attrelid = i.oid and a.attstattarget >= 0 order by a.attnum) as statistics_targets,
           obj_description(i.oid, 'pg_class') as comment
      from pg_index as x
      join pg_class as i on i.oid = x.indexrelid
      join pg_class as c on c.oid = x.indrelid
      join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_class', 'c.oid')}
       and not exists (select from pg_constraint as o where o.conindid = i.oid and o.contype in ('p', 'u', 'x'))`,

  // Supabase has none on schema auth: those that are there are the portal's, at the source.
  policy: `
    select ${on('p.polname')} as object, ${relationAsParent} as parent, not n.nspname = any ($1) as guest,
           case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
                         else 'all' end as command,
           case when p.polpermissive then 'permissive' else 'restrictive' end as form,
           array(select case r.oid when 0 then 'public' else ${role('r.oid')} end from unnest(p.polroles) as r (oid) order by 1) as roles,
           pg_get_expr(p.polqual, p.polrelid) as "using", pg_get_expr(p.polwithcheck, p.polrelid) as "check",
           obj_description(p.oid, 'pg_policy') as comment
      from pg_policy as p
      join pg_class as c on c.oid = p.polrelid
      join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = any ($1 || array['auth']) and ${notOfAnExtension('pg_class', 'c.oid')}`,

  // Wherever they hang: those on auth.users call functions of the portal.
  trigger: `
    select ${on('t.tgname')} as object, ${relationAsParent} as parent, pg_get_triggerdef(t.oid) as definition,
           case t.tgenabled when 'O' then 'enabled' when 'D' then 'disabled' when 'R' then 'replica' else 'always' end as enabled,
           format('%I', fn.nspname) as function_schema,
           obj_description(t.oid, 'pg_trigger') as comment
      from pg_trigger as t
      join pg_class as c on c.oid = t.tgrelid
      join pg_namespace as n on n.oid = c.relnamespace
      join pg_proc as f on f.oid = t.tgfoid
      join pg_namespace as fn on fn.oid = f.pronamespace
     where not t.tgisinternal and (n.nspname = any ($1) or n.nspname = 'auth' and fn.nspname = any ($1))
       and ${notOfAnExtension('pg_class', 'c.oid')}`,

  'event trigger': `
    select format('%I', t.evtname) as object, t.evtevent::text as event, t.evttags as tags,
           case t.evtenabled when 'O' then 'enabled' when 'D' then 'disabled' when 'R' then 'replica' else 'always' end as enabled,
           t.evtfoid::regprocedure::text as function, ${role('t.evtowner')} as owner,
           obj_description(t.oid, 'pg_event_trigger') as comment
      from pg_event_trigger as t
      join pg_proc as f on f.oid = t.evtfoid
      join pg_namespace as n on n.oid = f.pronamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_event_trigger', 't.oid')}`,

  rule: `
    select ${on('r.rulename')} as object, ${relationAsParent} as parent, pg_get_ruledef(r.oid) as definition,
           case r.ev_enabled when 'O' then 'enabled' when 'D' then 'disabled' when 'R' then 'replica' else 'always' end as enabled,
           obj_description(r.oid, 'pg_rewrite') as comment
      from pg_rewrite as r
      join pg_class as c on c.oid = r.ev_class
      join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = any ($1) and r.rulename <> '_RETURN' and ${notOfAnExtension('pg_class', 'c.oid')}`,

  function: `
    select format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) as object, ${schemaAsParent} as parent,
           case p.prokind when 'f' then 'function' when 'p' then 'procedure' when 'a' then 'aggregate' else 'window function' end as form,
           l.lanname::text as language,
           concat_ws(' in ', p.prosrc, p.probin) as body, pg_get_function_sqlbody(p.oid) as statements,
           pg_get_function_arguments(p.oid) as arguments, pg_get_function_result(p.oid) as returns,
           p.prosecdef as security_definer, ${sorted('p.proconfig')} as settings,
           case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end as volatility,
           p.proisstrict as strict, p.proleakproof as leakproof,
           case p.proparallel when 's' then 'safe' when 'r' then 'restricted' else 'unsafe' end as parallel,
           p.procost::text as cost, p.prorows::text as rows,
           ${functionName('p.prosupport')} as support,
           (select array[a.aggkind::text, a.aggtransfn::regprocedure::text, format_type(a.aggtranstype, null),
                         ${functionName('a.aggfinalfn')}, ${functionName('a.aggcombinefn')},
                         ${functionName('a.aggmtransfn')}, ${functionName('a.aggminvtransfn')},
                         nullif(a.aggsortop, 0)::regoperator::text, a.agginitval]
              from pg_aggregate as a where a.aggfnoid = p.oid) as aggregate,
           ${role('p.proowner')} as owner, obj_description(p.oid, 'pg_proc') as comment
      from pg_proc as p
      join pg_namespace as n on n.oid = p.pronamespace
      join pg_language as l on l.oid = p.prolang
     where n.nspname = any ($1) and ${notOfAnExtension('pg_proc', 'p.oid')}`,

  // Not the row types of relations, not arrays, not the multiranges that ranges bring.
  type: `
    select format('%I.%I', n.nspname, t.typname) as object, ${schemaAsParent} as parent,
           case t.typtype when 'e' then 'enum' when 'd' then 'domain' when 'r' then 'range' when 'c' then 'composite' else 'base' end as form,
           case t.typtype
             when 'e' then array(select l.enumlabel::text from pg_enum as l where l.enumtypid = t.oid order by l.enumsortorder)
             when 'd' then array_remove(
               array[format_type(t.typbasetype, t.typtypmod),
                     case when t.typcollation <> b.typcollation then 'collate ' || ${qualified.collation('t.typcollation')} end,
                     'default ' || pg_get_expr(t.typdefaultbin, 0), case when t.typnotnull then 'not null' end]
               || array(select format('constraint %I %s', o.conname, pg_get_constraintdef(o.oid))
                          from pg_constraint as o where o.contypid = t.oid and o.contype = 'c' order by o.conname), null)
             when 'r' then (
               select array_remove(array[
                        'subtype ' || format_type(r.rngsubtype, null), 'opclass ' || ${qualified.operatorClass('r.rngsubopc')},
                        'collation ' || ${qualified.collation('nullif(r.rngcollation, 0)')},
                        'canonical ' || ${functionName('r.rngcanonical')}, 'diff ' || ${functionName('r.rngsubdiff')},
                        'multirange ' || r.rngmultitypid::regtype], null)
                 from pg_range as r where r.rngtypid = t.oid)
             when 'c' then array(
               select format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod))
                      || coalesce(case when a.attcollation <> at.typcollation then ' collate ' || ${qualified.collation('a.attcollation')} end, '')
                 from pg_attribute as a join pg_type as at on at.oid = a.atttypid
                where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped order by a.attnum)
             else array_remove(array[t.typinput::regprocedure::text, t.typoutput::regprocedure::text, t.typlen::text,
                                     t.typalign::text, t.typstorage::text, t.typcategory::text, t.typdelim::text,
                                     'receive ' || ${functionName('t.typreceive')}, 'send ' || ${functionName('t.typsend')},
                                     'typmod_in ' || ${functionName('t.typmodin')}, 'typmod_out ' || ${functionName('t.typmodout')},
                                     'element ' || nullif(t.typelem, 0)::regtype, 'default ' || t.typdefault], null)
           end as definition,
           ${role('t.typowner')} as owner, obj_description(t.oid, 'pg_type') as comment,
           array(select format('%I: %s', o.conname, obj_description(o.oid, 'pg_constraint')) from pg_constraint as o
                  where o.contypid = t.oid and obj_description(o.oid, 'pg_constraint') is not null order by 1)
             || array(select format('%I: %s', a.attname, col_description(t.typrelid, a.attnum)) from pg_attribute as a
                       where a.attrelid = t.typrelid and col_description(t.typrelid, a.attnum) is not null order by 1) as comments_inside
      from pg_type as t
      join pg_namespace as n on n.oid = t.typnamespace
      left join pg_type as b on b.oid = t.typbasetype
      left join pg_class as c on c.oid = t.typrelid
     where n.nspname = any ($1) and ${notOfAnExtension('pg_type', 't.oid')}
       and (t.typtype in ('e', 'd', 'r') or t.typtype = 'c' and c.relkind = 'c'
            or t.typtype = 'b' and not exists (select from pg_type as e where e.typarray = t.oid))`,

  // How far it has counted is data, and compared with the rows.
  sequence: `
    select ${relation} as object, ${schemaAsParent} as parent, format_type(s.seqtypid, null) as type,
           s.seqstart::text as start, s.seqincrement::text as increment, s.seqmin::text as minimum,
           s.seqmax::text as maximum, s.seqcache::text as cache, s.seqcycle as cycle,
           (select format('%I.%I.%I', tn.nspname, t.relname, a.attname)
              from pg_depend as d
              join pg_class as t on t.oid = d.refobjid
              join pg_namespace as tn on tn.oid = t.relnamespace
              join pg_attribute as a on a.attrelid = t.oid and a.attnum = d.refobjsubid
             where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass
               and d.deptype in ('a', 'i') and d.refobjsubid > 0) as owned_by,
           case c.relpersistence when 'p' then 'logged' when 'u' then 'unlogged' else 'temporary' end as persistence,
           ${role('c.relowner')} as owner,
           case when has_sequence_privilege(c.oid, 'select') then pg_sequence_last_value(c.oid)::text end as last_value,
           obj_description(c.oid, 'pg_class') as comment
      from pg_sequence as s
      join pg_class as c on c.oid = s.seqrelid
      join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_class', 'c.oid')}`,

  collation: `
    select format('%I.%I', n.nspname, c.collname) as object, ${schemaAsParent} as parent,
           case c.collprovider when 'i' then 'icu' when 'c' then 'libc' when 'b' then 'builtin' else 'default' end as provider,
           coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale') as locale,
           c.collcollate::text as collate, c.collctype::text as ctype, c.collisdeterministic as deterministic,
           to_jsonb(c) ->> 'collicurules' as rules, ${role('c.collowner')} as owner,
           obj_description(c.oid, 'pg_collation') as comment
      from pg_collation as c
      join pg_namespace as n on n.oid = c.collnamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_collation', 'c.oid')}`,

  statistics: `
    select format('%I.%I', n.nspname, s.stxname) as object, ${relationAsParentOf('s.stxrelid')} as parent,
           pg_get_statisticsobjdef(s.oid) as definition, nullif((to_jsonb(s) ->> 'stxstattarget')::int, -1) as target,
           ${role('s.stxowner')} as owner,
           obj_description(s.oid, 'pg_statistic_ext') as comment
      from pg_statistic_ext as s
      join pg_namespace as n on n.oid = s.stxnamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_statistic_ext', 's.oid')}`,

  operator: `
    select o.oid::regoperator::text as object, ${schemaAsParent} as parent, o.oprcode::regprocedure::text as function,
           nullif(o.oprcom, 0)::regoperator::text as commutator, nullif(o.oprnegate, 0)::regoperator::text as negator,
           ${functionName('o.oprrest')} as restrict, ${functionName('o.oprjoin')} as join,
           o.oprcanmerge as merges, o.oprcanhash as hashes, ${role('o.oprowner')} as owner,
           obj_description(o.oid, 'pg_operator') as comment
      from pg_operator as o
      join pg_namespace as n on n.oid = o.oprnamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_operator', 'o.oid')}`,

  'operator class': `
    select format('%I.%I for %s', n.nspname, o.opcname, m.amname) as object, ${schemaAsParent} as parent,
           format_type(o.opcintype, null) as type, o.opcdefault as default,
           (select format('%I.%I', fn.nspname, f.opfname) from pg_opfamily as f join pg_namespace as fn on fn.oid = f.opfnamespace where f.oid = o.opcfamily) as family,
           case when o.opckeytype <> 0 then format_type(o.opckeytype, null) end as stored_as,
           ${membersOf('o.opcfamily', (catalogue, oid) => `exists (${ofClass(catalogue, oid)} and d.refobjid = o.oid)`)} as members,
           ${role('o.opcowner')} as owner, obj_description(o.oid, 'pg_opclass') as comment
      from pg_opclass as o
      join pg_am as m on m.oid = o.opcmethod
      join pg_namespace as n on n.oid = o.opcnamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_opclass', 'o.oid')}`,

  // Those that are of no class, or of more than one.
  'operator family': `
    select format('%I.%I for %s', n.nspname, f.opfname, m.amname) as object, ${schemaAsParent} as parent,
           ${membersOf('f.oid', (catalogue, oid) => `not exists (${ofClass(catalogue, oid)})`)} as members,
           ${role('f.opfowner')} as owner, obj_description(f.oid, 'pg_opfamily') as comment
      from pg_opfamily as f
      join pg_am as m on m.oid = f.opfmethod
      join pg_namespace as n on n.oid = f.opfnamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_opfamily', 'f.oid')}`,

  'access method': `
    select format('%I', m.amname) as object, case m.amtype when 't' then 'table' else 'index' end as form,
           ${functionName('m.amhandler')} as handler, obj_description(m.oid, 'pg_am') as comment
      from pg_am as m
     where ${made('m.oid')} and ${notOfAnExtension('pg_am', 'm.oid')} and $1::text[] is not null`,

  language: `
    select format('%I', l.lanname) as object, l.lanpltrusted as trusted, ${functionName('l.lanplcallfoid')} as handler,
           ${functionName('l.laninline')} as inline, ${functionName('l.lanvalidator')} as validator,
           ${role('l.lanowner')} as owner, obj_description(l.oid, 'pg_language') as comment
      from pg_language as l
     where ${made('l.oid')} and ${notOfAnExtension('pg_language', 'l.oid')} and $1::text[] is not null`,

  conversion: `
    select format('%I.%I', n.nspname, c.conname) as object, ${schemaAsParent} as parent,
           pg_encoding_to_char(c.conforencoding)::text as from, pg_encoding_to_char(c.contoencoding)::text as to,
           ${functionName('c.conproc')} as function, c.condefault as default,
           ${role('c.conowner')} as owner, obj_description(c.oid, 'pg_conversion') as comment
      from pg_conversion as c
      join pg_namespace as n on n.oid = c.connamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_conversion', 'c.oid')}`,

  // One of two types of PostgreSQL's own is of no schema.
  cast: `
    select format('%s as %s', format_type(c.castsource, null), format_type(c.casttarget, null)) as object,
           case c.castmethod when 'f' then ${functionName('c.castfunc')} when 'i' then 'text' else 'none' end as function,
           case c.castcontext when 'i' then 'implicit' when 'a' then 'assignment' else 'explicit' end as context,
           obj_description(c.oid, 'pg_cast') as comment
      from pg_cast as c
     where ${made('c.oid')} and ${notOfAnExtension('pg_cast', 'c.oid')}
       and (select bool_or(n.nspname = any ($1)) or bool_and(n.nspname = 'pg_catalog')
              from (select t.typnamespace as namespace from pg_type as t where t.oid in (c.castsource, c.casttarget)
                    union all
                    select f.pronamespace from pg_proc as f where f.oid = c.castfunc) as part
              join pg_namespace as n on n.oid = part.namespace)`,

  transform: `
    select format('for %s language %I', format_type(t.trftype, null), l.lanname) as object,
           ${functionName('t.trffromsql')} as from_sql, ${functionName('t.trftosql')} as to_sql,
           obj_description(t.oid, 'pg_transform') as comment
      from pg_transform as t
      join pg_language as l on l.oid = t.trflang
     where ${notOfAnExtension('pg_transform', 't.oid')} and $1::text[] is not null`,

  'text search': `
    select format('configuration %I.%I', n.nspname, c.cfgname) as object, ${schemaAsParent} as parent,
           array['parser ' || (select format('%I.%I', pn.nspname, p.prsname) from pg_ts_parser as p join pg_namespace as pn on pn.oid = p.prsnamespace where p.oid = c.cfgparser)]
             || array(select format('%s %s', m.maptokentype, m.mapdict::regdictionary) from pg_ts_config_map as m
                       where m.mapcfg = c.oid order by m.maptokentype, m.mapseqno) as definition,
           ${role('c.cfgowner')} as owner, obj_description(c.oid, 'pg_ts_config') as comment
      from pg_ts_config as c
      join pg_namespace as n on n.oid = c.cfgnamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_ts_config', 'c.oid')}
    union all
    select format('dictionary %I.%I', n.nspname, d.dictname), ${schemaAsParent},
           array[(select format('%I.%I', tn.nspname, t.tmplname) from pg_ts_template as t join pg_namespace as tn on tn.oid = t.tmplnamespace where t.oid = d.dicttemplate),
                 coalesce(d.dictinitoption, '')],
           ${role('d.dictowner')}, obj_description(d.oid, 'pg_ts_dict')
      from pg_ts_dict as d
      join pg_namespace as n on n.oid = d.dictnamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_ts_dict', 'd.oid')}
    union all
    select format('parser %I.%I', n.nspname, p.prsname), ${schemaAsParent},
           array[p.prsstart::regprocedure::text, p.prstoken::regprocedure::text, p.prsend::regprocedure::text,
                 ${functionName('p.prsheadline')}, p.prslextype::regprocedure::text],
           null, obj_description(p.oid, 'pg_ts_parser')
      from pg_ts_parser as p
      join pg_namespace as n on n.oid = p.prsnamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_ts_parser', 'p.oid')}
    union all
    select format('template %I.%I', n.nspname, t.tmplname), ${schemaAsParent},
           array[${functionName('t.tmplinit')}, t.tmpllexize::regprocedure::text], null, obj_description(t.oid, 'pg_ts_template')
      from pg_ts_template as t
      join pg_namespace as n on n.oid = t.tmplnamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_ts_template', 't.oid')}`,

  'foreign data wrapper': `
    select format('%I', w.fdwname) as object, ${functionName('w.fdwhandler')} as handler,
           ${functionName('w.fdwvalidator')} as validator, ${hashed('w.fdwoptions')} as options,
           ${role('w.fdwowner')} as owner, obj_description(w.oid, 'pg_foreign_data_wrapper') as comment
      from pg_foreign_data_wrapper as w
     where ${notOfAnExtension('pg_foreign_data_wrapper', 'w.oid')} and $1::text[] is not null`,

  'foreign server': `
    select format('%I', s.srvname) as object, quote_ident(w.fdwname) as wrapper, s.srvtype as type, s.srvversion as version,
           ${hashed('s.srvoptions')} as options,
           ${role('s.srvowner')} as owner, obj_description(s.oid, 'pg_foreign_server') as comment
      from pg_foreign_server as s
      join pg_foreign_data_wrapper as w on w.oid = s.srvfdw
     where ${notOfAnExtension('pg_foreign_server', 's.oid')} and $1::text[] is not null`,

  'user mapping': `
    select format('foreign server %I', m.srvname) as parent,
           case m.umuser when 0 then 'public' else m.usename::text end as "user"
      from pg_user_mappings as m
     where $1::text[] is not null`,

  'security label': `
    select format('of %s on %s %s', l.provider, o.type, o.identity) as object,
           regexp_replace(o.type, '^.* column$', 'column') || ' ' || o.identity as parent, l.label
      from pg_seclabel as l
     cross join pg_identify_object(l.classoid, l.objoid, l.objsubid) as o
     cross join pg_identify_object_as_address(l.classoid, l.objoid, l.objsubid) as a
     where coalesce(o.schema, quote_ident(a.object_names[1])) = any (select quote_ident(s) from unnest($1::text[]) as s)
        or o.schema is null and o.type <> 'schema'`,

  extension: `
    select format('%I', e.extname) as object, format('%I', n.nspname) as schema, e.extversion as version
      from pg_extension as e
      join pg_namespace as n on n.oid = e.extnamespace
     where e.extname <> 'plpgsql' and $1::text[] is not null`,

  publication: `
    select format('%I', p.pubname) as object, p.puballtables as all_tables, p.pubviaroot as via_root,
           array_remove(array[case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
                              case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end], null) as operations,
           array(select concat_ws(' ', ${relation},
                                  '(' || (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute as a
                                           where a.attrelid = c.oid and a.attnum = any (r.prattrs)) || ')',
                                  'where ' || pg_get_expr(r.prqual, r.prrelid))
                   from pg_publication_rel as r
                   join pg_class as c on c.oid = r.prrelid
                   join pg_namespace as n on n.oid = c.relnamespace
                  where r.prpubid = p.oid and n.nspname = any ($1) order by 1) as tables,
           array(select n.nspname::text from pg_publication_namespace as s join pg_namespace as n on n.oid = s.pnnspid
                  where s.pnpubid = p.oid and n.nspname = any ($1) order by 1) as schemas,
           ${role('p.pubowner')} as owner, obj_description(p.oid, 'pg_publication') as comment
      from pg_publication as p
     where ${notOfAnExtension('pg_publication', 'p.oid')}`,

  // What nobody was granted by name is granted by default: to the owner, and of functions and types to everybody.
  grant: `
    with granted as (
      select ${relationAsParent} as parent, c.relowner as owner,
             coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's'::"char" else 'r'::"char" end, c.relowner)) as acl
        from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
       where n.nspname = any ($1) and c.relkind in ('r', 'p', 'f', 'v', 'm', 'S') and ${notOfAnExtension('pg_class', 'c.oid')}
      union all
      select format('column %s.%I', ${relation}, a.attname), c.relowner, a.attacl
        from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
        join pg_attribute as a on a.attrelid = c.oid and a.attacl is not null and not a.attisdropped
       where n.nspname = any ($1) and ${notOfAnExtension('pg_class', 'c.oid')}
      union all
      select format('function %I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)), p.proowner,
             coalesce(p.proacl, acldefault('f', p.proowner))
        from pg_proc as p
        join pg_namespace as n on n.oid = p.pronamespace
       where n.nspname = any ($1) and ${notOfAnExtension('pg_proc', 'p.oid')}
      union all
      select ${schemaAsParent}, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
        from pg_namespace as n
       where n.nspname = any ($1)
      union all
      select format('type %I.%I', n.nspname, t.typname), t.typowner, coalesce(t.typacl, acldefault('T', t.typowner))
        from pg_type as t
        join pg_namespace as n on n.oid = t.typnamespace
        left join pg_class as c on c.oid = t.typrelid
       where n.nspname = any ($1) and ${notOfAnExtension('pg_type', 't.oid')}
         and (t.typtype in ('e', 'd', 'r') or c.relkind = 'c'
              or t.typtype = 'b' and not exists (select from pg_type as e where e.typarray = t.oid))
      union all
      select format('language %I', l.lanname), l.lanowner, coalesce(l.lanacl, acldefault('l', l.lanowner))
        from pg_language as l
       where ${made('l.oid')} and ${notOfAnExtension('pg_language', 'l.oid')}
      union all
      select format('foreign data wrapper %I', w.fdwname), w.fdwowner, coalesce(w.fdwacl, acldefault('F', w.fdwowner))
        from pg_foreign_data_wrapper as w
       where ${notOfAnExtension('pg_foreign_data_wrapper', 'w.oid')}
      union all
      select format('foreign server %I', s.srvname), s.srvowner, coalesce(s.srvacl, acldefault('S', s.srvowner))
        from pg_foreign_server as s
       where ${notOfAnExtension('pg_foreign_server', 's.oid')}
      union all
      select 'large objects of ' || ${role('l.lomowner')}, l.lomowner, l.lomacl
        from pg_largeobject_metadata as l
       where l.lomacl is not null)
    select parent, ${role('owner')} as owner, case g.grantee when 0 then 'public' else ${role('g.grantee')} end as grantee,
           ${rights} as privileges
      from granted
     cross join aclexplode(acl) as g
     group by 1, 2, 3`,

  'default privilege': `
    select ${role('d.defaclrole')} as maker, quote_ident(n.nspname) as schema,
           case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types'
                                when 'n' then 'schemas' else 'large objects' end as "on",
           case g.grantee when 0 then 'public' else ${role('g.grantee')} end as grantee,
           ${rights} as privileges
      from pg_default_acl as d
      left join pg_namespace as n on n.oid = d.defaclnamespace
     cross join aclexplode(d.defaclacl) as g
     where d.defaclnamespace = 0 or n.nspname = any ($1)
     group by 1, 2, 3, 4`,

  // There may be millions: counted by owner.
  'large objects': `
    select 'of ' || ${role('lomowner')} as object, ${role('lomowner')} as owner, count(*)::int as count
      from pg_largeobject_metadata
     where $1::text[] is not null
     group by lomowner`,
};

/** The relation of that oid with its kind. */
function relationAsParentOf(oid: string): string {
  return `(select ${relationAsParent} from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where c.oid = ${oid})`;
}

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
