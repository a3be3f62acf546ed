/** A session begins: its row, how it came about, and the time of the user's last sign-in. */
import { randomUUID } from 'node:crypto';
import type { Tx } from '../db/database.ts';
import type { Occasion } from '../http/caller.ts';
import { insertSession, type SessionRow } from './sessions.sql.ts';

/** How a session came about (contract §4.1). */
export type SessionMethod =
  | 'password'
  | 'otp'
  | 'anonymous'
  | 'oauth'
  | 'magiclink'
  | 'recovery'
  | 'invite'
  | 'email/signup'
  | 'email_change';

export interface SessionStart {
  user_id: string;
  authentication_method: SessionMethod;
  occasion: Occasion;
}

/** Starts a session of a user who has proven who they are, in the transaction of that proof. The event is the caller's. */
export async function startSession(
  tx: Tx,
  { user_id, authentication_method, occasion: { caller, now } }: SessionStart,
): Promise<SessionRow> {
  const [session] = await insertSession(tx, {
    session_id: randomUUID(),
    amr_id: randomUUID(),
    user_id,
    authentication_method,
    now: now.toISOString(),
    user_agent: caller.user_agent,
    ip: caller.ip,
  });
  if (!session) throw new Error('a session belongs to a user who exists');
  return session;
}
