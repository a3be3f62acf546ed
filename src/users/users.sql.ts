/**
 * auth.users and auth.identities. `updated_at` is the application's to set: there are no triggers (contract §6.1).
 *
 * Locks are taken in one order: the user's row first, what belongs to the user after it. `for no key update`, because
 * nobody changes the key and rows that refer to it (sessions, tokens) need not wait.
 */
import type { Tx } from '../db/database.ts';
import { type SQL, sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';
import type { Metadata } from '../http/body.ts';
import { amrOf } from '../sessions/session-policy.sql.ts';
import type { AuthenticationMethod } from '../sessions/sessions.sql.ts';
import type { UserRow } from './user.ts';
import { INSTANCE_ID, ownColumns, userColumns, userStatement } from './user-columns.sql.ts';

export const findUser = userStatement<{ id: string }, UserRow>(
  'find_user',
  sql`select ${userColumns(sql`u`)} from auth.users as u where u.id = ${arg('id')}::uuid`,
);

/** A user, locked against every other change. */
export const lockUser = userStatement<{ id: string }, UserRow>(
  'lock_user',
  sql`select ${userColumns(sql`u`)} from auth.users as u where u.id = ${arg('id')}::uuid for no key update of u`,
);

/** A user who changes their own account, with the session they do it in. */
export type OwnUserRow = UserRow & {
  /** The session of the token is there; false too where the token names none. */
  session_found: boolean;
  session_aal: 'aal1' | 'aal2' | 'aal3' | null;
  /** It began less than 24 hours ago. */
  session_is_young: boolean;
  amr: AuthenticationMethod[];
};

/** A user with the session of the presented token, locked against every other change. */
export const lockOwnUser = userStatement<{ id: string; session_id: string | undefined; now: string }, OwnUserRow>(
  'lock_own_user',
  sql`
  select s.id is not null as session_found, s.aal as session_aal,
         coalesce(s.created_at + interval '24 hours' >= ${arg('now')}::timestamptz, false) as session_is_young,
         ${amrOf(sql`s.id`)} as amr, ${userColumns(sql`u`)}
    from auth.users as u
    left join auth.sessions as s on s.id = ${arg('session_id')}::uuid and s.user_id = u.id
   where u.id = ${arg('id')}::uuid and u.deleted_at is null
     for no key update of u`,
);

/**
 * Whoever has this address, whatever the audience, locked: by the row, or by an identity that says it, as in GoTrue.
 * The address of an SSO user is the SSO's and bars nobody.
 */
export const lockUserByAddress = userStatement<{ email: string }, UserRow>(
  'lock_user_by_address',
  sql`
  select ${userColumns(sql`u`)}
    from auth.users as u
   where u.id in (select id from auth.users where email = ${arg('email')}::text and not is_sso_user
                  union all
                  select user_id from auth.identities
                   where email = ${arg('email')}::text and provider not like 'sso:%')
     and not u.is_sso_user
   order by u.email is distinct from ${arg('email')}::text
   limit 1
     for no key update of u`,
);

/** Who has an address or a number already, leaving out the user `except`. */
export const findTaken = statement<
  { email: string | undefined; phone: string | undefined; except: string | undefined },
  { email_taken: boolean; phone_taken: boolean }
>(
  'find_taken_addresses',
  sql`
  select exists (select from auth.users
                  where email = ${arg('email')}::text and not is_sso_user and id is distinct from ${arg('except')}::uuid)
         or exists (select from auth.identities
                     where email = ${arg('email')}::text and provider not like 'sso:%'
                       and user_id is distinct from ${arg('except')}::uuid) as email_taken,
         exists (select from auth.users
                  where phone = ${arg('phone')}::text and id is distinct from ${arg('except')}::uuid) as phone_taken`,
);

export interface NewUser extends Record<string, unknown> {
  id: string;
  aud: string;
  role: string;
  email?: string | undefined;
  phone?: string | undefined;
  encrypted_password?: string | undefined;
  email_confirmed_at?: string | undefined;
  phone_confirmed_at?: string | undefined;
  banned_until?: string | undefined;
  is_anonymous: boolean;
  raw_app_meta_data: Metadata;
  raw_user_meta_data: Metadata;
  /** `[{ provider, identity_data }]` as JSON: one per address, none for an anonymous user. */
  identities: string;
  now: string;
}

/**
 * A user with the identities of its addresses, in one statement. No row when the id, the address or the number is
 * somebody's already, however short a time ago.
 */
export const insertUser = statement<NewUser, { id: string }>(
  'insert_user',
  sql`
  with person as (
    insert into auth.users (
      instance_id, id, aud, role, email, phone, encrypted_password, email_confirmed_at, phone_confirmed_at,
      raw_app_meta_data, raw_user_meta_data, banned_until, is_anonymous, is_sso_user, created_at, updated_at,
      -- GoTrue cannot read a row with NULL in any of these (contract §6.1).
      confirmation_token, recovery_token, email_change, email_change_token_new, email_change_token_current,
      phone_change, phone_change_token, reauthentication_token)
    values (
      ${INSTANCE_ID}, ${arg('id')}::uuid, ${arg('aud')}::text, ${arg('role')}::text, ${arg('email')}::text,
      ${arg('phone')}::text, coalesce(${arg('encrypted_password')}::text, ''),
      ${arg('email_confirmed_at')}::timestamptz, ${arg('phone_confirmed_at')}::timestamptz,
      ${arg('raw_app_meta_data')}::jsonb, ${arg('raw_user_meta_data')}::jsonb, ${arg('banned_until')}::timestamptz,
      ${arg('is_anonymous')}::boolean, false, ${arg('now')}::timestamptz, ${arg('now')}::timestamptz,
      '', '', '', '', '', '', '', '')
    on conflict do nothing
    returning id, created_at),
  identity as (
    insert into auth.identities (provider, provider_id, user_id, identity_data, last_sign_in_at, created_at, updated_at)
    select i.provider, person.id::text, person.id, i.identity_data, person.created_at, person.created_at,
           person.created_at
      from person
     cross join jsonb_to_recordset(${arg('identities')}::jsonb) as i (provider text, identity_data jsonb))
  select id from person`,
);

/** The object with the members of `patch` set, those that are null in it removed: GoTrue's shallow merge. */
const merged = (column: SQL, patch: string) => sql`
  case when ${arg(patch)}::jsonb is null then ${column}
       else (case jsonb_typeof(${column}) when 'object' then ${column} else '{}' end || ${arg(patch)}::jsonb)
            - array(select key from jsonb_each(${arg(patch)}::jsonb) where value = 'null')
  end`;

/** What a change sets; what is absent stays as it is. */
export interface UserChange extends Record<string, unknown> {
  role?: string | undefined;
  email?: string | undefined;
  phone?: string | undefined;
  encrypted_password?: string | undefined;
  email_confirmed_at?: string | undefined;
  phone_confirmed_at?: string | undefined;
  /** Merged into what is there; members that are null are removed. */
  app_metadata?: Metadata | undefined;
  user_metadata?: Metadata | undefined;
  /** `null` lifts a ban. */
  banned_until?: string | null | undefined;
  is_anonymous?: boolean | undefined;
}

const update = statement<UserChange & { id: string; now: string; sets_ban: boolean }, never>(
  'update_user',
  sql`
  update auth.users as u
     set role = coalesce(${arg('role')}::text, u.role),
         email = coalesce(${arg('email')}::text, u.email),
         phone = coalesce(${arg('phone')}::text, u.phone),
         encrypted_password = coalesce(${arg('encrypted_password')}::text, u.encrypted_password),
         email_confirmed_at = coalesce(${arg('email_confirmed_at')}::timestamptz, u.email_confirmed_at),
         phone_confirmed_at = coalesce(${arg('phone_confirmed_at')}::timestamptz, u.phone_confirmed_at),
         raw_app_meta_data = ${merged(sql`u.raw_app_meta_data`, 'app_metadata')},
         raw_user_meta_data = ${merged(sql`u.raw_user_meta_data`, 'user_metadata')},
         banned_until = case when ${arg('sets_ban')}::boolean then ${arg('banned_until')}::timestamptz
                             else u.banned_until end,
         is_anonymous = coalesce(${arg('is_anonymous')}::boolean, u.is_anonymous),
         updated_at = ${arg('now')}::timestamptz
   where u.id = ${arg('id')}::uuid`,
);

/** Changes a locked user. */
export async function updateUser(tx: Tx, id: string, change: UserChange, now: string): Promise<void> {
  await update(tx, { ...change, id, now, sets_ban: change.banned_until !== undefined });
}

const asObject = (column: SQL) => sql`case jsonb_typeof(${column}) when 'object' then ${column} else '{}' end`;

/** `provider` and `providers` as the identities of `u` say; of a user without identities what is there stays. */
export const withProviders = sql`
  ${asObject(sql`u.raw_app_meta_data`)} || coalesce((
    select jsonb_build_object('provider', (array_agg(p.provider order by p.since))[1],
                              'providers', jsonb_agg(p.provider order by p.since))
      from (select provider, min(created_at) as since from auth.identities where user_id = u.id group by provider) as p
    having count(*) > 0), '{}')`;

const verified = sql`jsonb_build_object('email_verified', true)`;

/**
 * The address of a locked user is proven. Whether its identity says so too is the caller's to say: GoTrue's says it only of
 * a sign-up and an invitation (contract appendix C, "One-time tokens").
 */
export const confirmEmail = statement<
  { id: string; encrypted_password: string | undefined; proves_identity: boolean; now: string },
  never
>(
  'confirm_email',
  sql`
  with identity as (
    update auth.identities
       set identity_data = ${asObject(sql`identity_data`)} || ${verified}, updated_at = ${arg('now')}::timestamptz
     where user_id = ${arg('id')}::uuid and provider = 'email' and ${arg('proves_identity')}::boolean)
  update auth.users as u
     set email_confirmed_at = coalesce(u.email_confirmed_at, ${arg('now')}::timestamptz),
         encrypted_password = coalesce(${arg('encrypted_password')}::text, u.encrypted_password),
         raw_user_meta_data = ${asObject(sql`u.raw_user_meta_data`)} || ${verified},
         raw_app_meta_data = ${withProviders}, updated_at = ${arg('now')}::timestamptz
   where u.id = ${arg('id')}::uuid`,
);

/** One side of a change of address has been confirmed. */
export const confirmHalfOfEmailChange = statement<{ id: string; now: string }, never>(
  'confirm_half_of_email_change',
  sql`
  update auth.users set email_change_confirm_status = 1, updated_at = ${arg('now')}::timestamptz
   where id = ${arg('id')}::uuid`,
);

/**
 * The new address of a locked user takes the place of the old, confirmed; an anonymous user is one no longer. The identity
 * of the address is the caller's to bring along before.
 */
export const finishEmailChange = statement<{ id: string; now: string }, never>(
  'finish_email_change',
  sql`
  update auth.users as u
     set email = u.email_change, email_change = '', email_change_confirm_status = 0, is_anonymous = false,
         email_confirmed_at = coalesce(u.email_confirmed_at, ${arg('now')}::timestamptz),
         raw_user_meta_data = case when u.email_confirmed_at is null then ${asObject(sql`u.raw_user_meta_data`)} || ${verified}
                                   else u.raw_user_meta_data end,
         raw_app_meta_data = ${withProviders}, updated_at = ${arg('now')}::timestamptz
   where u.id = ${arg('id')}::uuid`,
);

/** Notes the address that a locked user wants to change to; nothing of it is confirmed. */
export const setEmailChange = statement<{ id: string; email: string; now: string }, never>(
  'set_email_change',
  sql`
  update auth.users
     set email_change = ${arg('email')}::text, email_change_confirm_status = 0, updated_at = ${arg('now')}::timestamptz
   where id = ${arg('id')}::uuid`,
);

/**
 * Gives an unproven sign-up the password and metadata of a later one, in the row and in its identity, and its audience
 * where one is given. `identity_data` is both: GoTrue keeps the identity's members in `user_metadata` (contract §2.3).
 */
export const replaceSignUp = statement<
  { id: string; encrypted_password: string; identity_data: Metadata; aud?: string; now: string },
  never
>(
  'replace_sign_up',
  sql`
  with identity as (
    update auth.identities
       set identity_data = ${arg('identity_data')}::jsonb, updated_at = ${arg('now')}::timestamptz
     where user_id = ${arg('id')}::uuid and provider = 'email')
  update auth.users
     set encrypted_password = ${arg('encrypted_password')}::text, aud = coalesce(${arg('aud')}::text, aud),
         raw_user_meta_data = ${arg('identity_data')}::jsonb, updated_at = ${arg('now')}::timestamptz
   where id = ${arg('id')}::uuid`,
);

/**
 * The identity of the user's own address or number: made of `identity_data` where there is none, else with the members
 * of `changed` replaced.
 */
export const upsertIdentity = statement<
  { user_id: string; provider: 'email' | 'phone'; identity_data: Metadata; changed: Metadata; now: string },
  never
>(
  'upsert_identity',
  sql`
  insert into auth.identities as i (provider, provider_id, user_id, identity_data, last_sign_in_at, created_at, updated_at)
  values (${arg('provider')}::text, ${arg('user_id')}::uuid::text, ${arg('user_id')}::uuid,
          ${arg('identity_data')}::jsonb, ${arg('now')}::timestamptz, ${arg('now')}::timestamptz,
          ${arg('now')}::timestamptz)
      on conflict (provider_id, provider) do update
     set identity_data = i.identity_data || ${arg('changed')}::jsonb, updated_at = excluded.updated_at`,
);

/** What GoTrue searches: a part of the address, or of the full name whatever its case. A backslash is a backslash. */
const listed = sql`
  u.aud = ${arg('aud')}::text
  and (${arg('filter')}::text is null
       or u.email like '%' || ${arg('filter')}::text || '%' escape ''
       or u.raw_user_meta_data ->> 'full_name' ilike '%' || ${arg('filter')}::text || '%' escape '')`;

export const countUsers = statement<{ aud: string; filter: string | undefined }, { total: number }>(
  'count_users',
  sql`select count(*) as total from auth.users as u where ${listed}`,
);

/**
 * One page of an audience, without identities and factors, soft-deleted users included. By offset, because the
 * contract's clients ask for pages by number (contract §9.1).
 */
export const listUsersOf = userStatement<
  { aud: string; filter: string | undefined; ascending: boolean; limit: number; offset: string },
  UserRow
>(
  'list_users',
  sql`
  select ${ownColumns(sql`u`)}
    from auth.users as u
   where ${listed}
   order by case when ${arg('ascending')}::boolean then u.created_at end,
            case when not ${arg('ascending')}::boolean then u.created_at end desc, u.id
   limit ${arg('limit')}::bigint offset ${arg('offset')}::bigint`,
);

/** Removes a user with everything that refers to it: the foreign keys cascade. */
export const deleteUserRow = statement<{ id: string }, never>(
  'delete_user',
  sql`delete from auth.users where id = ${arg('id')}::uuid`,
);

/** GoTrue's pseudonym for a value of a user: unpadded base64url of the SHA-256 of id and value; of nothing, too. */
const pseudonym = (value: SQL) => sql`
  translate(rtrim(encode(sha256(convert_to(u.id::text || coalesce(${value}, ''), 'UTF8')), 'base64'), '='), '+/', '-_')`;

/**
 * Leaves a row without a person (contract §9.3): pseudonyms for addresses, no password, no metadata, and nothing of
 * what a hard deletion would take along. The address is free again.
 */
export const softDeleteUser = statement<{ id: string; now: string }, never>(
  'soft_delete_user',
  sql`
  with identity as (
    update auth.identities as i
       set provider_id = ${pseudonym(sql`i.provider || ':' || i.provider_id`)}, identity_data = '{}',
           updated_at = ${arg('now')}::timestamptz
      from auth.users as u
     where u.id = ${arg('id')}::uuid and i.user_id = u.id),
  token as (delete from auth.one_time_tokens where user_id = ${arg('id')}::uuid),
  factor as (delete from auth.mfa_factors where user_id = ${arg('id')}::uuid),
  passkey as (delete from auth.webauthn_credentials where user_id = ${arg('id')}::uuid),
  session as (delete from auth.sessions where user_id = ${arg('id')}::uuid),
  role as (delete from gatehouse.role_grants where user_id = ${arg('id')}::uuid),
  history as (delete from gatehouse.password_history where user_id = ${arg('id')}::uuid)
  update auth.users as u
     set email = ${pseudonym(sql`u.email`)}, phone = left(${pseudonym(sql`u.phone`)}, 15),
         email_change = ${pseudonym(sql`u.email_change`)}, phone_change = left(${pseudonym(sql`u.phone_change`)}, 15),
         encrypted_password = null, raw_app_meta_data = '{}', raw_user_meta_data = '{}',
         confirmation_token = '', recovery_token = '', email_change_token_new = '', email_change_token_current = '',
         phone_change_token = '', reauthentication_token = '',
         deleted_at = ${arg('now')}::timestamptz, updated_at = ${arg('now')}::timestamptz
   where u.id = ${arg('id')}::uuid`,
);

/**
 * Ends a soft deletion: the row awaits the address of a person again, and nothing about it is proven. What was removed
 * with the deletion stays removed.
 */
export const reviveUser = statement<{ id: string }, never>(
  'revive_user',
  sql`
  update auth.users
     set deleted_at = null, email = null, phone = null, email_change = '', phone_change = '', email_confirmed_at = null,
         phone_confirmed_at = null
   where id = ${arg('id')}::uuid`,
);
