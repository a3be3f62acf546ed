/** Sessions of a user end, and with them their tokens, at once. */
import { occasionArgs } from '../audit/record.sql.ts';
import type { Tx } from '../db/database.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { deleteSessions, deleteSessionsByScope } from './sessions.sql.ts';

export const logoutScopes = ['global', 'local', 'others'] as const;
export type LogoutScope = (typeof logoutScopes)[number];

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
