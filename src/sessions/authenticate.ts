/**
 * Who a bearer token stands for (contract §2.0 "auth middleware" and "admin"). Of a user's token the rows decide, not the
 * claims: a ban, a demotion and the end of the session hold at once (contract appendix C, "JWT", *fix*).
 */
import {
  type AccessTokenClaims,
  audiencesOf,
  sessionIdOf,
  subjectOf,
  verifyAccessToken,
} from '../access-tokens/verify.ts';
import type { Actor } from '../audit/events.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { hasRole } from '../roles/roles.ts';
import { actorOf, type UserRow } from '../users/user.ts';
import type { SignedInRow } from './asked-together.sql.ts';
import { policyArgs } from './session-policy.sql.ts';
import { findVerdict } from './sessions.sql.ts';

/** Whose token it is, told as soon as it is known: what is refused after that is refused to them. */
export type Identify = (party: { actor: Actor; subject_id?: string; session_id?: string | undefined }) => void;

export interface SignedIn {
  user: UserRow;
  /** Absent in a token that a holder of the key made without one. */
  session_id: string | undefined;
  claims: AccessTokenClaims;
}

export interface Administrator {
  actor: Actor;
  claims: AccessTokenClaims;
  /** Absent where a service key acts. */
  user?: UserRow;
}

/**
 * The user of a token whose session is there.
 *
 * @throws AuthError `bad_jwt`, `user_not_found`, `session_not_found`, `user_banned`, in GoTrue's order;
 *   `validation_failed` for a token that is meant for another audience than the user's
 */
export async function authenticateUser(
  gatehouse: Gatehouse,
  access_token: string,
  now: Date,
  identify: Identify,
): Promise<SignedIn> {
  const claims = await verifyAccessToken(gatehouse, access_token, now);
  const { user, session_id } = await findUserOf(gatehouse, claims, now, identify);
  if (!audiencesOf(claims).includes(user.aud ?? '')) {
    throw new AuthError('validation_failed', { message: "Token audience doesn't match request audience" });
  }
  return { user, session_id, claims };
}

/**
 * A service key (a token of an administrator's role, without subject), a user of such a role, or a user who was granted
 * `admin` (DESIGN §4).
 *
 * @throws AuthError `not_admin` for everybody else; `session_expired` where the session may not be refreshed any more; and
 *   as `authenticateUser`
 */
export async function authenticateAdministrator(
  gatehouse: Gatehouse,
  access_token: string,
  now: Date,
  identify: Identify,
): Promise<Administrator> {
  const claims = await verifyAccessToken(gatehouse, access_token, now);
  return claims.sub ? administratingUser(gatehouse, claims, now, identify) : serviceKey(gatehouse, claims, identify);
}

function serviceKey({ settings }: Gatehouse, claims: AccessTokenClaims, identify: Identify): Administrator {
  const actor = { role: claims.role, username: claims.role };
  identify({ actor });
  if (!claims.role || !settings.jwt_admin_roles.includes(claims.role)) throw new AuthError('not_admin');
  return { actor, claims };
}

async function administratingUser(
  gatehouse: Gatehouse,
  claims: AccessTokenClaims,
  now: Date,
  identify: Identify,
): Promise<Administrator> {
  const { db, settings } = gatehouse;
  const { user, session_id } = await findUserOf(gatehouse, claims, now, identify);
  const isAdminRole = (role: string | null | undefined) => settings.jwt_admin_roles.includes(role ?? '');
  const byRole = isAdminRole(claims.role) && isAdminRole(user.role);
  if (!byRole && !(await hasRole(db, user.id, 'admin'))) throw new AuthError('not_admin');
  // Past its timebox a session still reads its own user (contract §4.4), and administers nobody.
  const args = { ...policyArgs(settings), session_id, now: now.toISOString() };
  const [policy] = session_id ? await findVerdict(db, args) : [];
  if (policy?.verdict) throw new AuthError('session_expired', { status: 403, message: 'Session has expired' });
  return { actor: actorOf(user), claims, user };
}

async function findUserOf(
  { askedTogether }: Gatehouse,
  claims: AccessTokenClaims,
  now: Date,
  identify: Identify,
): Promise<{ user: SignedInRow; session_id: string | undefined }> {
  const user_id = subjectOf(claims);
  const session_id = sessionIdOf(claims);
  const user = await askedTogether.findSignedIn({ user_id, session_id, now: now.toISOString() });
  if (!user) throw unknownUser('no such user');
  identify({ actor: actorOf(user), subject_id: user.id, session_id });
  if (session_id && !user.session_found) throw new AuthError('session_not_found');
  if (user.deleted) throw unknownUser('deleted');
  if (user.banned) throw new AuthError('user_banned', { status: 403 });
  return { user, session_id };
}

function unknownUser(reason: string): AuthError {
  return new AuthError('user_not_found', { status: 403, message: 'User from sub claim in JWT does not exist', reason });
}
