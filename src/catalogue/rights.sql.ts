/** Who may do what: grants, default privileges, and the labels by which a provider decides. */
import { made, notOfAnExtension, relation, relationAsParent, role, schemaAsParent } from './fragments.sql.ts';
import type { Kind } from './kinds.ts';

/** Of the entries `g` of access control lists; who may hand a right on has that as a second one. */
const rights = `array_agg(distinct g.privilege_type)
             || coalesce(array_agg(distinct g.privilege_type || ' with grant option') filter (where g.is_grantable), '{}')`;

export const aboutRights = {
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

  // Where a list for every schema does not name its maker, that may do nothing with what it makes.
  'default privilege': `
    select ${role('d.defaclrole')} as maker, quote_ident(n.nspname) as schema,
           case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types'
                                when 'n' then 'schemas' else 'large objects' end as "on",
           case g.grantee when 0 then 'public' else ${role('g.grantee')} end as grantee,
           ${rights} as privileges,
           case when d.defaclnamespace = 0 and g.grantee = d.defaclrole then array_agg(g.privilege_type) @> array(
             select privilege_type
               from aclexplode(acldefault(case d.defaclobjtype when 'S' then 's' else d.defaclobjtype end, d.defaclrole))
              where grantee = d.defaclrole) end as whole
      from pg_default_acl as d
      left join pg_namespace as n on n.oid = d.defaclnamespace
     cross join lateral (
       select grantee, privilege_type, is_grantable from aclexplode(d.defaclacl)
       union all
       select d.defaclrole, 'nothing', false
        where d.defaclnamespace = 0 and not exists (select from aclexplode(d.defaclacl) where grantee = d.defaclrole)) as g
     where d.defaclnamespace = 0 or n.nspname = any ($1)
     group by 1, 2, 3, 4, d.oid, g.grantee`,

  'security label': `
    select format('of %s on %s %s', l.provider, o.type, o.identity) as object,
           regexp_replace(o.type, '^.* column$', 'column') || ' ' || o.identity as parent, l.label
      from pg_seclabel as l
     cross join pg_identify_object(l.classoid, l.objoid, l.objsubid) as o
     cross join pg_identify_object_as_address(l.classoid, l.objoid, l.objsubid) as a
     where coalesce(o.schema, quote_ident(a.object_names[1])) = any (select quote_ident(s) from unnest($1::text[]) as s)
        or o.schema is null and o.type <> 'schema'`,
} satisfies Partial<Record<Kind, string>>;
