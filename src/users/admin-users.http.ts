/**
 * GET and POST /admin/users; GET, PUT and DELETE /admin/users/{user_id} (contract §9.1-9.3). Who may: `requireAdmin`, on
 * the route's line.
 */
import type { Request, RequestHandler } from 'express';
import type { Gatehouse } from '../gatehouse.ts';
import { requestAudience } from '../http/audience.ts';
import { bodyOf, flag, metadata, parseBody, parseOptionalBody, secretText, text } from '../http/body.ts';
import { occasionOf } from '../http/caller.ts';
import { pageOf, setPageHeaders } from '../http/paging.ts';
import { query } from '../http/query.ts';
import { sendJson } from '../http/send-json.ts';
import { abortSignalOf } from '../http/timeout.ts';
import { administratorOf } from '../sessions/bearer.http.ts';
import { changeUser } from './change-user.ts';
import { type Administration, createUser } from './create-user.ts';
import { deleteUser } from './delete-user.ts';
import { isAscending, listUsers, readUser, recordReading } from './read-users.ts';
import { changedUserJson, createdUserJson, type UserRow, userJson } from './user.ts';

const administeredUser = bodyOf({
  id: text,
  aud: text,
  role: text,
  email: text,
  phone: text,
  password: secretText,
  password_hash: text,
  email_confirm: flag,
  phone_confirm: flag,
  user_metadata: metadata,
  app_metadata: metadata,
  ban_duration: text,
});

const deletion = bodyOf({ should_soft_delete: flag });

const ofPath = Symbol('user of the path');
type Known = Request & { [ofPath]?: UserRow };

/**
 * Reads the user that the path names, before anything is asked of the body or the method: what is no id and whom nobody
 * knows is 404.
 */
export function findUserOfPath({ db }: Gatehouse): RequestHandler {
  return async (req: Known, _res, next) => {
    req[ofPath] = await readUser(db, String(req.params.user_id));
    next();
  };
}

export function listAllUsers({ db, settings }: Gatehouse): RequestHandler {
  return async (req, res) => {
    const aud = requestAudience(req, settings);
    const page = pageOf(req);
    const ascending = isAscending(query(req, 'sort'));
    const filter = query(req, 'filter') || undefined;
    const { total, users } = await listUsers(db, { aud, filter, ascending, page });
    const remarks = { filtered: filter !== undefined, offset: page.offset, returned: users.length };
    await recordReading(db, administrationOf(req), { remarks });
    setPageHeaders(req, res, page, total);
    // GoTrue does not load them here, and says so.
    sendJson(res, { users: users.map((user) => ({ ...userJson(user), identities: null })), aud });
  };
}

export function createAnyUser(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const body = await parseBody(administeredUser, req);
    const aud = requestAudience(req, gatehouse.settings);
    sendJson(res, createdUserJson(await createUser(gatehouse, body, { ...administrationOf(req), aud })));
  };
}

export function readAnyUser({ db }: Gatehouse): RequestHandler {
  return async (req, res) => {
    const user = userOfPath(req);
    await recordReading(db, administrationOf(req), { subject_id: user.id });
    sendJson(res, userJson(user));
  };
}

export function changeAnyUser(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const body = await parseBody(administeredUser, req);
    sendJson(res, changedUserJson(await changeUser(gatehouse, userOfPath(req).id, body, administrationOf(req))));
  };
}

export function deleteAnyUser(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const body = await parseOptionalBody(deletion, req);
    const softly = body?.should_soft_delete ?? false;
    await deleteUser(gatehouse, userOfPath(req).id, { ...administrationOf(req), softly });
    sendJson(res, {});
  };
}

/** Who administers, and when. */
export function administrationOf(req: Request): Administration {
  const { actor } = administratorOf(req);
  return { actor, occasion: occasionOf(req), signal: abortSignalOf(req) };
}

/** The user whom the path names. */
export function userOfPath(req: Request): UserRow {
  const user = (req as Known)[ofPath];
  if (!user) throw new Error('findUserOfPath stands on the line of every route whose path names a user');
  return user;
}
