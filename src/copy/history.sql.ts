/** Supabase Auth's old audit entries, which become history in audit.events: what happened before, marked as brought along. */
import type pg from 'pg';

/** Whether the source has entries that its role may read. */
export async function hasHistory(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(
    `select coalesce(has_table_privilege(to_regclass('auth.audit_log_entries'), 'select'), false) as there`,
  );
  return rows[0]?.there ?? false;
}

const UUID = `'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'`;

/** How entries come to stand aside at the target, until the transaction ends. */
export const copyHistory = {
  make: 'create temporary table old_entries (id uuid, payload json, created_at timestamptz, ip_address text) on commit drop',
  read: 'copy (select id, payload, created_at, ip_address from auth.audit_log_entries where created_at is not null) to stdout',
  write: 'copy old_entries from stdin',
};

/**
 * Takes in the entries that stand aside, each under its own id and at its own time, and resolves to how many are new. Those
 * that are here already stay as they are.
 */
export async function takeInHistory(target: pg.ClientBase, run_id: string): Promise<number> {
  await makeReaders(target);
  const { rowCount } = await target.query(
    `insert into audit.events (id, occurred_at, action, outcome, actor_id, actor_name, subject_id, ip, details)
     select id, created_at, coalesce(nullif(p ->> 'action', ''), 'unknown'), 'success',
            case when p ->> 'actor_id' ~* ${UUID} then (p ->> 'actor_id')::uuid end,
            nullif(p ->> 'actor_username', ''),
            case when p #>> '{traits,user_id}' ~* ${UUID} then (p #>> '{traits,user_id}')::uuid
                 when p ->> 'actor_id' ~* ${UUID} then (p ->> 'actor_id')::uuid end,
            case when pg_temp.is_address(ip_address) then ip_address::inet end,
            jsonb_strip_nulls(jsonb_build_object(
              'imported_from', 'auth.audit_log_entries', 'run_id', $1::text, 'log_type', p -> 'log_type',
              'actor_name', nullif(p ->> 'actor_name', ''), 'actor_via_sso', p -> 'actor_via_sso', 'traits', p -> 'traits',
              'unread', p -> 'unread'))
       from (select id, created_at, ip_address, pg_temp.as_object(payload) as p from old_entries offset 0) as entry
         on conflict do nothing`,
    [run_id],
  );
  return rowCount ?? 0;
}

/**
 * For this session: whether a text is an address, since the old column holds whatever a proxy said; and what an entry says,
 * since json may hold what jsonb does not (NUL, half of a surrogate pair, numbers without end), which stays as text.
 */
async function makeReaders(target: pg.ClientBase): Promise<void> {
  await target.query(
    `create or replace function pg_temp.as_object(payload json) returns jsonb language plpgsql immutable as $$
     begin
       return case when json_typeof(payload) = 'object' then replace(payload::text, '\\u0000', '')::jsonb else '{}' end;
     exception when others then
       return jsonb_build_object('unread', payload::text);
     end $$;
     create or replace function pg_temp.is_address(candidate text) returns boolean language plpgsql immutable as $$
     begin
       return candidate <> '' and candidate::inet is not null;
     exception when others then
       return false;
     end $$`,
  );
}
