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
