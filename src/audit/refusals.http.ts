/**
 * Every refusal is on record: what the client is told no about has a row before it is told (DESIGN §1.6). A rule that
 * changes something while it refuses records that itself, in its transaction; for all others this is the one place.
 */
import type { ErrorRequestHandler, Request, RequestHandler } from 'express';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { occasionOf } from '../http/caller.ts';
import type { Actor, RefusedAction } from './events.ts';
import { recordRefusal } from './record.ts';

/** Who stands behind a request, as far as it has come. */
export interface Party {
  actor?: Actor;
  subject_id?: string | undefined;
  session_id?: string | undefined;
}

const refusedAction = Symbol('refused action');
const party = Symbol('party');
type Noted = Request & { [refusedAction]?: RefusedAction; [party]?: Party };

/** On a route's line: what its refusals are called; by the request, where the route has several doors. */
export function refusedAs(action: RefusedAction | ((req: Request) => RefusedAction)): RequestHandler {
  return (req: Noted, _res, next) => {
    req[refusedAction] = typeof action === 'string' ? action : action(req);
    next();
  };
}

/** Whoever authenticated: a refusal from here on is theirs. */
export function noteParty(req: Request, known: Party): void {
  (req as Noted)[party] = known;
}

/**
 * Records an AuthError that nobody has recorded yet. If that fails, so does the request: the fault takes the refusal's
 * place. Requests that ask for nothing (an unknown path) are no outcome of an auth route and pass.
 */
export function recordRefusals({ db }: Pick<Gatehouse, 'db'>): ErrorRequestHandler {
  return async (error: unknown, req: Noted, _res, next) => {
    // Of a request whose time was up, what its handler comes to later is the outcome.
    if (!(error instanceof AuthError) || error.recorded || error.error_code === 'request_timeout') return next(error);
    const action = req[refusedAction] ?? 'request_failed';
    await recordRefusal(db, error, { action, ...req[party] }, occasionOf(req));
    next(error);
  };
}
