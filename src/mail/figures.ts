/** What there is to know of all mails together: whether they leave. */
import type { Database } from '../db/database.ts';
import { countUnsent } from './outbox.sql.ts';

export interface MailFigures {
  /** Not sent yet. */
  owed: number;
  /** Of those, the ones that the mail server did not take so far. */
  put_off: number;
  oldest_owed_seconds: number;
  /** The mailbox does not exist, or the link had died before the mail could leave. */
  given_up: number;
}

export async function mailFigures(db: Database, now: Date): Promise<MailFigures> {
  const [figures] = await countUnsent(db, { now: now.toISOString() });
  if (!figures) throw new Error('the statement answers with one row');
  return figures;
}
