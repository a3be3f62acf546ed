/** What rows are kept in, and what acts on them: tables and views with their columns, constraints, indexes, policies, triggers. */
import {
  hashed,
  notOfAnExtension,
  on,
  qualified,
  relation,
  relationAsParent,
  relationAsParentOf,
  role,
  schemaAsParent,
  sorted,
} from './fragments.sql.ts';
import type { Kind } from './kinds.ts';

export const aboutRelations = {
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
           array(
             select format('%I.%I', pn.nspname, p.relname)
               from pg_inherits as h
               join pg_class as p on p.oid = h.inhparent
               join pg_namespace as pn on pn.oid = p.relnamespace
              where h.inhrelid = c.oid and not c.relispartition
              order by h.inhseqno) as inherits,
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
           case when a.attinhcount > 0 and not c.relispartition then a.attislocal end as own,
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
           case when o.contype = 'c' and o.coninhcount > 0 and not c.relispartition then o.conislocal end as own,
           (select format('%I.%I', fn.nspname, f.relname)
              from pg_class as f join pg_namespace as fn on fn.oid = f.relnamespace
             where f.oid = o.confrelid) as "references",
           (select x.indisclustered from pg_index as x where x.indexrelid = o.conindid and o.contype in ('p', 'u', 'x')) as clustered,
           (select ${sorted('i.reloptions')} from pg_class as i where i.oid = o.conindid and o.contype in ('p', 'u', 'x')) as index_options,
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

  rule: `
    select ${on('r.rulename')} as object, ${relationAsParent} as parent, pg_get_ruledef(r.oid) as definition,
           case r.ev_enabled when 'O' then 'enabled' when 'D' then 'disabled' when 'R' then 'replica' else 'always' end as enabled,
           obj_description(r.oid, 'pg_rewrite') as comment
      from pg_rewrite as r
      join pg_class as c on c.oid = r.ev_class
      join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = any ($1) and r.rulename <> '_RETURN' and ${notOfAnExtension('pg_class', 'c.oid')}`,

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

  statistics: `
    select format('%I.%I', n.nspname, s.stxname) as object, ${relationAsParentOf('s.stxrelid')} as parent,
           pg_get_statisticsobjdef(s.oid) as definition, nullif((to_jsonb(s) ->> 'stxstattarget')::int, -1) as target,
           ${role('s.stxowner')} as owner,
           obj_description(s.oid, 'pg_statistic_ext') as comment
      from pg_statistic_ext as s
      join pg_namespace as n on n.oid = s.stxnamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_statistic_ext', 's.oid')}`,
} satisfies Partial<Record<Kind, string>>;
