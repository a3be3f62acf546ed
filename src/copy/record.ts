/** The record of a copy: its beginning, its end and why it stopped, in the ledger and in the audit log. */
import type { Action, AuditEvent } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { occasionOfCommand, operatorOf } from '../command.ts';
import { type Database, inTransaction, type Tx } from '../db/database.ts';
import { MigrationFailure, reasonOf } from '../migrate/failure.ts';
import { appendToLedger, type LedgerEntry, lockMigrations } from '../migrate/ledger.sql.ts';
import { recordFinish } from './copies.sql.ts';
import type { Copying, CopyReport } from './copy.ts';

export const COMMAND = 'migrate copy';
const LOCK_WAIT_SECONDS = 10;

type Run = Pick<Copying, 'run_id' | 'clock' | 'operator'>;

/** Records that a run begins, with what `also` writes: a run that is killed leaves this behind. */
export async function recordBeginning(db: Database, run: Copying, also: (tx: Tx) => Promise<void>): Promise<void> {
  const { plan, copy_id } = run;
  await inTransaction(db, async (tx) => {
    await lock(tx);
    await also(tx);
    const { source, target, schemas, tables } = plan;
    await append(tx, run, 'started', { copy_id, source, target, schemas, tables: tables.length });
    await audit(tx, run, 'migration_started', 'success', { source: source.address, target: target.address });
  });
}

/** Records that the copy is complete: from now on the target is a portal. Resolves to the head of the ledger's chain. */
export async function recordEnd(db: Database, run: Copying, report: CopyReport): Promise<string> {
  return inTransaction(db, async (tx) => {
    await lock(tx);
    for (const table of report.tables) await append(tx, run, 'table_copied', { ...table });
    const { tables, rows, bytes, large_objects, sequences, history, notes } = report;
    const counts = { tables: tables.length, rows, large_objects, sequences, history };
    const ledger_hash = await append(tx, run, 'finished', { copy_id: run.copy_id, bytes, notes, ...counts });
    await recordFinish(tx.$client, run.copy_id, run.clock());
    await audit(tx, run, 'migration_finished', 'success', { ...counts, ledger_hash });
    return ledger_hash;
  });
}

/** Records that a run stopped, and why; what it has done stays. */
export async function recordFailure(db: Database, run: Run, error: unknown): Promise<void> {
  await inTransaction(db, async (tx) => {
    await lock(tx);
    const reason = reasonOf(error);
    await append(tx, run, 'failed', { reason });
    await audit(tx, run, 'migration_failed', 'failure', { reason });
  });
}

async function lock(tx: Tx): Promise<void> {
  if (await lockMigrations(tx.$client, LOCK_WAIT_SECONDS)) return;
  throw new MigrationFailure('busy', 'Another migration is at work there. Wait until it has ended, then run again.');
}

function append(tx: Tx, { run_id, clock }: Run, step: LedgerEntry['step'], details: Record<string, unknown>) {
  return appendToLedger(tx.$client, { run_id, at: clock(), step, details: { command: COMMAND, ...details } });
}

async function audit(
  tx: Tx,
  run: Run,
  action: Action,
  outcome: AuditEvent['outcome'],
  details: Record<string, unknown>,
): Promise<void> {
  const event = { action, outcome, actor: operatorOf(run), details: { run_id: run.run_id, ...details } };
  await record(tx, event, occasionOfCommand(COMMAND, run.clock(), run.run_id));
}
