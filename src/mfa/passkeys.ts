/** Passkeys of a user, as lists show them. */
import type { Database } from '../db/database.ts';
import { listPasskeys } from './factors.sql.ts';

export interface PasskeyJson {
  id: string;
  friendly_name?: string | undefined;
  created_at: string;
  last_used_at?: string | undefined;
}

/** The oldest first; names and times that there are not are left out. */
export async function listPasskeysOf(db: Database, user_id: string): Promise<PasskeyJson[]> {
  const passkeys = await listPasskeys(db, { user_id });
  return passkeys.map(({ id, friendly_name, created_at, last_used_at }) => ({
    id,
    friendly_name: friendly_name || undefined,
    created_at,
    last_used_at: last_used_at ?? undefined,
  }));
}
