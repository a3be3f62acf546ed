/** auth.flow_state, as far as it belongs to the links of our mails. */
import { sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';
import type { FlowMethod } from './pkce.ts';

export const insertFlowState = statement<Record<string, unknown>, never>(
  'insert_flow_state',
  sql`
  insert into auth.flow_state (id, user_id, auth_code, code_challenge_method, code_challenge, provider_type,
                               provider_access_token, provider_refresh_token, authentication_method,
                               created_at, updated_at)
  values (${arg('id')}::uuid, ${arg('user_id')}::uuid, ${arg('auth_code')}::text,
          ${arg('code_challenge_method')}::auth.code_challenge_method, ${arg('code_challenge')}::text,
          ${arg('provider_type')}::text, '', '', ${arg('authentication_method')}::text,
          ${arg('now')}::timestamptz, ${arg('now')}::timestamptz)`,
);

/** The code of the newest flow of this kind, handed out from now on. No row where there is none. */
export const issueFlowCode = statement<
  { user_id: string; authentication_method: string; now: string },
  { auth_code: string }
>(
  'issue_flow_code',
  sql`
  update auth.flow_state
     set auth_code_issued_at = ${arg('now')}::timestamptz, updated_at = ${arg('now')}::timestamptz
   where id = (select id from auth.flow_state
                where user_id = ${arg('user_id')}::uuid and authentication_method = ${arg('authentication_method')}::text
                  and auth_code is not null
                order by created_at desc
                limit 1)
  returning auth_code`,
);

/** A flow whose code was handed out by the click on a mail link. */
export interface IssuedFlow {
  id: string;
  user_id: string;
  code_challenge: string;
  code_challenge_method: 's256' | 'plain';
  provider_type: string;
  authentication_method: FlowMethod;
  created_at: string;
  auth_code_issued_at: string;
}

/** The flow of a code. No row where the link has not been clicked: until then the code is worth nothing. */
export const findFlow = statement<{ auth_code: string }, IssuedFlow>(
  'find_flow',
  sql`
  select id, user_id, code_challenge, code_challenge_method, provider_type, authentication_method, created_at,
         auth_code_issued_at
    from auth.flow_state
   where auth_code = ${arg('auth_code')}::text and auth_code_issued_at is not null and user_id is not null
     and code_challenge is not null and created_at is not null`,
);

/** Takes back what a user's links have led to and nobody has exchanged yet. */
export const endFlows = statement<{ user_id: string }, never>(
  'end_flows',
  sql`delete from auth.flow_state where user_id = ${arg('user_id')}::uuid`,
);

/** Removes flows that nobody can finish any more: the links of their mails are dead, and their codes too. */
export const deleteOldFlows = statement<{ begun_before: string }, never>(
  'delete_old_flows',
  sql`
  delete from auth.flow_state
   where id in (select id from auth.flow_state
                 where created_at < ${arg('begun_before')}::timestamptz
                 limit 10000
                   for update skip locked)`,
);

/** Uses a flow up. A row for whoever comes first. */
export const deleteFlow = statement<{ id: string }, { id: string }>(
  'delete_flow',
  sql`delete from auth.flow_state where id = ${arg('id')}::uuid returning id`,
);
