/** The record of a copy: its beginning, its end and why it stopped, in the ledger and in the audit log. */
import { type Database, inTransaction, type Tx } from '../db/database.ts';
import { reasonOf } from '../migrate/failure.ts';
import { append, audit, lockRuns } from '../migrate/record.ts';
import { recordFinish } from './copies.sql.ts';
import type { Copying, CopyReport } from './copy.ts';

/** Records that a run begins, with what `also` writes: a run that is killed leaves this behind. */
export async function recordBeginning(db: Database, run: Copying, also: (tx: Tx) => Promise<void>): Promise<void> {
  const { plan, copy_id, command } = run;
  await inTransaction(db, async (tx) => {
    await lockRuns(tx, run.sides.target);
    await also(tx);
    const { source, target, schemas, tables } = plan;
    await append(tx, run, 'started', { command, copy_id, source, target, schemas, tables: tables.length });
    const details = { source: source.address, target: target.address };
    await audit(tx, run, { action: 'migration_started', outcome: 'success', details });
  });
}

/** Records that the copy is complete: from now on the target is a portal. Resolves to the head of the ledger's chain. */
export async function recordEnd(db: Database, run: Copying, report: CopyReport): Promise<string> {
  const { copy_id, command } = run;
  return inTransaction(db, async (tx) => {
    await lockRuns(tx, run.sides.target);
    for (const table of report.tables) await append(tx, run, 'table_copied', { command, ...table });
    const { tables, rows, bytes, large_objects, sequences, history, notes } = report;
    const counts = { tables: tables.length, rows, large_objects, sequences, history };
    const ledger_hash = await append(tx, run, 'finished', { command, copy_id, bytes, notes, ...counts });
    await recordFinish(tx.$client, copy_id, run.clock());
    await audit(tx, run, { action: 'migration_finished', outcome: 'success', details: { ...counts, ledger_hash } });
    return ledger_hash;
  });
}

/** Records that a run stopped, and why; what it has done stays. */
export async function recordFailure(db: Database, run: Copying, error: unknown): Promise<void> {
  await inTransaction(db, async (tx) => {
    await lockRuns(tx, run.sides.target);
    const reason = reasonOf(error);
    await append(tx, run, 'failed', { command: run.command, reason });
    await audit(tx, run, { action: 'migration_failed', outcome: 'failure', details: { reason } });
  });
}
