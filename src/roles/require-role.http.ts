/** On a route's line, after `requireSession`: whoever is signed in has this role now. */
import type { RequestHandler } from 'express';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { signedInOf } from '../sessions/bearer.http.ts';
import { hasRole, type Role } from './roles.ts';

/** @throws AuthError `not_admin` */
export function requireRole({ db }: Gatehouse, role: Role): RequestHandler {
  return async (req, _res, next) => {
    const { user } = signedInOf(req);
    if (!(await hasRole(db, user.id, role))) throw new AuthError('not_admin', { reason: `without the role ${role}` });
    next();
  };
}
