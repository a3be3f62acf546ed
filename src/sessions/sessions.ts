/** Sessions of a user end: all of them, or all but one. */
import type { Tx } from '../db/database.ts';
import { deleteSessions } from './sessions.sql.ts';

/** Ends every session of the user but `except`; refresh tokens and methods go with them. The event is the caller's. */
export async function endSessions(tx: Tx, user_id: string, { except }: { except?: string | undefined } = {}) {
  await deleteSessions(tx, { user_id, except });
}
