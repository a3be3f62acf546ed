/**
 * Who a bearer token stands for (contract §2.0 "auth middleware" and "admin"). On a route's line in app.ts; the door then
 * asks `signedInOf` or `administratorOf`.
 */
import type { Request, RequestHandler } from 'express';
import {
  type AccessTokenClaims,
  audiencesOf,
  sessionIdOf,
  subjectOf,
  verifyAccessToken,
} from '../access-tokens/verify.ts';
import type { Actor } from '../audit/events.ts';
import { noteParty } from '../audit/refusals.http.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { bearerToken } from '../http/bearer.ts';
import { occasionOf } from '../http/caller.ts';
import { hasRole } from '../roles/roles.ts';
import { actorOf, type UserRow } from '../users/user.ts';
import { policyArgs } from './session-policy.sql.ts';
import { findSignedIn, findVerdict, type SignedInRow } from './sessions.sql.ts';

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

const signedIn = Symbol('signed in');
const administrator = Symbol('administrator');
type Known = Request & { [signedIn]?: SignedIn; [administrator]?: Administrator };

/**
 * Lets a user's token through whose session is there: 401 `no_authorization`, 403 or 400 `bad_jwt`, 403 `user_not_found`,
 * `session_not_found`, `user_banned`; 400 `validation_failed` for a token that is meant for somebody else.
 */
export function requireSession(gatehouse: Gatehouse): RequestHandler {
  return async (req: Known, _res, next) => {
    const claims = await verifyAccessToken(gatehouse, bearerToken(req), occasionOf(req).now);
    req[signedIn] = await signedInBy(gatehouse, claims, req);
    next();
  };
}

/** The user whose token this request brought. */
export function signedInOf(req: Request): SignedIn {
  const known = (req as Known)[signedIn];
  if (!known) throw new Error('requireSession stands on the line of every route that asks who is signed in');
  return known;
}

/**
 * Lets through a service key (a token of an administrator's role, without subject), a user of such a role, and a user
 * who was granted `admin` (DESIGN §4); everybody else is 403 `not_admin`. Of a user's token the row decides, not the
 * claim: a ban, a demotion and the end of the session hold at once (contract appendix C, "JWT", *fix*).
 */
export function requireAdmin(gatehouse: Gatehouse): RequestHandler {
  return async (req: Known, _res, next) => {
    const claims = await verifyAccessToken(gatehouse, bearerToken(req), occasionOf(req).now);
    req[administrator] = claims.sub
      ? await administratingUser(gatehouse, claims, req)
      : serviceKey(gatehouse, claims, req);
    next();
  };
}

/** The administrator whose token this request brought. */
export function administratorOf(req: Request): Administrator {
  const known = (req as Known)[administrator];
  if (!known) throw new Error('requireAdmin stands on the line of every route for administrators');
  return known;
}

function serviceKey({ settings }: Gatehouse, claims: AccessTokenClaims, req: Request): Administrator {
  const actor = { role: claims.role, username: claims.role };
  noteParty(req, { actor });
  if (!claims.role || !settings.jwt_admin_roles.includes(claims.role)) throw new AuthError('not_admin');
  return { actor, claims };
}

async function administratingUser(
  gatehouse: Gatehouse,
  claims: AccessTokenClaims,
  req: Request,
): Promise<Administrator> {
  const { user, session_id } = await findUserOf(gatehouse, claims, req);
  const { db, settings } = gatehouse;
  const { jwt_admin_roles } = settings;
  const byRole = claims.role && jwt_admin_roles.includes(claims.role) && jwt_admin_roles.includes(user.role ?? '');
  if (!byRole && !(await hasRole(db, user.id, 'admin'))) throw new AuthError('not_admin');
  // Past its timebox a session still reads its own user (contract §4.4), and administers nobody.
  const now = occasionOf(req).now.toISOString();
  const [policy] = session_id ? await findVerdict(db, { ...policyArgs(settings), session_id, now }) : [];
  if (policy?.verdict) throw new AuthError('session_expired', { status: 403, message: 'Session has expired' });
  return { actor: actorOf(user), claims, user };
}

async function signedInBy(gatehouse: Gatehouse, claims: AccessTokenClaims, req: Request): Promise<SignedIn> {
  const { user, session_id } = await findUserOf(gatehouse, claims, req);
  if (!audiencesOf(claims).includes(user.aud ?? '')) {
    throw new AuthError('validation_failed', { message: "Token audience doesn't match request audience" });
  }
  return { user, session_id, claims };
}

interface FoundUser {
  user: SignedInRow;
  session_id: string | undefined;
}

/** @throws AuthError `user_not_found`, `session_not_found`, `user_banned`, in GoTrue's order */
async function findUserOf({ db }: Gatehouse, claims: AccessTokenClaims, req: Request): Promise<FoundUser> {
  const user_id = subjectOf(claims);
  const session_id = sessionIdOf(claims);
  const [user] = await findSignedIn(db, { user_id, session_id, now: occasionOf(req).now.toISOString() });
  if (!user) {
    throw new AuthError('user_not_found', { status: 403, message: 'User from sub claim in JWT does not exist' });
  }
  noteParty(req, { actor: actorOf(user), subject_id: user.id, session_id });
  if (session_id && !user.session_found) throw new AuthError('session_not_found');
  if (user.banned) throw new AuthError('user_banned', { status: 403 });
  return { user, session_id };
}
