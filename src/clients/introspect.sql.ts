/** What one introspection asks of the database and changes in it: one statement. */
import { sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';
import { askingClient, type FoundClient } from './clients.sql.ts';

/** Where no client is let in, what follows is of nobody. */
export interface Introspected extends FoundClient {
  /** Why the token is not active, for the record. */
  inactive: string | null;
  role: string | null;
  email: string | null;
  phone: string | null;
}

/**
 * The client by its id and the SHA-256 of its secret, the user of the token and whether the session is there and the
 * user's own. Only for a client that is let in is any of it looked up, and then it is on record.
 */
export const introspectToken = statement<Record<string, unknown>, Introspected>(
  'introspect_token',
  sql`
  with ${askingClient},
  person as (
    select u.id, u.aud, u.role, u.email, u.phone, u.banned_until > ${arg('now')}::timestamptz as banned
      from asking join auth.users as u on u.id = ${arg('user_id')}::uuid and u.deleted_at is null),
  session as (
    select s.id from person join auth.sessions as s on s.id = ${arg('session_id')}::uuid and s.user_id = person.id),
  verdict as (
    select case
             when ${arg('complaint')}::text is not null then ${arg('complaint')}::text
             when not exists (select from person) then 'no such user'
             when not exists (select from session) then 'no such session of the user'
             when exists (select from person where banned) then 'the user is banned'
             when not exists (select from person where aud = any (${arg('audiences')}::text[])) then 'another audience'
           end as inactive),
  event as (
    insert into audit.events (id, occurred_at, action, outcome, reason, actor_id, actor_role, actor_name, subject_id,
                              session_id, ip, user_agent, request_id, method, path, details)
    select ${arg('event_id')}::uuid, ${arg('now')}::timestamptz, 'token_introspected', 'success', inactive, asking.id,
           'client', asking.name, ${arg('user_id')}::uuid, ${arg('session_id')}::uuid, ${arg('ip')}::inet,
           ${arg('user_agent')}::text, ${arg('request_id')}::text, ${arg('method')}::text, ${arg('path')}::text,
           jsonb_build_object('active', inactive is null)
      from asking cross join verdict)
  select client.id as client_id, client.matches, client.disabled, verdict.inactive, person.role, person.email,
         person.phone
    from verdict
    left join client on true
    left join person on true`,
);
