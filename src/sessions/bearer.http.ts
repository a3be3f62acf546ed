/** On a route's line in app.ts: who may pass. The door then asks `signedInOf` or `administratorOf`. */
import type { Request, RequestHandler } from 'express';
import { noteParty } from '../audit/refusals.http.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { bearerToken } from '../http/bearer.ts';
import { occasionOf } from '../http/caller.ts';
import { type Administrator, authenticateAdministrator, authenticateUser, type SignedIn } from './authenticate.ts';

const signedIn = Symbol('signed in');
const administrator = Symbol('administrator');
type Known = Request & { [signedIn]?: SignedIn; [administrator]?: Administrator };

/** Lets a user's token through. @see authenticateUser */
export function requireSession(gatehouse: Gatehouse): RequestHandler {
  return async (req: Known, _res, next) => {
    const { now } = occasionOf(req);
    req[signedIn] = await authenticateUser(gatehouse, bearerToken(req), now, (party) => noteParty(req, party));
    next();
  };
}

/** The user whose token this request brought. */
export function signedInOf(req: Request): SignedIn {
  const known = (req as Known)[signedIn];
  if (!known) throw new Error('requireSession stands on the line of every route that asks who is signed in');
  return known;
}

/** Lets an administrator's token through. @see authenticateAdministrator */
export function requireAdmin(gatehouse: Gatehouse): RequestHandler {
  return async (req: Known, _res, next) => {
    const { now } = occasionOf(req);
    req[administrator] = await authenticateAdministrator(gatehouse, bearerToken(req), now, (party) =>
      noteParty(req, party),
    );
    next();
  };
}

/** The administrator whose token this request brought. */
export function administratorOf(req: Request): Administrator {
  const known = (req as Known)[administrator];
  if (!known) throw new Error('requireAdmin stands on the line of every route for administrators');
  return known;
}
