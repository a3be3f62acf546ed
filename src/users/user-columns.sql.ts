/** What every query that answers with a user selects: `UserRow`, in one place. */
import { type SQL, sql } from '../db/drizzle.ts';

/** The instance id that GoTrue writes and filters on everywhere (contract §6.1). */
export const INSTANCE_ID = sql.raw(`'00000000-0000-0000-0000-000000000000'`);

/** RFC 3339 in UTC inside a JSON aggregate, where the connection's type parsers do not reach. */
const time = (column: string) => sql.raw(`replace(to_json(${column}) #>> '{}', '+00:00', 'Z')`);

/** The columns of `UserRow` that are the row's own, of the user that is called `u` in the query. */
export function ownColumns(u: SQL): SQL {
  return sql`
    ${u}.id, ${u}.aud, ${u}.role, ${u}.email, ${u}.encrypted_password, ${u}.email_confirmed_at, ${u}.invited_at,
    ${u}.phone, ${u}.phone_confirmed_at, ${u}.confirmation_sent_at, ${u}.confirmed_at, ${u}.recovery_sent_at,
    ${u}.email_change, ${u}.email_change_sent_at, ${u}.email_change_confirm_status,
    ${u}.phone_change, ${u}.phone_change_sent_at, ${u}.reauthentication_sent_at, ${u}.last_sign_in_at,
    ${u}.raw_app_meta_data, ${u}.raw_user_meta_data, ${u}.created_at, ${u}.updated_at, ${u}.banned_until,
    ${u}.deleted_at, ${u}.is_sso_user, ${u}.is_anonymous`;
}

/** The columns of `UserRow` of the user that is called `u` in the query. */
export function userColumns(u: SQL): SQL {
  return sql`
    ${ownColumns(u)},
    coalesce((select json_agg(json_build_object(
                'identity_id', i.id, 'id', i.provider_id, 'user_id', i.user_id, 'identity_data', i.identity_data,
                'provider', i.provider, 'last_sign_in_at', ${time('i.last_sign_in_at')},
                'created_at', ${time('i.created_at')}, 'updated_at', ${time('i.updated_at')}, 'email', i.email)
                order by i.created_at, i.provider)
                from auth.identities as i where i.user_id = ${u}.id), '[]') as identities,
    coalesce((select json_agg(json_build_object(
                'id', f.id, 'created_at', ${time('f.created_at')}, 'updated_at', ${time('f.updated_at')},
                'status', f.status, 'friendly_name', f.friendly_name, 'factor_type', f.factor_type,
                'phone', coalesce(f.phone, ''), 'last_challenged_at', ${time('f.last_challenged_at')})
                order by f.created_at)
                from auth.mfa_factors as f where f.user_id = ${u}.id), '[]') as factors`;
}
