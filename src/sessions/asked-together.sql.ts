/** The two statements that are asked for several at once: refreshes, and who is signed in (docs/decisions/asked-together.md). */
import { type occasionArgs, occasionColumns, recorded } from '../audit/record.sql.ts';
import type { Database, Tx } from '../db/database.ts';
import { type SQL, sql } from '../db/drizzle.ts';
import { arg } from '../db/statement.ts';
import type { UserRow } from '../users/user.ts';
import { userColumns, userStatement } from '../users/user-columns.sql.ts';
import { amrOf, hasPolicy, mayGoOn, type PolicyArgs, sessionVerdict } from './session-policy.sql.ts';
import type { SessionRow } from './sessions.sql.ts';

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
