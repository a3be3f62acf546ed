/** What a run of `gatehouse migrate` leaves behind, whichever step it is: entries of the ledger and events of the audit log. */
import type { AuditEvent } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { occasionOfCommand, operatorOf } from '../command.ts';
import type { Tx } from '../db/database.ts';
import { MigrationFailure, type Side } from './failure.ts';
import { appendToLedger, type LedgerEntry, lockMigrations } from './ledger.sql.ts';

/** A run, as it is known on record. */
export interface RecordedRun {
  run_id: string;
  /** As it is called: `migrate users`. */
  command: string;
  operator: string;
  clock: () => Date;
}

type RecordedEvent = Pick<AuditEvent, 'action' | 'outcome' | 'reason' | 'details'>;

/** How long another run is waited for. */
export const LOCK_WAIT_SECONDS = 10;

/**
 * Takes the lock that keeps runs apart, until the transaction ends: without it nothing is appended.
 *
 * @throws MigrationFailure `busy` when another run does not give it up in time.
 */
export async function lockRuns(tx: Tx, target: Side, wait_seconds = LOCK_WAIT_SECONDS): Promise<void> {
  if (await lockMigrations(tx.$client, wait_seconds)) return;
  throw new MigrationFailure(
    'busy',
    `Another migration is at work on ${target.address}. Wait until it has ended, then run again.`,
  );
}

/** Appends an entry to the ledger. Resolves to the new head of its chain, hex. */
export function append(
  tx: Tx,
  { run_id, clock }: RecordedRun,
  step: LedgerEntry['step'],
  details: LedgerEntry['details'],
): Promise<string> {
  return appendToLedger(tx.$client, { run_id, at: clock(), step, details });
}

/** Writes an event into the audit log: of this run, by whoever runs it. */
export async function audit(tx: Tx, run: RecordedRun, event: RecordedEvent): Promise<void> {
  const details = { run_id: run.run_id, ...event.details };
  const occasion = occasionOfCommand(run.command, run.clock(), run.run_id);
  await record(tx, { ...event, actor: operatorOf(run), details }, occasion);
}
