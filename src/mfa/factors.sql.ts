/** auth.mfa_factors and auth.webauthn_credentials, with what hangs on them. */
import { sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';

/** Sets what is given of a factor of the user. No row where the user has none of this id. */
export const updateFactor = statement<
  { user_id: string; factor_id: string; friendly_name: string | undefined; phone: string | undefined; now: string },
  { id: string }
>(
  'update_factor',
  sql`
  update auth.mfa_factors
     set friendly_name = coalesce(${arg('friendly_name')}::text, friendly_name),
         phone = coalesce(${arg('phone')}::text, phone), updated_at = ${arg('now')}::timestamptz
   where id = ${arg('factor_id')}::uuid and user_id = ${arg('user_id')}::uuid
  returning id`,
);

/**
 * Removes a factor of the user; sessions that it raised fall back to aal1 and lose the method, as in GoTrue (contract §4.5).
 * No row where the user has none of this id.
 */
export const deleteFactor = statement<{ user_id: string; factor_id: string }, { id: string }>(
  'delete_factor',
  sql`
  with gone as (
    delete from auth.mfa_factors
     where id = ${arg('factor_id')}::uuid and user_id = ${arg('user_id')}::uuid
    returning id, user_id, factor_type),
  lowered as (
    update auth.sessions as s
       set aal = 'aal1', factor_id = null
      from gone
     where s.user_id = gone.user_id and s.factor_id = gone.id
    returning s.id),
  method as (
    delete from auth.mfa_amr_claims as c
     using lowered, gone
     where c.session_id = lowered.id
       and c.authentication_method = case gone.factor_type when 'totp' then 'totp'
                                                           else 'mfa/' || gone.factor_type end)
  select id from gone`,
);

export interface Passkey {
  id: string;
  friendly_name: string;
  created_at: string;
  last_used_at: string | null;
}

export const listPasskeys = statement<{ user_id: string }, Passkey>(
  'list_passkeys',
  sql`
  select id, friendly_name, created_at, last_used_at
    from auth.webauthn_credentials
   where user_id = ${arg('user_id')}::uuid
   order by created_at, id`,
);

/** No row where the user has none of this id. */
export const deletePasskey = statement<{ user_id: string; passkey_id: string }, { id: string }>(
  'delete_passkey',
  sql`
  delete from auth.webauthn_credentials
   where id = ${arg('passkey_id')}::uuid and user_id = ${arg('user_id')}::uuid
  returning id`,
);
