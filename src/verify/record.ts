/** The record of a verification, in the ledger and in the audit log at the target: all that it writes. */
import type pg from 'pg';
import type { AuditEvent } from '../audit/events.ts';
import { createDatabase, inTransaction, type Tx } from '../db/database.ts';
import { createPool } from '../db/pool.ts';
import { MigrationFailure, reasonOf, type Side } from '../migrate/failure.ts';
import { append, audit, lockRuns, type RecordedRun } from '../migrate/record.ts';
import type { Sides } from '../rows/compare-table.ts';
import { explainVerify } from './failure.ts';
import { readPlaceOfRecord } from './verify.sql.ts';
import type { Verification } from './verify.ts';

export const COMMAND = 'migrate verify';

/** So many rows of a table, and objects, are on record by name. */
const NAMED_ON_RECORD = 50;

interface Run extends RecordedRun {
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
        await lockRuns(tx, run.side.target);
        return work(tx);
      });
    } finally {
      await pool.end();
    }
  }

  const verified = (tx: Tx, event: Pick<AuditEvent, 'outcome' | 'reason' | 'details'>): Promise<void> => {
    const { source, target } = run.side;
    const details = { source: source.address, target: target.address, ...event.details };
    return audit(tx, run, { ...event, action: 'migration_verified', details });
  };

  return {
    async begin(snapshot) {
      const { command, operator, side } = run;
      await write((tx) => append(tx, run, 'started', { command, operator, ...side, snapshot }));
      begun = true;
    },
    async finish(verification) {
      try {
        return await write(async (tx) => {
          const { equal, rows, seconds } = verification;
          await append(tx, run, 'proved', found(verification));
          const ledger_hash = await append(tx, run, 'finished', { equal, rows, seconds });
          const outcome = equal ? 'success' : 'failure';
          await verified(tx, { outcome, reason: equal ? undefined : 'not equal', details: { rows, ledger_hash } });
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
        await append(tx, run, 'failed', { reason });
        await verified(tx, { outcome: 'failure', reason, details: {} });
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
