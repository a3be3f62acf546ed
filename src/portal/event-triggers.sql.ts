/** Event triggers of the portal: those that call a function of its schemas. Supabase's own call others. */
import type pg from 'pg';
import type { Address } from './objects.sql.ts';

export interface PortalEventTrigger extends Address {
  name: string;
}

export async function listEventTriggers(
  client: pg.ClientBase,
  schemas: readonly string[],
): Promise<PortalEventTrigger[]> {
  const { rows } = await client.query<PortalEventTrigger>(
    `select t.evtname::text as name, 'pg_event_trigger'::regclass::oid::bigint::float8 as classid, t.oid::bigint::float8 as objid
       from pg_event_trigger as t
       join pg_proc as f on f.oid = t.evtfoid
       join pg_namespace as n on n.oid = f.pronamespace
      where n.nspname = any ($1)
        and not exists (select from pg_depend
                         where classid = 'pg_event_trigger'::regclass and objid = t.oid and deptype = 'e')
      order by 1`,
    [schemas],
  );
  return rows;
}
