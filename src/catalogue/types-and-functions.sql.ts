/** What expressions are made of: types, functions and operators, and what PostgreSQL does with them. */
import { functionName, made, notOfAnExtension, qualified, role, schemaAsParent, sorted } from './fragments.sql.ts';
import type { Kind } from './kinds.ts';

/** The operators and functions of an operator family that are told by a condition on their place in the catalogue. */
const membersOf = (family: string, which: (catalogue: string, oid: string) => string) => `
           array(select concat_ws(' ', p.amopstrategy, p.amopopr::regoperator, case p.amoppurpose when 'o' then 'for order by' end)
                   from pg_amop as p where p.amopfamily = ${family} and ${which('pg_amop', 'p.oid')} order by 1)
             || array(select format('%s (%s, %s) %s', f.amprocnum, format_type(f.amproclefttype, null), format_type(f.amprocrighttype, null), f.amproc::regprocedure)
                        from pg_amproc as f where f.amprocfamily = ${family} and ${which('pg_amproc', 'f.oid')} order by 1)`;
const ofClass = (catalogue: string, oid: string) =>
  `select from pg_depend as d where d.classid = '${catalogue}'::regclass and d.objid = ${oid} and d.refclassid = 'pg_opclass'::regclass`;

export const aboutTypesAndFunctions = {
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
                       where a.attrelid = t.typrelid and col_description(t.typrelid, a.attnum) is not null order by 1) as comments_inside,
           ${role('m.typowner')} as multirange_owner, obj_description(m.oid, 'pg_type') as multirange_comment
      from pg_type as t
      join pg_namespace as n on n.oid = t.typnamespace
      left join pg_type as b on b.oid = t.typbasetype
      left join pg_range as g on g.rngtypid = t.oid
      left join pg_type as m on m.oid = g.rngmultitypid
      left join pg_class as c on c.oid = t.typrelid
     where n.nspname = any ($1) and ${notOfAnExtension('pg_type', 't.oid')}
       and (t.typtype in ('e', 'd', 'r') or t.typtype = 'c' and c.relkind = 'c'
            or t.typtype = 'b' and not exists (select from pg_type as e where e.typarray = t.oid))`,

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
           (select array[a.aggkind::text, a.aggnumdirectargs::text, a.aggtransfn::regprocedure::text,
                         format_type(a.aggtranstype, null), a.aggtransspace::text, a.agginitval,
                         ${functionName('a.aggfinalfn')}, a.aggfinalextra::text, a.aggfinalmodify::text,
                         ${functionName('a.aggcombinefn')}, ${functionName('a.aggserialfn')}, ${functionName('a.aggdeserialfn')},
                         ${functionName('a.aggmtransfn')}, ${functionName('a.aggminvtransfn')},
                         format_type(nullif(a.aggmtranstype, 0), null), a.aggmtransspace::text, a.aggminitval,
                         ${functionName('a.aggmfinalfn')}, a.aggmfinalextra::text, a.aggmfinalmodify::text,
                         nullif(a.aggsortop, 0)::regoperator::text]
              from pg_aggregate as a where a.aggfnoid = p.oid) as aggregate,
           ${role('p.proowner')} as owner, obj_description(p.oid, 'pg_proc') as comment
      from pg_proc as p
      join pg_namespace as n on n.oid = p.pronamespace
      join pg_language as l on l.oid = p.prolang
     where n.nspname = any ($1) and ${notOfAnExtension('pg_proc', 'p.oid')}`,

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
} satisfies Partial<Record<Kind, string>>;
