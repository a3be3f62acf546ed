/** gatehouse.role_grants, with the people whom they are given to. */
import { sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';
import type { Role } from './roles.ts';

export const findGrant = statement<{ user_id: string; role: Role }, { granted_at: string }>(
  'find_role_grant',
  sql`
  select granted_at from gatehouse.role_grants where user_id = ${arg('user_id')}::uuid and role = ${arg('role')}::text`,
);

/** No row when the user has the role already. */
export const insertGrant = statement<
  { user_id: string; role: Role; granted_by: string | undefined; now: string },
  { user_id: string }
>(
  'insert_role_grant',
  sql`
  insert into gatehouse.role_grants (user_id, role, granted_by, granted_at)
  values (${arg('user_id')}::uuid, ${arg('role')}::text, ${arg('granted_by')}::uuid, ${arg('now')}::timestamptz)
      on conflict do nothing
  returning user_id`,
);

/** No row when the user did not have the role. */
export const deleteGrant = statement<{ user_id: string; role: Role }, { user_id: string }>(
  'delete_role_grant',
  sql`
  delete from gatehouse.role_grants where user_id = ${arg('user_id')}::uuid and role = ${arg('role')}::text
  returning user_id`,
);

export interface Grant {
  role: Role;
  user_id: string;
  email: string | null;
  granted_at: string;
}

export const listGrants = statement<{ role: Role | undefined }, Grant>(
  'list_role_grants',
  sql`
  select g.role, g.user_id, u.email, g.granted_at
    from gatehouse.role_grants as g
    join auth.users as u on u.id = g.user_id
   where ${arg('role')}::text is null or g.role = ${arg('role')}::text
   order by g.role, u.email, g.user_id`,
);

export interface Candidate {
  id: string;
  email: string | null;
  confirmed: boolean;
  is_sso_user: boolean;
}

/** Whoever may be meant by an id or an address. Users of several SSO providers may share an address. */
export const listCandidates = statement<{ id: string | undefined; email: string | undefined }, Candidate>(
  'list_role_candidates',
  sql`
  select id, email, email_confirmed_at is not null as confirmed, is_sso_user
    from auth.users
   where deleted_at is null and (id = ${arg('id')}::uuid or email = ${arg('email')}::text)
   order by is_sso_user, created_at, id`,
);
