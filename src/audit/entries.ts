/** GoTrue's own audit log, read by an administrator (contract §9.8). Its reading is on record in ours. */
import { type Database, inTransaction } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Occasion } from '../http/caller.ts';
import type { Page } from '../http/paging.ts';
import { countEntries, type Entry, type EntryScope, listEntries } from './entries.sql.ts';
import type { Actor } from './events.ts';
import { record } from './record.ts';

export interface EntryFilter {
  scope: EntryScope | undefined;
  text: string | undefined;
}

const scopes: readonly EntryScope[] = ['author', 'action', 'type'];
/** What of a question an answer repeats. */
const REPEATABLE = /^[\w:.@ -]{0,64}$/;

/**
 * `author:ann`, `action:login`, `type:account`; everything where nothing is asked.
 *
 * @throws AuthError `validation_failed` for another scope, and for none
 */
export function entryFilter(query: string | undefined): EntryFilter {
  if (!query) return { scope: undefined, text: undefined };
  const colon = query.indexOf(':');
  const scope = scopes.find((known) => known === query.slice(0, Math.max(colon, 0)));
  if (!scope) {
    const shown = REPEATABLE.test(query) ? `: ${query}` : '';
    throw new AuthError('validation_failed', { message: `Invalid query scope${shown}` });
  }
  return { scope, text: query.slice(colon + 1) };
}

/** A page of the log and how many there are, on record as `audit_read` before it is shown. */
export async function readEntries(
  db: Database,
  { filter, page: { limit, offset } }: { filter: EntryFilter; page: Page },
  { actor, occasion }: { actor: Actor; occasion: Occasion },
): Promise<{ total: number; entries: Entry[] }> {
  const [entries, [count]] = await Promise.all([
    listEntries(db, { ...filter, limit, offset }),
    countEntries(db, { ...filter }),
  ]);
  const remarks = { log: 'auth.audit_log_entries', ...filter, limit, offset: Number(offset), returned: entries.length };
  await inTransaction(db, (tx) => record(tx, { action: 'audit_read', outcome: 'success', actor, remarks }, occasion));
  return { total: count?.total ?? 0, entries };
}
