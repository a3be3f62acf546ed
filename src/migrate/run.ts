/** A run and its record: the lock that keeps runs apart, the ledger and the audit log, written with what they describe. */
import { randomUUID } from 'node:crypto';
import type { Tx } from '../db/database.ts';
import { reasonOf, type Side } from './failure.ts';
import type { KeptRow, MergeCounts } from './merge.sql.ts';
import type { MigrationPlan, Preparation } from './plan.ts';
import type { TableProof } from './proof.ts';
import { append, audit, LOCK_WAIT_SECONDS, lockRuns, type RecordedRun } from './record.ts';
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
  /** The rows are there and the indexes hold. */
  | { event: 'remembering'; table: string }
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
export interface Run extends Preparation, RecordedRun, Required<RunOptions> {
  from: Source;
  targetSide: Side;
}

export function newRun(from: Source, targetSide: Side, preparation: Preparation, options: RunOptions): Run {
  const {
    onEvent = () => {},
    clock = () => new Date(),
    operator = 'operator',
    lock_wait_seconds = LOCK_WAIT_SECONDS,
    stall_seconds = 120,
  } = options;
  const recorded = { run_id: randomUUID(), command: 'migrate users', operator, clock };
  return { ...preparation, ...recorded, from, targetSide, onEvent, lock_wait_seconds, stall_seconds };
}

/** @throws MigrationFailure `busy` when another run does not end in time. */
export function lockRun(tx: Tx, { targetSide, lock_wait_seconds }: Run): Promise<void> {
  return lockRuns(tx, targetSide, lock_wait_seconds);
}

/** Records that the run begins: in a transaction of its own, so that a run which is killed leaves this behind. */
export async function recordBeginning(tx: Tx, run: Run): Promise<void> {
  await lockRun(tx, run);
  const { source, target, tables } = run.plan;
  await append(tx, run, 'started', { source, target, tables });
  const details = { source: source.address, target: target.address };
  await audit(tx, run, { action: 'migration_started', outcome: 'success', details });
}

/** Records what was done, in the transaction that does it. Resolves to the head of the ledger's chain. */
export async function recordOutcome(tx: Tx, run: Run, { tables, proofs, conflicts }: Outcome): Promise<string> {
  for (const outcome of tables) await append(tx, run, 'table_copied', { ...outcome });
  await append(tx, run, 'proved', { proofs });
  const ledger_hash = await append(tx, run, 'finished', { conflicts });
  const rows = Object.fromEntries(tables.map((outcome) => [outcome.table, outcome.rows]));
  const details = { rows, conflicts: conflicts.length, ledger_hash };
  await audit(tx, run, { action: 'migration_finished', outcome: 'success', details });
  return ledger_hash;
}

/** Records that the run came to nothing, and why. */
export async function recordFailure(tx: Tx, run: Run, error: unknown): Promise<void> {
  await lockRun(tx, run);
  const reason = reasonOf(error);
  await append(tx, run, 'failed', { reason });
  await audit(tx, run, { action: 'migration_failed', outcome: 'failure', details: { reason } });
}
