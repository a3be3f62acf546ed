/** auth.sessions with the rows that live and die with it: auth.mfa_amr_claims, auth.refresh_tokens. */
import { recorded } from '../audit/record.sql.ts';
import type { Tx } from '../db/database.ts';
import { type SQL, sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';
import type { UserRow } from '../users/user.ts';
import { userColumns, userStatement } from '../users/user-columns.sql.ts';
import { amrOf, lastUsed, type SessionVerdict, sessionVerdict } from './session-policy.sql.ts';

/** One entry of the `amr` claim. `timestamp` is Unix seconds. */
export interface AuthenticationMethod {
  method: string;
  timestamp: number;
}

/** A user with the session that was found, started or refreshed. */
export type SessionRow = UserRow & {
  session_id: string;
  refresh_token_counter: number;
  refresh_token_hmac_key: string | null;
  session_created_at: string;
  amr: AuthenticationMethod[];
};

/** What starts a session; the statement is `insertSession`'s and the sign-in's. */
export interface NewSession extends Record<string, unknown> {
  session_id: string;
  amr_id: string;
  user_id: string;
  authentication_method: string;
  now: string;
  user_agent: string | undefined;
  ip: string;
}

/**
 * Common table expressions `session` and `method` for the row of `person`, a user in the statement: a session and how it
 * came about. The key of its refresh tokens is derived, not stored, so `refresh_token_hmac_key` stays null (DESIGN §1.4).
 */
export const sessionOf = (person: SQL): SQL => sql`
  session as (
    insert into auth.sessions (id, user_id, created_at, updated_at, aal, user_agent, ip, refresh_token_counter)
    select ${arg('session_id')}::uuid, ${person}.id, ${arg('now')}::timestamptz, ${arg('now')}::timestamptz,
           'aal1', ${arg('user_agent')}::text, ${arg('ip')}::inet, 0
      from ${person}),
  method as (
    insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
    select ${arg('amr_id')}::uuid, ${arg('session_id')}::uuid, ${arg('now')}::timestamptz, ${arg('now')}::timestamptz,
           ${arg('authentication_method')}::text
      from ${person})`;

/** Selects the `SessionRow` of a session that the same statement starts for `person`. */
export const startedSession = (person: SQL): SQL => sql`
  select ${arg('session_id')}::uuid as session_id, 0 as refresh_token_counter, null as refresh_token_hmac_key,
         ${arg('now')}::timestamptz as session_created_at,
         json_build_array(json_build_object('method', ${arg('authentication_method')}::text,
                                            'timestamp', floor(extract(epoch from ${arg('now')}::timestamptz)))) as amr,
         ${userColumns(person)}
    from ${person}`;

/** A session of the user, with its first method, and the time of the user's last sign-in. */
export const insertSession = userStatement<NewSession, SessionRow>(
  'insert_session',
  startedSession(sql`person`),
  sql`
  person as (
    update auth.users set last_sign_in_at = ${arg('now')}::timestamptz, updated_at = ${arg('now')}::timestamptz
     where id = ${arg('user_id')}::uuid
    returning *),
  ${sessionOf(sql`person`)}`,
);

/** The stored key of a session that came from Supabase; undefined when its key is derived or it is gone. */
export const findStoredKey = statement<{ session_id: string }, { refresh_token_hmac_key: string }>(
  'find_stored_refresh_token_key',
  sql`
  select refresh_token_hmac_key from auth.sessions
   where id = ${arg('session_id')}::uuid and refresh_token_hmac_key is not null`,
);

export type LockedSession = SessionRow & {
  verdict: SessionVerdict | null;
  /** The current refresh token was made less than the reuse interval ago. */
  within_reuse_interval: boolean;
  oauth_client_id: string | null;
};

/**
 * A session with its user, locked against a concurrent rotation. The interval counts from the rotation: a replay does
 * not move `refreshed_at`, so it forgives nothing (contract appendix C, "Refresh", *fix*).
 */
export const lockSession = userStatement<Record<string, unknown>, LockedSession>(
  'lock_session',
  sql`
  select s.id as session_id, coalesce(s.refresh_token_counter, 0) as refresh_token_counter, s.refresh_token_hmac_key,
         s.created_at as session_created_at, s.oauth_client_id, ${sessionVerdict} as verdict,
         coalesce(s.refreshed_at at time zone 'utc' + make_interval(secs => ${arg('reuse_interval')}::float8)
                  > ${arg('now')}::timestamptz, false) as within_reuse_interval,
         ${amrOf(sql`s.id`)} as amr, ${userColumns(sql`u`)}
    from auth.sessions as s
    join auth.users as u on u.id = s.user_id
   where s.id = ${arg('session_id')}::uuid
     for no key update of s`,
);

export const deleteSession = statement<{ session_id: string }, never>(
  'delete_session',
  sql`delete from auth.sessions where id = ${arg('session_id')}::uuid`,
);

export interface LegacyToken {
  id: number;
  session_id: string | null;
  /** Position from the newest token of its session: 0 is the newest, 1 its parent. */
  age: number;
  /** It was revoked less than the reuse interval ago. */
  within_reuse_interval: boolean;
  revoked: boolean;
  /** The session has been moved to counter tokens already. */
  upgraded: boolean;
}

/**
 * A legacy refresh token by its SHA-256, as it is kept here, or in clear, as GoTrue keeps it in a database that was
 * adopted. Its length is checked before, so that the hash of a token is never taken for a token.
 */
export const findLegacyToken = statement<Record<string, unknown>, LegacyToken>(
  'find_legacy_refresh_token',
  sql`
  select t.id, t.session_id, coalesce(t.revoked, false) as revoked,
         (select count(*)::int from auth.refresh_tokens as n where n.session_id = t.session_id and n.id > t.id) as age,
         coalesce(t.updated_at + make_interval(secs => ${arg('reuse_interval')}::float8) > ${arg('now')}::timestamptz,
                  false) as within_reuse_interval,
         s.refresh_token_counter is not null as upgraded
    from auth.refresh_tokens as t
    left join auth.sessions as s on s.id = t.session_id
   where t.token in (${arg('token_sha256')}::text, ${arg('token')}::text)`,
);

/** Ends every legacy token of the session and starts its counter: from here on its refresh tokens are v2. */
export const upgradeToCounter = statement<Record<string, unknown>, never>(
  'upgrade_session_to_counter',
  sql`
  with ended as (
    update auth.refresh_tokens set revoked = true, updated_at = ${arg('now')}::timestamptz
     where session_id = ${arg('session_id')}::uuid and revoked is not true)
  update auth.sessions
     set refresh_token_counter = 0, refreshed_at = ${arg('now')}::timestamptz at time zone 'utc',
         updated_at = ${arg('now')}::timestamptz, user_agent = ${arg('user_agent')}::text, ip = ${arg('ip')}::inet
   where id = ${arg('session_id')}::uuid`,
);

/** Removes a token row from the time before sessions, which no session can be made from. */
export const deleteLegacyToken = statement<{ id: number }, never>(
  'delete_legacy_refresh_token',
  sql`delete from auth.refresh_tokens where id = ${arg('id')}::bigint`,
);

/** Signs out: ends sessions of a user by GoTrue's scopes, with the event. */
export const deleteSessionsByScope = statement<Record<string, unknown>, never>(
  'delete_sessions_by_scope',
  sql`
  with person as (
    select * from auth.users where id = ${arg('user_id')}::uuid),
  ended as (
    delete from auth.sessions
     where user_id = ${arg('user_id')}::uuid
       and case ${arg('scope')}::text
             when 'local' then id = ${arg('session_id')}::uuid
             when 'others' then id <> ${arg('session_id')}::uuid
             else true
           end),
  ${recorded(sql`person`, { action: 'logout', user: sql`person`, session_id: sql`${arg('session_id')}::uuid` })}
  select from person`,
);

/** Ends every session of a user but one. */
export const deleteSessions = statement<{ user_id: string; except: string | undefined }, never>(
  'delete_sessions',
  sql`
  delete from auth.sessions
   where user_id = ${arg('user_id')}::uuid and id is distinct from ${arg('except')}::uuid`,
);

/** Why a session may not be refreshed, null while it may. No row when it is gone. */
export const findVerdict = statement<Record<string, unknown>, { verdict: SessionVerdict | null }>(
  'find_session_verdict',
  sql`
  select ${sessionVerdict} as verdict
    from auth.sessions as s join auth.users as u on u.id = s.user_id
   where s.id = ${arg('session_id')}::uuid`,
);

/** A session as people see it who may end it. Times are RFC 3339. */
export interface ListedSession {
  id: string;
  created_at: string;
  updated_at: string;
  refreshed_at: string | null;
  not_after: string | null;
  amr: AuthenticationMethod[];
  ip: string | null;
  user_agent: string | null;
  current: boolean;
}

/** The sessions of a user, this one first, then the one that was used last; so many of them at most. */
export const listSessionsOf = statement<
  { user_id: string; session_id: string | undefined; limit: number },
  ListedSession
>(
  'list_sessions',
  sql`
  select s.id, s.created_at, s.updated_at, s.refreshed_at at time zone 'utc' as refreshed_at, s.not_after,
         ${amrOf(sql`s.id`)} as amr, host(s.ip) as ip, s.user_agent,
         s.id is not distinct from ${arg('session_id')}::uuid as current
    from auth.sessions as s
   where s.user_id = ${arg('user_id')}::uuid
   order by s.id is not distinct from ${arg('session_id')}::uuid desc, ${lastUsed(sql`s`)} desc, s.id
   limit ${arg('limit')}::int`,
);

/** Ends one session of a user, with the event of a sign-out. No row where the user has no such session. */
export const deleteOwnSession = statement<Record<string, unknown>, { id: string }>(
  'delete_own_session',
  sql`
  with ended as (
    delete from auth.sessions
     where id = ${arg('ended_session_id')}::uuid and user_id = ${arg('user_id')}::uuid
    returning id as session_id, user_id),
  person as (select u.*, ended.session_id from ended join auth.users as u on u.id = ended.user_id),
  ${recorded(sql`person`, {
    action: 'logout',
    user: sql`person`,
    session_id: sql`person.session_id`,
    remarks: sql`jsonb_build_object('by_session', ${arg('session_id')}::uuid)`,
  })}
  select id from person`,
);

/** Nobody starts a session of this user until the transaction is over; one that is about to be there is there. */
export const holdSessionsOf = statement<{ user_id: string }, never>(
  'hold_sessions',
  sql`select from auth.users where id = ${arg('user_id')}::uuid for no key update`,
);

/** Ends one session of a user, or all where none is named. A row for each. */
export const endSessionsOf = statement<{ user_id: string; session_id: string | undefined }, { id: string }>(
  'end_sessions',
  sql`
  delete from auth.sessions
   where user_id = ${arg('user_id')}::uuid and id = coalesce(${arg('session_id')}::uuid, id)
  returning id`,
);

/**
 * Ends every session there is. What starts or refreshes one waits, and finds it gone: who was signed in before this is over
 * is not afterwards. It may take longer than a statement has: 20 s per million sessions.
 */
export async function endAllSessions(tx: Tx): Promise<number> {
  await tx.$client.query('set local statement_timeout = 0');
  await tx.$client.query('lock table auth.sessions in share row exclusive mode');
  const { rowCount } = await tx.$client.query('delete from auth.sessions');
  return rowCount ?? 0;
}
