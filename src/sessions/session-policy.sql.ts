/** When a session may not be refreshed: written once, as SQL, so that times are compared where they are stored. */
import type { Settings } from '../config.ts';
import { type SQL, sql } from '../db/drizzle.ts';
import { arg } from '../db/statement.ts';

/** Why a session may not go on. */
export type SessionVerdict = 'session_not_found' | 'user_banned' | 'expired' | 'inactive' | 'low_aal' | 'superseded';

/** The time a session was last used. `refreshed_at` has no time zone: GoTrue writes UTC (contract §6.2). */
export const lastUsed = (s: SQL) => sql`coalesce(${s}.refreshed_at at time zone 'utc', ${s}.created_at)`;

const methodsOf = (s: SQL) => sql`
  exists (select from auth.mfa_amr_claims as c
           where c.session_id = ${s}.id and c.authentication_method in ('totp', 'mfa/phone', 'mfa/webauthn'))`;

const ended = (s: SQL) => sql`${s}.not_after <= ${arg('now')}::timestamptz`;

/** Past its end, its timebox or its inactivity limit (contract §4.4). */
const expired = (s: SQL) => sql`(
  ${ended(s)}
  or ${s}.created_at + make_interval(secs => ${arg('timebox')}::float8) <= ${arg('now')}::timestamptz)`;

const inactive = (s: SQL) => sql`
  ${lastUsed(s)} + make_interval(secs => ${arg('inactivity_timeout')}::float8) <= ${arg('now')}::timestamptz`;

/**
 * A `SessionVerdict`, or null while the session `s` of the user `u` may be refreshed. GoTrue's order: a ban before the
 * policy, the policy before reuse (contract appendix C, "Refresh"). Takes `policyArgs` and `now`.
 */
export const sessionVerdict = sql`
  case
    when u.deleted_at is not null then 'session_not_found'
    when u.banned_until > ${arg('now')}::timestamptz then 'user_banned'
    when ${expired(sql`s`)} then 'expired'
    when ${inactive(sql`s`)} then 'inactive'
    when s.created_at + make_interval(secs => ${arg('allow_low_aal')}::float8) <= ${arg('now')}::timestamptz
         and exists (select from auth.mfa_factors as f where f.user_id = u.id and f.status = 'verified')
         and not ${methodsOf(sql`s`)} then 'low_aal'
    when ${arg('single_per_user')}::boolean
         and exists (select from auth.sessions as o
                      where o.user_id = s.user_id and o.id <> s.id and o.tag is not distinct from s.tag
                        and ${lastUsed(sql`o`)} > ${lastUsed(sql`s`)}
                        and ${expired(sql`o`)} is not true and (${inactive(sql`o`)}) is not true) then 'superseded'
  end`;

/**
 * Whether the session `s` of the user `u` may be refreshed where `hasPolicy` is false: `sessionVerdict` is null there in the
 * same cases. Takes `now`.
 */
export const mayGoOn = sql`(
  u.deleted_at is null
  and (u.banned_until > ${arg('now')}::timestamptz) is not true
  and (${ended(sql`s`)}) is not true)`;

/** Whether the settings end sessions that have no end of their own. */
export function hasPolicy({ timebox, inactivity_timeout, allow_low_aal, single_per_user }: PolicyArgs): boolean {
  return timebox !== null || inactivity_timeout !== null || allow_low_aal !== null || single_per_user;
}

export type PolicyArgs = ReturnType<typeof policyArgs>;

export function policyArgs(settings: Settings) {
  return {
    timebox: settings.sessions_timebox,
    inactivity_timeout: settings.sessions_inactivity_timeout,
    allow_low_aal: settings.sessions_allow_low_aal,
    single_per_user: settings.sessions_single_per_user,
  };
}

/** The methods of a session as the `amr` claim lists them, newest first (contract §4.1). */
export const amrOf = (session_id: SQL) => sql`
  coalesce((select json_agg(json_build_object('method', c.authentication_method,
                                              'timestamp', floor(extract(epoch from c.updated_at)))
                            order by c.updated_at desc)
              from auth.mfa_amr_claims as c where c.session_id = ${session_id}), '[]')`;
