/** auth.flow_state, as far as it belongs to the links of our mails. */
import { sql } from 'drizzle-orm';
import { arg, statement } from '../db/statement.ts';

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
