/** Reading the record: an answer to an auditor, which is itself on record (DESIGN §4). */
import { inTransaction } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { readCursor, writeCursor } from './cursor.ts';
import { type EventFilters, listTrail, type Order, type TrailEvent } from './events.sql.ts';
import type { Actor } from './events.ts';
import { record } from './record.ts';

export type { EventFilters } from './events.sql.ts';

const DEFAULT_SPAN_SECONDS = 24 * 3600;

/** What an auditor asks. */
export interface Question {
  filters: Omit<EventFilters, 'from'> & { from?: string | undefined };
  order: Order;
  limit: number;
  cursor?: string | undefined;
  /** The filters in the words they were asked in. */
  asked: Record<string, string>;
}

export interface Page {
  events: TrailEvent[];
  /** Asked with the same filters, it leads to the events after these; null where there are none. */
  next_cursor: string | null;
  /** Since when: the question's `from`, else a day before its end. */
  from: string;
}

/** Who reads, and in which session. */
export interface Reader {
  actor: Actor;
  session_id: string | undefined;
}

/**
 * A page of the audit log, newest first unless asked otherwise. In the same transaction it is on record as `audit_read`,
 * with what was asked: where that cannot be written, nothing is shown.
 *
 * A page is what was committed when it was asked. Events have the time of their request, and a slow transaction commits
 * after a fast one that began later: whoever copies the log reads a little into the past.
 *
 * @throws AuthError `validation_failed` for a cursor that is not ours, or of another question
 */
export async function readTrail(
  { db, serverSecret }: Pick<Gatehouse, 'db' | 'serverSecret'>,
  { actor, session_id }: Reader,
  { filters, order, limit, cursor, asked }: Question,
  occasion: Occasion,
): Promise<Page> {
  const question = JSON.stringify([order, Object.entries(asked).sort()]);
  const continued = cursor === undefined ? undefined : readCursor(serverSecret, question, cursor);
  if (cursor !== undefined && !continued) {
    throw new AuthError('validation_failed', { message: 'cursor is not one of an answer to this question' });
  }
  const from = continued?.from ?? filters.from ?? dayBefore(filters.to ?? occasion.now);

  return inTransaction(db, async (tx) => {
    // One more than asked tells whether there is a next page.
    const found = await listTrail(tx, { ...filters, from }, { order, after: continued?.after, limit: limit + 1 });
    const events = found.slice(0, limit);
    const details = { filters: asked, from, order, limit, continued: continued !== undefined, returned: events.length };
    await record(tx, { action: 'audit_read', outcome: 'success', actor, session_id, details }, occasion);

    const after = found.length > limit ? events.at(-1) : undefined;
    return { events, next_cursor: after ? writeCursor(serverSecret, question, { after, from }) : null, from };
  });
}

function dayBefore(time: string | Date): string {
  return new Date(new Date(time).getTime() - DEFAULT_SPAN_SECONDS * 1000).toISOString();
}
