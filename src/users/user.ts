/** A user as the rooms see one and as the wire shows one (contract §2.1). */
import type { Actor } from '../audit/events.ts';

/** An identity as selected by `userColumns`: already in the wire's names and order. */
export interface Identity {
  identity_id: string;
  /** `provider_id`; for email and phone identities the user's id. */
  id: string;
  user_id: string;
  identity_data?: Record<string, unknown>;
  provider: string;
  last_sign_in_at?: string | null;
  created_at: string | null;
  updated_at: string | null;
  email?: string | null;
}

/** A factor as selected by `userColumns`. */
export interface Factor {
  id: string;
  created_at: string;
  updated_at: string;
  status: 'unverified' | 'verified';
  friendly_name?: string | null;
  factor_type: 'totp' | 'phone' | 'webauthn';
  phone?: string | null;
  last_challenged_at?: string | null;
}

/** A row of auth.users with its identities and factors. Times are RFC 3339 strings. */
export interface UserRow {
  id: string;
  aud: string | null;
  role: string | null;
  email: string | null;
  encrypted_password: string | null;
  email_confirmed_at: string | null;
  invited_at: string | null;
  phone: string | null;
  phone_confirmed_at: string | null;
  confirmation_sent_at: string | null;
  confirmed_at: string | null;
  recovery_sent_at: string | null;
  email_change: string | null;
  email_change_sent_at: string | null;
  email_change_confirm_status: number | null;
  phone_change: string | null;
  phone_change_sent_at: string | null;
  reauthentication_sent_at: string | null;
  last_sign_in_at: string | null;
  raw_app_meta_data: Record<string, unknown> | null;
  raw_user_meta_data: Record<string, unknown> | null;
  created_at: string | null;
  updated_at: string | null;
  banned_until: string | null;
  deleted_at: string | null;
  is_sso_user: boolean;
  is_anonymous: boolean;
  identities: Identity[];
  factors: Factor[];
}

/** The wire's User, members in GoTrue's order. */
export interface User {
  id: string;
  aud: string;
  role: string;
  email: string;
  email_confirmed_at?: string;
  invited_at?: string;
  phone: string;
  phone_confirmed_at?: string;
  confirmation_sent_at?: string;
  confirmed_at?: string;
  recovery_sent_at?: string;
  new_email?: string;
  email_change_sent_at?: string;
  new_phone?: string;
  phone_change_sent_at?: string;
  reauthentication_sent_at?: string;
  last_sign_in_at?: string;
  app_metadata: Record<string, unknown> | null;
  user_metadata: Record<string, unknown> | null;
  factors?: Factor[];
  identities: Identity[] | null;
  created_at: string | null;
  updated_at: string | null;
  banned_until?: string;
  deleted_at?: string;
  is_anonymous: boolean;
}

/**
 * The row as GoTrue's JSON: no hash, no token, `""` for an absent address, absent times omitted.
 *
 * @see contract §2.1
 */
export function userJson(row: UserRow): User {
  // `undefined` members are left out by JSON.stringify; the casts say what the wire then shows.
  return {
    id: row.id,
    aud: row.aud ?? '',
    role: row.role ?? '',
    email: row.email ?? '',
    email_confirmed_at: present(row.email_confirmed_at),
    invited_at: present(row.invited_at),
    phone: row.phone ?? '',
    phone_confirmed_at: present(row.phone_confirmed_at),
    confirmation_sent_at: present(row.confirmation_sent_at),
    confirmed_at: present(row.confirmed_at),
    recovery_sent_at: present(row.recovery_sent_at),
    new_email: present(row.email_change),
    email_change_sent_at: present(row.email_change_sent_at),
    new_phone: present(row.phone_change),
    phone_change_sent_at: present(row.phone_change_sent_at),
    reauthentication_sent_at: present(row.reauthentication_sent_at),
    last_sign_in_at: present(row.last_sign_in_at),
    app_metadata: row.raw_app_meta_data,
    user_metadata: row.raw_user_meta_data,
    factors: row.factors.length > 0 ? row.factors.map(factorJson) : undefined,
    identities: row.identities.map(identityJson),
    created_at: row.created_at,
    updated_at: row.updated_at,
    banned_until: present(row.banned_until),
    deleted_at: present(row.deleted_at),
    is_anonymous: row.is_anonymous,
  } as User;
}

/** A user before and after a change. */
export interface ChangedUser {
  before: UserRow;
  after: UserRow;
}

/** The answer to the making of a user. GoTrue does not read the row again: what the database generates is not in it. */
export function createdUserJson(row: UserRow): User {
  return userJson({ ...row, confirmed_at: null });
}

/**
 * The answer to a change, in GoTrue's way (contract appendix C, "Admin"): identities that were there are shown as they
 * were, and so is what the database generates.
 */
export function changedUserJson({ before, after }: ChangedUser): User {
  const known = new Map(before.identities.map((identity) => [identity.identity_id, identity]));
  const identities = after.identities.map((identity) => known.get(identity.identity_id) ?? identity);
  return userJson({ ...after, confirmed_at: before.confirmed_at, identities });
}

function present(value: string | null): string | undefined {
  return value === null || value === '' ? undefined : value;
}

/** A name that is empty is left out. */
export function factorJson({ friendly_name, ...factor }: Factor): Factor {
  return friendly_name ? { ...factor, friendly_name } : factor;
}

function identityJson(identity: Identity): Identity {
  return {
    identity_id: identity.identity_id,
    id: identity.id,
    user_id: identity.user_id,
    identity_data: Object.keys(identity.identity_data ?? {}).length > 0 ? identity.identity_data : undefined,
    provider: identity.provider,
    last_sign_in_at: identity.last_sign_in_at ?? undefined,
    created_at: identity.created_at,
    updated_at: identity.updated_at,
    email: identity.email ?? undefined,
  } as Identity;
}

/** PostgreSQL's `infinity` and years past 9999, which a `Date` does not read, are still to come. */
export function isBanned({ banned_until }: Pick<UserRow, 'banned_until'>, now: Date): boolean {
  if (banned_until === null) return false;
  const until = Date.parse(banned_until);
  return Number.isNaN(until) ? !/^-|BC$/.test(banned_until) : until > now.getTime();
}

/** The user as the one who acts, in the audit log's words. */
export function actorOf(
  user: Pick<UserRow, 'id' | 'role' | 'phone' | 'email' | 'raw_user_meta_data' | 'is_sso_user'>,
): Actor {
  const { full_name } = user.raw_user_meta_data ?? {};
  return {
    id: user.id,
    role: user.role ?? undefined,
    username: user.phone || user.email || '',
    full_name: typeof full_name === 'string' ? full_name : undefined,
    via_sso: user.is_sso_user,
  };
}
