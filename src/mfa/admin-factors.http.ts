/**
 * GET /admin/users/{user_id}/factors, PUT and DELETE /admin/users/{user_id}/factors/{factor_id}, the same for passkeys (contract
 * §9.6). Who may: `requireAdmin`, on the route's line.
 */
import type { Request, RequestHandler } from 'express';
import type { Gatehouse } from '../gatehouse.ts';
import { bodyOf, parseBody, text } from '../http/body.ts';
import { sendJson } from '../http/send-json.ts';
import { administrationOf, userOfPath } from '../users/admin-users.http.ts';
import { recordReading } from '../users/read-users.ts';
import { type Factor, factorJson } from '../users/user.ts';
import { changeFactor, factorOf, removeFactor, removePasskey } from './factors.ts';
import { listPasskeysOf } from './passkeys.ts';

const factorChange = bodyOf({ friendly_name: text, phone: text });

const ofPath = Symbol('factor of the path');
type Known = Request & { [ofPath]?: Factor };

/** After `findUserOfPath`: the factor that the path names, before anything is asked of the body or the method. */
export const findFactorOfPath: RequestHandler = (req: Known, _res, next) => {
  req[ofPath] = factorOf(userOfPath(req), String(req.params.factor_id));
  next();
};

function factorOfPath(req: Request): Factor {
  const factor = (req as Known)[ofPath];
  if (!factor) throw new Error('findFactorOfPath stands on the line of every route whose path names a factor');
  return factor;
}

/** A bare array. */
export function listFactorsOfUser({ db }: Gatehouse): RequestHandler {
  return async (req, res) => {
    const user = userOfPath(req);
    await recordReading(db, administrationOf(req), { subject_id: user.id });
    sendJson(res, user.factors.map(factorJson));
  };
}

/** The factor after the change. */
export function changeFactorOfUser(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const body = await parseBody(factorChange, req);
    const by = administrationOf(req);
    sendJson(res, factorJson(await changeFactor(gatehouse, userOfPath(req), factorOfPath(req), body, by)));
  };
}

/** The factor as it was. */
export function deleteFactorOfUser(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const factor = factorOfPath(req);
    await removeFactor(gatehouse, userOfPath(req), factor, administrationOf(req));
    sendJson(res, factorJson(factor));
  };
}

/** A bare array. */
export function listPasskeysOfUser({ db }: Gatehouse): RequestHandler {
  return async (req, res) => {
    const { id } = userOfPath(req);
    const passkeys = await listPasskeysOf(db, id);
    await recordReading(db, administrationOf(req), { subject_id: id });
    sendJson(res, passkeys);
  };
}

/** 204. */
export function deletePasskeyOfUser(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    await removePasskey(gatehouse, userOfPath(req), String(req.params.passkey_id), administrationOf(req));
    res.statusCode = 204;
    res.end();
  };
}
