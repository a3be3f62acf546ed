/** What one revocation asks of the database and changes in it: one statement. */
import { sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';
import { askingClient, type FoundClient } from './clients.sql.ts';

/** Ends the session, of this user where one is named, if the client is let in; then it is on record, ended or not. */
export const revokeSession = statement<Record<string, unknown>, FoundClient>(
  'revoke_session',
  sql`
  with ${askingClient},
  ended as (
    delete from auth.sessions as s using asking
     where s.id = ${arg('session_id')}::uuid and ${arg('complaint')}::text is null
       and s.user_id = coalesce(${arg('user_id')}::uuid, s.user_id)
    returning s.user_id),
  event as (
    insert into audit.events (id, occurred_at, action, outcome, reason, actor_id, actor_role, actor_name, subject_id,
                              session_id, ip, user_agent, request_id, method, path, details)
    select ${arg('event_id')}::uuid, ${arg('now')}::timestamptz, 'token_revoked', 'success',
           case when ended.user_id is null then coalesce(${arg('complaint')}::text, 'no such session') end,
           asking.id, 'client', asking.name, coalesce(ended.user_id, ${arg('user_id')}::uuid),
           ${arg('session_id')}::uuid, ${arg('ip')}::inet, ${arg('user_agent')}::text, ${arg('request_id')}::text,
           ${arg('method')}::text, ${arg('path')}::text, jsonb_build_object('ended', ended.user_id is not null)
      from asking left join ended on true)
  select client.id as client_id, client.matches, client.disabled
    from (values (1)) as one (row) left join client on true`,
);
