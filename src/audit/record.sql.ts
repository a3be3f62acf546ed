/**
 * audit.events and, where GoTrue records the action too, its own auth.audit_log_entries: one event per statement, or per
 * row of a statement that is a whole change.
 */
import { type SQL, sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';
import type { Occasion } from '../http/caller.ts';
import { nextEventId } from './event-id.ts';
import { type GotrueAction, gotrueActions } from './events.ts';

const NIL_UUID = sql.raw(`'00000000-0000-0000-0000-000000000000'`);

/** The arguments that `recorded` takes in a statement of another room. */
export function occasionArgs({ caller, now, without_gotrue_audit = false }: Occasion) {
  return {
    event_id: nextEventId(),
    now: now.toISOString(),
    ip: caller.ip,
    user_agent: caller.user_agent,
    request_id: caller.request_id,
    method: caller.method,
    path: caller.path,
    gotrue_audit: !without_gotrue_audit,
  };
}

/** How `json_to_recordset` reads `occasionArgs` where a statement is given several. */
export const occasionColumns = sql.raw(
  'event_id uuid, now timestamptz, ip text, user_agent text, request_id text, method text, path text',
);

/** SQL expressions, over `from`, of what a whole-statement change records. */
export interface RecordedColumns {
  action: GotrueAction;
  /** For rows of `auth.audit_log_entries`: the acting user's row. */
  user: SQL;
  session_id: SQL;
  /** GoTrue's `traits`, as jsonb. */
  details?: SQL;
  /** Our own particulars, as jsonb; members that are null are left out. */
  remarks?: SQL;
  /** Where each row has an occasion of its own: what has `occasionColumns`. Else the statement's arguments say it. */
  occasion?: SQL;
}

/**
 * The audit row of a change that is one statement: two common table expressions for its `with` list, one event per row
 * of `from`. The statement takes `occasionArgs`; of those only `gotrue_audit` where each row has its own occasion.
 */
export function recorded(from: SQL, columns: RecordedColumns): SQL {
  const { action, user, session_id, details, remarks, occasion } = columns;
  const name = sql.raw(`'${action}'`);
  const given = (column: string, type: string) =>
    sql`${occasion ? sql`${occasion}.${sql.raw(column)}` : arg(column)}::${sql.raw(type)}`;
  return sql`
    event as (
      insert into audit.events (id, occurred_at, action, outcome, actor_id, actor_role, subject_id, session_id,
                                ip, user_agent, request_id, method, path, details)
      select ${given('event_id', 'uuid')}, ${given('now', 'timestamptz')}, ${name}, 'success', ${user}.id, ${user}.role,
             ${user}.id, ${session_id}, ${given('ip', 'inet')}, ${given('user_agent', 'text')},
             ${given('request_id', 'text')}, ${given('method', 'text')}, ${given('path', 'text')},
             ${details ?? sql`'{}'::jsonb`} || jsonb_strip_nulls(${remarks ?? sql`'{}'::jsonb`})
        from ${from}),
    entry as (
      insert into auth.audit_log_entries (instance_id, id, payload, created_at, ip_address)
      select ${NIL_UUID}, ${given('event_id', 'uuid')},
             json_strip_nulls(json_build_object(
               'action', ${name}, 'actor_id', ${user}.id,
               'actor_name', ${user}.raw_user_meta_data ->> 'full_name',
               'actor_username', coalesce(nullif(${user}.phone, ''), ${user}.email, ''),
               'actor_via_sso', ${user}.is_sso_user, 'log_type', ${sql.raw(`'${gotrueActions[action]}'`)},
               'traits', ${details ?? sql`null::jsonb`})),
             ${given('now', 'timestamptz')}, coalesce(${given('ip', 'text')}, '')
        from ${from} where ${arg('gotrue_audit')}::boolean)`;
}

export const insertEvent = statement<Record<string, unknown>, never>(
  'record_event',
  sql`
  with entry as (
    insert into auth.audit_log_entries (instance_id, id, payload, created_at, ip_address)
    select ${NIL_UUID}, ${arg('event_id')}::uuid, ${arg('payload')}::json, ${arg('now')}::timestamptz,
           coalesce(${arg('ip')}::text, '')
     where ${arg('payload')}::json is not null)
  insert into audit.events (id, occurred_at, action, outcome, error_code, reason, actor_id, actor_role, actor_name,
                            subject_id, session_id, ip, user_agent, request_id, method, path, details)
  values (${arg('event_id')}::uuid, ${arg('now')}::timestamptz, ${arg('action')}::text, ${arg('outcome')}::text,
          ${arg('error_code')}::text, ${arg('reason')}::text, ${arg('actor_id')}::uuid, ${arg('actor_role')}::text,
          ${arg('actor_name')}::text, ${arg('subject_id')}::uuid, ${arg('session_id')}::uuid, ${arg('ip')}::inet,
          ${arg('user_agent')}::text, ${arg('request_id')}::text, ${arg('method')}::text, ${arg('path')}::text,
          ${arg('details')}::jsonb)`,
);
