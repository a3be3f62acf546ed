/** auth.sessions with the rows that live and die with it: auth.mfa_amr_claims, auth.refresh_tokens. */
import { type occasionArgs, occasionColumns, recorded } from '../audit/record.sql.ts';
import type { Database, Tx } from '../db/database.ts';
import { type SQL, sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';
import type { UserRow } from '../users/user.ts';
import { userColumns, userStatement } from '../users/user-columns.sql.ts';
import {
  amrOf,
  hasPolicy,
  lastUsed,
  mayGoOn,
  type PolicyArgs,
  type SessionVerdict,
  sessionVerdict,
} from './session-policy.sql.ts';

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

/** For how many one statement may be asked together; PostgreSQL plans it for so many. */
export const AT_ONCE = 16;

/** The rows of a JSON argument, each with the columns that are named. */
const givenRows = (rows: SQL, columns: SQL) => sql`
  select * from json_to_recordset(${rows}::json) as g (${columns}) limit ${sql.raw(String(AT_ONCE))}`;

const rotation = (name: string, allowed: SQL) =>
  userStatement<Record<string, unknown>, SessionRow & { event_id: string }>(
    name,
    sql`
  select event_id, session_id, refresh_token_counter, refresh_token_hmac_key, session_created_at,
         ${amrOf(sql`rotated.session_id`)} as amr, ${userColumns(sql`u`)}
    from rotated join auth.users as u on u.id = rotated.id`,
    sql`
  given as (
    ${givenRows(sql`${arg('rotations')}`, sql`session_id uuid, counter bigint, refresh_token_hmac_key text, ${occasionColumns}`)}),
  free as (
    select g.*, u.id, u.role, u.email, u.phone, u.raw_user_meta_data, u.is_sso_user
      from given as g
      join auth.sessions as s on s.id = g.session_id
      join auth.users as u on u.id = s.user_id
     where s.refresh_token_counter = g.counter
       and s.refresh_token_hmac_key is not distinct from g.refresh_token_hmac_key
       and s.oauth_client_id is null
       and ${allowed}
       for no key update of s skip locked),
  rotated as (
    update auth.sessions as s
       set refresh_token_counter = s.refresh_token_counter + 1,
           refreshed_at = free.now at time zone 'utc', updated_at = free.now,
           user_agent = free.user_agent, ip = free.ip::inet
      from free
     where s.id = free.session_id
    returning free.*, s.refresh_token_counter, s.created_at as session_created_at),
  ${recorded(sql`rotated`, {
    action: 'token_refreshed',
    user: sql`rotated`,
    session_id: sql`rotated.session_id`,
    occasion: sql`rotated`,
  })}`,
  );

const rotate = rotation('rotate_refresh_tokens', mayGoOn);
const rotateByPolicy = rotation('rotate_refresh_tokens_by_policy', sql`${sessionVerdict} is null`);

/** A refresh token that is presented: `occasionArgs` of the request, what the token says, and with which stored key. */
export interface Rotation extends ReturnType<typeof occasionArgs> {
  session_id: string;
  counter: number;
  /** As the session's column has it; null where the key is derived. */
  refresh_token_hmac_key: string | null;
}

/**
 * The whole of ordinary refreshes, {@link AT_ONCE} at most: the counter moves on by one, the session learns who
 * asked from where, the audit row is written, the user is read. In the order of `rotations`; undefined where the presented
 * counter is not the current one, the session may not go on, or somebody else holds it: `lockSession` then says which. Of
 * racing refreshes one matches; the others find the counter moved, or on its way.
 *
 * Nobody is waited for while sessions of others are held, so that no two statements can wait for each other. Where no policy
 * is set none is asked: what PostgreSQL makes ready for it at each run is a seventh of the statement.
 */
export async function rotateRefreshTokens(
  on: Database | Tx,
  policy: PolicyArgs,
  rotations: readonly Rotation[],
): Promise<(SessionRow | undefined)[]> {
  const last = rotations.at(-1);
  const rows = await (hasPolicy(policy) ? rotateByPolicy : rotate)(on, {
    ...policy,
    rotations: JSON.stringify(rotations),
    now: last?.now,
    gotrue_audit: last?.gotrue_audit,
  });
  const byEvent = new Map(rows.map((row) => [row.event_id, row]));
  return rotations.map(({ event_id }) => byEvent.get(event_id));
}

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

export type SignedInRow = UserRow & {
  session_found: boolean;
  deleted: boolean;
  banned: boolean;
};

/** Of an access token: whose it is, of which session, and when it is asked. */
export interface PresentedSession {
  user_id: string;
  session_id: string | undefined;
  now: string;
}

const findAllSignedIn = userStatement<Record<string, unknown>, SignedInRow & { nth: number }>(
  'find_signed_in',
  sql`
  select g.nth, s.id is not null as session_found, u.deleted_at is not null as deleted,
         coalesce(u.banned_until > g.now, false) as banned,
         ${userColumns(sql`u`)}
    from (${givenRows(sql`${arg('presented')}`, sql`nth int, user_id uuid, session_id uuid, now timestamptz`)}) as g
    join auth.users as u on u.id = g.user_id
    left join auth.sessions as s on s.id = g.session_id and s.user_id = u.id`,
);

/**
 * The users of access tokens, {@link AT_ONCE} at most, and whether their sessions are there and their own. In the order of
 * `presented`; undefined where there is no such user.
 */
export async function findSignedIn(
  on: Database | Tx,
  presented: readonly PresentedSession[],
): Promise<(SignedInRow | undefined)[]> {
  const rows = await findAllSignedIn(on, { presented: JSON.stringify(presented.map((one, nth) => ({ nth, ...one }))) });
  const users: (SignedInRow | undefined)[] = presented.map(() => undefined);
  for (const row of rows) users[row.nth] = row;
  return users;
}

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
