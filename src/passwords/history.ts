/**
 * A user's earlier passwords, as hashes, where the settings remember any. Only what is argon2id of our cost is kept: a hash that
 * came over may cost a gibibyte, and is compared with one last time when it is replaced.
 */
import { decryptColumn } from '../db/column-encryption.ts';
import type { Tx } from '../db/database.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { keepFormerHash, listFormerHashes } from './history.sql.ts';

/** Whether the password is one of the last that the user had before the current one. */
export async function wasUsedBefore(
  { db, passwords, settings, columnKeys }: Gatehouse,
  user_id: string,
  password: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const most = settings.password_history;
  if (most === 0) return false;
  const rows = await listFormerHashes(db, { user_id, most });
  const hashes = rows.map(({ encrypted_password }) => decryptColumn(encrypted_password, user_id, columnKeys));
  return passwords.isOneOf(password, hashes, signal);
}

/** The password of a locked user gives way to another. */
export async function rememberPassword(
  tx: Tx,
  { passwords, settings, columnKeys }: Pick<Gatehouse, 'passwords' | 'settings' | 'columnKeys'>,
  { id, encrypted_password }: { id: string; encrypted_password: string | null },
  now: string,
): Promise<void> {
  const hash = encrypted_password ? decryptColumn(encrypted_password, id, columnKeys) : undefined;
  const isOurs = hash !== undefined && !passwords.needsRehash(hash);
  await keepFormerHash(tx, {
    user_id: id,
    encrypted_password: isOurs && encrypted_password ? encrypted_password : undefined,
    most: settings.password_history,
    now,
  });
}
