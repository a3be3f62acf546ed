/** A run and its record: the lock that keeps runs apart, the ledger and the audit log, written with what they describe. */
import { randomUUID } from 'node:crypto';
import type { Action, AuditEvent } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { occasionOfCommand, operatorOf } from '../command.ts';
import type { Tx } from '../db/database.ts';
import { MigrationFailure, reasonOf, type Side } from './failure.ts';
import { appendToLedger, type LedgerEntry, lockMigrations } from './ledger.sql.ts';
import type { KeptRow, MergeCounts } from './merge.sql.ts';
import type { MigrationPlan, Preparation } from './plan.ts';
import type { TableProof } from './proof.ts';
import type { Source } from './source.sql.ts';

/** What became of one table. */
export interface TableOutcome extends MergeCounts {
  table: string;
  rows: number;
}

/** What a run did. */
export interface Outcome {
  tables: TableOutcome[];
  proofs: TableProof[];
  /** Rows that changed on both sides since the last run, and were left as they are at the target. */
  conflicts: KeptRow[];
}

export interface MigrationReport extends Outcome {
  applied: boolean;
  plan: MigrationPlan;
  run_id: string | undefined;
  /** Head of the ledger's chain after this run, hex. */
  ledger_hash: string | undefined;
}

export type MigrationEvent =
  | { event: 'plan'; plan: MigrationPlan }
  | { event: 'started'; run_id: string }
  | { event: 'progress'; table: string; rows: number; of: number }
  | { event: 'indexing'; table: string }
  /** Something that went another way than the plan had it. */
  | { event: 'remark'; message: string }
  | { event: 'table'; outcome: TableOutcome }
  | { event: 'proving'; table: string }
  | { event: 'proof'; proof: TableProof }
  | { event: 'committing' }
  | { event: 'finished'; report: MigrationReport };

export interface RunOptions {
  /** Hears of every step as it happens. */
  onEvent?: (event: MigrationEvent) => void;
  clock?: () => Date;
  /** Who runs it, for the audit log. */
  operator?: string;
  /** How long another run is waited for. */
  lock_wait_seconds?: number;
  /** How long no byte may move during a copy. */
  stall_seconds?: number;
}

/** One application of a plan. */
export interface Run extends Preparation, Required<RunOptions> {
  id: string;
  from: Source;
  targetSide: Side;
}

export function newRun(from: Source, targetSide: Side, preparation: Preparation, options: RunOptions): Run {
  const {
    onEvent = () => {},
    clock = () => new Date(),
    operator = 'operator',
    lock_wait_seconds = 10,
    stall_seconds = 120,
  } = options;
  const id = randomUUID();
  return { ...preparation, id, from, targetSide, onEvent, clock, operator, lock_wait_seconds, stall_seconds };
}

/**
 * Takes the lock that keeps runs apart, until the transaction ends.
 *
 * @throws MigrationFailure `busy` when another run does not give it up in time.
 */
export async function lockRun(tx: Tx, { targetSide, lock_wait_seconds }: Run): Promise<void> {
  if (await lockMigrations(tx.$client, lock_wait_seconds)) return;
  throw new MigrationFailure(
    'busy',
    `Another migration is at work on ${targetSide.address}. Wait until it has ended, then run again.`,
  );
}

/** Records that the run begins: in a transaction of its own, so that a run which is killed leaves this behind. */
export async function recordBeginning(tx: Tx, run: Run): Promise<void> {
  await lockRun(tx, run);
  const { source, target, tables } = run.plan;
  await append(tx, run, 'started', { source, target, tables });
  await audit(tx, run, 'migration_started', 'success', { source: source.address, target: target.address });
}

/** Records what was done, in the transaction that does it. Resolves to the head of the ledger's chain. */
export async function recordOutcome(tx: Tx, run: Run, { tables, proofs, conflicts }: Outcome): Promise<string> {
  for (const outcome of tables) await append(tx, run, 'table_copied', { ...outcome });
  await append(tx, run, 'proved', { proofs });
  const ledger_hash = await append(tx, run, 'finished', { conflicts });
  const rows = Object.fromEntries(tables.map((outcome) => [outcome.table, outcome.rows]));
  await audit(tx, run, 'migration_finished', 'success', { rows, conflicts: conflicts.length, ledger_hash });
  return ledger_hash;
}

/** Records that the run came to nothing, and why. */
export async function recordFailure(tx: Tx, run: Run, error: unknown): Promise<void> {
  await lockRun(tx, run);
  const reason = reasonOf(error);
  await append(tx, run, 'failed', { reason });
  await audit(tx, run, 'migration_failed', 'failure', { reason });
}

function append(tx: Tx, { id, clock }: Run, step: LedgerEntry['step'], details: LedgerEntry['details']) {
  return appendToLedger(tx.$client, { run_id: id, at: clock(), step, details });
}

async function audit(
  tx: Tx,
  run: Run,
  action: Action,
  outcome: AuditEvent['outcome'],
  details: Record<string, unknown>,
): Promise<void> {
  const event = { action, outcome, actor: operatorOf(run), details: { run_id: run.id, ...details } };
  await record(tx, event, occasionOfCommand('migrate users', run.clock(), run.id));
}
