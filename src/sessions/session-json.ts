/** A session as a list shows it: nothing of its tokens. */
import type { UserSession } from './sessions.ts';

export type SessionJson = Omit<UserSession, 'current'>;

/** Absent times, addresses and programs are null. */
export function sessionJson(session: UserSession): SessionJson {
  const { id, created_at, updated_at, refreshed_at, not_after, aal, amr, ip, user_agent } = session;
  return { id, created_at, updated_at, refreshed_at, not_after, aal, amr, ip, user_agent };
}
