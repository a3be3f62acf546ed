/** A sign-in by password in two questions: whom the address names, and the sign-in itself. */
import { recorded } from '../audit/record.sql.ts';
import { sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';
import { forgottenAttempt, lockedAttempt } from '../lockout/attempts.sql.ts';
import { type SessionRow, sessionOf, startedSession } from '../sessions/sessions.sql.ts';
import { userStatement } from '../users/user-columns.sql.ts';

export interface Candidate {
  id: string;
  encrypted_password: string | null;
}

/** Whom an address or a number names among the users of an audience. An SSO user's address is the SSO's. */
export const findCandidate = { email: candidateBy('email'), phone: candidateBy('phone') };

/** A statement each: asked for `email = … or phone = …`, one of them NULL, PostgreSQL plans anew at every run. */
function candidateBy(column: 'email' | 'phone') {
  return statement<{ address: string; aud: string }, Candidate>(
    `find_sign_in_candidate_by_${column}`,
    sql`
    select id, encrypted_password from auth.users
     where ${sql.identifier(column)} = ${arg('address')}::text and aud = ${arg('aud')}::text
       and not is_sso_user and deleted_at is null`,
  );
}

/**
 * The whole of a successful sign-in: session, method, time of sign-in, a better hash where one is given, the count of
 * wrong passwords forgotten, the audit row, the user read. No row when what was true while hashing no longer is, or never
 * was: another password, a ban, an address that nobody has proven, a locked account.
 */
export const signIn = userStatement<Record<string, unknown>, SessionRow>(
  'sign_in',
  startedSession(sql`person`),
  sql`
  ${lockedAttempt},
  person as (
    update auth.users as u
       set last_sign_in_at = ${arg('now')}::timestamptz, updated_at = ${arg('now')}::timestamptz,
           encrypted_password = coalesce(${arg('better_hash')}::text, u.encrypted_password)
     where u.id = ${arg('user_id')}::uuid
       and u.encrypted_password = ${arg('verified_hash')}::text
       and u.deleted_at is null
       and (u.banned_until > ${arg('now')}::timestamptz) is not true
       and case ${arg('provider')}::text when 'email' then u.email_confirmed_at else u.phone_confirmed_at end is not null
       and not exists (select from attempt where locked)
    returning u.*),
  ${forgottenAttempt(sql`exists (select from person)`)},
  ${sessionOf(sql`person`)},
  ${recorded(sql`person`, {
    action: 'login',
    user: sql`person`,
    session_id: sql`${arg('session_id')}::uuid`,
    details: sql`jsonb_build_object('provider', ${arg('provider')}::text)`,
    remarks: sql`jsonb_build_object('rehashed_from', ${arg('rehashed_from')}::text)`,
  })}`,
);

export interface SignInState {
  same_hash: boolean;
  deleted: boolean;
  banned: boolean;
  confirmed: boolean;
}

/** What keeps a user who gave the right password from signing in. */
export const findSignInState = statement<Record<string, unknown>, SignInState>(
  'find_sign_in_state',
  sql`
  select encrypted_password is not distinct from ${arg('verified_hash')}::text as same_hash,
         deleted_at is not null as deleted,
         coalesce(banned_until > ${arg('now')}::timestamptz, false) as banned,
         case ${arg('provider')}::text when 'email' then email_confirmed_at else phone_confirmed_at end is not null
           as confirmed
    from auth.users where id = ${arg('user_id')}::uuid`,
);
