/** Sessions of a user, listed and ended: with a session its tokens end, at once. */
import { assuranceLevel } from '../access-tokens/issue.ts';
import type { Actor } from '../audit/events.ts';
import { occasionArgs } from '../audit/record.sql.ts';
import { record } from '../audit/record.ts';
import { type Database, inTransaction, type Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import {
  deleteOwnSession,
  deleteSessions,
  deleteSessionsByScope,
  endAllSessions,
  endSessionsOf,
  holdSessionsOf,
  type ListedSession,
  listSessionsOf,
} from './sessions.sql.ts';

export const logoutScopes = ['global', 'local', 'others'] as const;
export type LogoutScope = (typeof logoutScopes)[number];

/** More than anybody looks at. A person who signs in by the minute does not make an answer of megabytes. */
const LISTED_MAX = 1000;

export type UserSession = ListedSession & { aal: 'aal1' | 'aal2' };

/** What a person or an administrator who ends a session is known by. */
export interface EndOfSessions {
  user_id: string;
  actor: Actor;
  occasion: Occasion;
}

/** Signs a user out: everywhere, of this session, or of all others (contract §2.3). On record as `logout`. */
export async function signOut(
  { db }: Pick<Gatehouse, 'db'>,
  { user_id, session_id, scope }: { user_id: string; session_id: string | undefined; scope: LogoutScope },
  occasion: Occasion,
): Promise<void> {
  // A token without a session signs out everywhere, whatever the scope.
  const effective = session_id ? scope : 'global';
  await deleteSessionsByScope(db, { ...occasionArgs(occasion), user_id, session_id, scope: effective });
}

/** Ends every session of the user but `except`; refresh tokens and methods go with them. The event is the caller's. */
export async function endSessions(tx: Tx, user_id: string, { except }: { except?: string | undefined } = {}) {
  await deleteSessions(tx, { user_id, except });
}

/** The sessions of a user as they are, also those that may not be refreshed any more: `session_id` first, then by last use. */
export async function listSessions(
  db: Database,
  { user_id, session_id }: { user_id: string; session_id?: string | undefined },
): Promise<UserSession[]> {
  const sessions = await listSessionsOf(db, { user_id, session_id, limit: LISTED_MAX });
  // As the session's next token will say it: `sessions.aal` may be behind (contract appendix C, "Refresh").
  return sessions.map((session) => ({ ...session, aal: assuranceLevel(session) }));
}

/**
 * Ends a session of a user's own, this one or another. On record as `logout`.
 *
 * @throws AuthError 404 `validation_failed`: another's session is as one that does not exist
 */
export async function endOwnSession(
  { db }: Pick<Gatehouse, 'db'>,
  { user_id, session_id, id }: { user_id: string; session_id: string | undefined; id: string },
  occasion: Occasion,
): Promise<void> {
  const args = { ...occasionArgs(occasion), user_id, session_id, ended_session_id: known(id) };
  const [ended] = await deleteOwnSession(db, args);
  if (!ended) throw unknownSession();
}

/**
 * Ends one session of a user for an administrator. On record as `sessions_revoked`.
 *
 * @throws AuthError 404 `validation_failed` where the user has no such session
 */
export async function endSessionFor(
  { db }: Pick<Gatehouse, 'db'>,
  id: string,
  { user_id, actor, occasion }: EndOfSessions,
): Promise<void> {
  const session_id = known(id);
  await inTransaction(db, async (tx) => {
    const ended = await endSessionsOf(tx, { user_id, session_id });
    if (ended.length === 0) throw unknownSession();
    const event = { action: 'sessions_revoked', outcome: 'success', actor, subject_id: user_id, session_id } as const;
    await record(tx, { ...event, remarks: { sessions: 1 } }, occasion);
  });
}

/** Ends every session of a user for an administrator, on record as `sessions_revoked`; how many there were. */
export function endSessionsFor(
  { db }: Pick<Gatehouse, 'db'>,
  { user_id, actor, occasion }: EndOfSessions,
): Promise<number> {
  return inTransaction(db, async (tx) => {
    await holdSessionsOf(tx, { user_id });
    const sessions = (await endSessionsOf(tx, { user_id, session_id: undefined })).length;
    const event = { action: 'sessions_revoked', outcome: 'success', actor, subject_id: user_id } as const;
    await record(tx, { ...event, remarks: { sessions } }, occasion);
    return sessions;
  });
}

/** Signs everybody out, whoever asks for it included, on record as `everyone_signed_out`; how many sessions there were. */
export function signEveryoneOut(
  { db }: Pick<Gatehouse, 'db'>,
  { actor, occasion }: Pick<EndOfSessions, 'actor' | 'occasion'>,
): Promise<number> {
  return inTransaction(db, async (tx) => {
    const sessions = await endAllSessions(tx);
    await record(tx, { action: 'everyone_signed_out', outcome: 'success', actor, remarks: { sessions } }, occasion);
    return sessions;
  });
}

/** No other spelling of an id is looked up (CVE-2025-48370). */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function known(id: string): string {
  if (!UUID.test(id)) throw new AuthError('validation_failed', { status: 404, message: 'session_id must be an UUID' });
  return id;
}

/** Not `session_not_found`, by which clients learn that they themselves are signed out (contract appendix A). */
function unknownSession(): AuthError {
  return new AuthError('validation_failed', { status: 404, message: 'Session not found' });
}
