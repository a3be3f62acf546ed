/** The record of a verification, in the ledger and in the audit log at the target: all that it writes. */
import type pg from 'pg';
import type { AuditEvent } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { occasionOfCommand, operatorOf } from '../command.ts';
import { createDatabase, inTransaction, type Tx } from '../db/database.ts';
import { createPool } from '../db/pool.ts';
import { MigrationFailure, reasonOf, type Side } from '../migrate/failure.ts';
import { appendToLedger, type LedgerEntry, lockMigrations } from '../migrate/ledger.sql.ts';
import type { Sides } from '../rows/compare-table.ts';
import { explainVerify } from './failure.ts';
import { readPlaceOfRecord } from './verify.sql.ts';
import type { Verification } from './verify.ts';

export const COMMAND = 'migrate verify';

/** So many rows of a table, and objects, are on record by name. */
const NAMED_ON_RECORD = 50;
const LOCK_WAIT_SECONDS = 10;

interface Run {
  run_id: string;
  clock: () => Date;
  operator: string;
  side: Sides<Side>;
}

export interface RecordOfVerification {
  /** Says that it begins: one that is killed leaves this behind. */
  begin(snapshot: string): Promise<void>;
  /** Says what was found, and resolves to the head of the ledger's chain, or to why nothing could be written. */
  finish(verification: Verification): Promise<{ ledger_hash: string } | { not_recorded: string }>;
  fail(error: unknown): Promise<void>;
}

export function recordOf(target: pg.ClientConfig, run: Run): RecordOfVerification {
  let begun = false;

  /** Connects for what it writes alone: hours may lie between two entries. */
  async function write<T>(work: (tx: Tx) => Promise<T>): Promise<T | { not_recorded: string }> {
    const pool = createPool({ connection: target, application_name: 'gatehouse migrate verify', max: 1 });
    try {
      return await inTransaction(createDatabase(pool), async (tx) => {
        const not_recorded = await whyNot(tx, run.side.target);
        if (not_recorded !== undefined) return { not_recorded };
        if (!(await lockMigrations(tx.$client, LOCK_WAIT_SECONDS))) {
          const todo = 'Wait until it has ended, then run again.';
          throw new MigrationFailure('busy', `Another migration is at work on ${run.side.target.address}. ${todo}`);
        }
        return work(tx);
      });
    } finally {
      await pool.end();
    }
  }

  const append = (tx: Tx, step: LedgerEntry['step'], details: Record<string, unknown>) =>
    appendToLedger(tx.$client, { run_id: run.run_id, at: run.clock(), step, details });

  function audit(tx: Tx, event: Pick<AuditEvent, 'outcome' | 'reason' | 'details'>): Promise<void> {
    const { run_id, side, clock } = run;
    const details = { run_id, source: side.source.address, target: side.target.address, ...event.details };
    const verified = { ...event, action: 'migration_verified', actor: operatorOf(run), details } as const;
    return record(tx, verified, occasionOfCommand(COMMAND, clock(), run_id));
  }

  return {
    async begin(snapshot) {
      const { source, target } = run.side;
      await write((tx) =>
        append(tx, 'started', { command: COMMAND, operator: run.operator, source, target, snapshot }),
      );
      begun = true;
    },
    async finish(verification) {
      try {
        return await write(async (tx) => {
          const { equal, rows, seconds } = verification;
          await append(tx, 'proved', found(verification));
          const ledger_hash = await append(tx, 'finished', { equal, rows, seconds });
          const outcome = equal ? 'success' : 'failure';
          await audit(tx, { outcome, reason: equal ? undefined : 'not equal', details: { rows, ledger_hash } });
          return { ledger_hash };
        });
      } catch (error) {
        // Hours of comparison are not lost with the room for a line.
        const explained = explainVerify(error, run.side.target);
        if (explained instanceof MigrationFailure) return { not_recorded: explained.message.replace(/\.$/, '') };
        throw explained;
      }
    },
    async fail(error) {
      if (!begun) return;
      const reason = reasonOf(error);
      await write(async (tx) => {
        await append(tx, 'failed', { reason });
        await audit(tx, { outcome: 'failure', reason, details: {} });
      });
    },
  };
}

/** What keeps a verification from being written down, as a sentence may say it; undefined where nothing does. */
async function whyNot(tx: Tx, { role }: Side): Promise<string | undefined> {
  const { there, closed, read_only } = await readPlaceOfRecord(tx.$client);
  if (!there) return 'the target keeps no ledger';
  if (closed.length > 0) return `role ${role} may not write to ${closed.join(' and ')} at the target`;
  if (read_only) return 'the target is read-only';
  return undefined;
}

function found({ catalogue, substitutes, tables, users, sequences, large_objects, not_checked }: Verification) {
  const briefly = <T extends { differing: unknown[]; more?: boolean }>(of: T) =>
    of.differing.length > NAMED_ON_RECORD
      ? { ...of, differing: of.differing.slice(0, NAMED_ON_RECORD), more: true }
      : of;
  return {
    // The two values of a difference can be whole functions: what is in the sentence is enough.
    catalogue: { ...catalogue, drift: catalogue.drift.map(({ source: _, target: __, ...drift }) => drift) },
    substitutes,
    tables: tables.map(briefly),
    proofs: users.map(briefly),
    sequences,
    large_objects: briefly(large_objects),
    not_checked,
  };
}
