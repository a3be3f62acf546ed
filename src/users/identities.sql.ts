/** auth.identities, one by one: an identity is removed, and what it stood for goes from the user (contract §2.3). */
import { sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';
import { withProviders } from './users.sql.ts';

export const deleteIdentity = statement<{ identity_id: string }, never>(
  'delete_identity',
  sql`delete from auth.identities where id = ${arg('identity_id')}::uuid`,
);

/** The identity whose address becomes the user's. */
export interface Successor {
  /** Null where it has none, as that of a phone number. */
  email: string | null;
  verified: boolean;
  /** It has the address that the user has already. */
  keeps: boolean;
}

/**
 * Of the identities that a locked user has left, the one with the user's own address, else the best that nobody else has:
 * a verified address before an unproven one, an unproven one before none, the oldest first. No row where each
 * is somebody else's.
 */
export const findSuccessor = statement<{ user_id: string }, Successor>(
  'find_successor_of_identity',
  sql`
  select nullif(i.email, '') as email, coalesce(i.identity_data -> 'email_verified' = 'true', false) as verified,
         coalesce(i.email, '') = coalesce(u.email, '') as keeps
    from auth.identities as i
    join auth.users as u on u.id = i.user_id
   where i.user_id = ${arg('user_id')}::uuid
     and not exists (select from auth.users as o where o.email = i.email and o.id <> u.id and not o.is_sso_user)
   order by keeps desc, verified desc, i.email is null, i.created_at, i.id
   limit 1`,
);

/** The user has the successor's address, proven as far as the successor says so; an unproven one is not confirmed. */
export const takeOverEmail = statement<
  { user_id: string; email: string | null; verified: boolean; now: string },
  never
>(
  'take_over_email',
  sql`
  update auth.users as u
     set email = ${arg('email')}::text,
         email_confirmed_at = case when ${arg('verified')}::boolean
                                   then coalesce(u.email_confirmed_at, ${arg('now')}::timestamptz) end,
         raw_user_meta_data = coalesce(u.raw_user_meta_data, '{}')
                              || jsonb_build_object('email_verified', ${arg('verified')}::boolean),
         updated_at = ${arg('now')}::timestamptz
   where u.id = ${arg('user_id')}::uuid`,
);

export const removePhone = statement<{ user_id: string; now: string }, never>(
  'remove_phone',
  sql`
  update auth.users
     set phone = null, phone_confirmed_at = null, updated_at = ${arg('now')}::timestamptz
   where id = ${arg('user_id')}::uuid`,
);

/** `provider` and `providers` of the app metadata as the identities say that are left. */
export const setProviders = statement<{ user_id: string; now: string }, never>(
  'set_providers',
  sql`
  update auth.users as u
     set raw_app_meta_data = ${withProviders}, updated_at = ${arg('now')}::timestamptz
   where u.id = ${arg('user_id')}::uuid`,
);
