/** Whether the ledger is what was written: its chain walked from the first entry, its heads compared with the audit log. */
import type pg from 'pg';
import { compareWithAuditLog, findBrokenEntry, measureLedger } from './ledger.sql.ts';

export interface LedgerVerdict {
  intact: boolean;
  entries: number;
  /** The newest entry's hash, hex. */
  head: string | undefined;
  /** Ends of runs that the audit log holds, each with the head of the chain as it was then. */
  recorded_heads: number;
  /** What is wrong first, in a sentence. */
  fault: string | undefined;
}

/**
 * Walks the whole chain: every entry hashes to what it says, follows the one before it, and every head that the audit log
 * holds is in it. So an entry that was edited, put in or taken out is found, and so is an end that was cut off behind the
 * last run which the audit log knows.
 */
export async function verifyLedger(client: pg.ClientBase): Promise<LedgerVerdict> {
  const { entries, head } = await measureLedger(client);
  const broken = await findBrokenEntry(client);
  const { recorded, missing } = await compareWithAuditLog(client);
  let fault: string | undefined;
  if (broken) {
    const { id, step, run_id, at } = broken;
    const entry = `Entry ${id} ("${step}" of run ${run_id}, ${at})`;
    fault =
      broken.fault === 'changed'
        ? `${entry} was changed after it was written.`
        : `${entry} does not follow the entry before it: one was taken out, put in or written anew there.`;
  } else if (missing) {
    fault = `The audit log has the end of run ${missing.run_id} (${missing.at}) with a hash that the ledger does not: its entries were taken away or written anew.`;
  }
  return { intact: fault === undefined, entries, head, recorded_heads: recorded, fault };
}
