/** What a database has as a whole: its schemas, its extensions, what it publishes, what it reaches on other servers. */
import { functionName, hashed, notOfAnExtension, relation, role } from './fragments.sql.ts';
import type { Kind } from './kinds.ts';

export const aboutDatabase = {
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

  'event trigger': `
    select format('%I', t.evtname) as object, t.evtevent::text as event, t.evttags as tags,
           case t.evtenabled when 'O' then 'enabled' when 'D' then 'disabled' when 'R' then 'replica' else 'always' end as enabled,
           t.evtfoid::regprocedure::text as function, ${role('t.evtowner')} as owner,
           obj_description(t.oid, 'pg_event_trigger') as comment
      from pg_event_trigger as t
      join pg_proc as f on f.oid = t.evtfoid
      join pg_namespace as n on n.oid = f.pronamespace
     where n.nspname = any ($1) and ${notOfAnExtension('pg_event_trigger', 't.oid')}`,

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

  // There may be millions: counted by owner.
  'large objects': `
    select 'of ' || ${role('lomowner')} as object, ${role('lomowner')} as owner, count(*)::int as count
      from pg_largeobject_metadata
     where $1::text[] is not null
     group by lomowner`,
} satisfies Partial<Record<Kind, string>>;
