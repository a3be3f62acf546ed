/** The record of a verification: the ledger at the target, which is all that it writes to. */
import type pg from 'pg';
import { createDatabase, inTransaction } from '../db/database.ts';
import { createPool } from '../db/pool.ts';
import { MigrationFailure, reasonOf, type Side } from '../migrate/failure.ts';
import { appendToLedger, type LedgerEntry, lockMigrations } from '../migrate/ledger.sql.ts';
import type { Sides } from '../rows/compare-table.ts';
import { hasLedger } from './verify.sql.ts';
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

export interface LedgerOfVerification {
  /** Says that it begins: one that is killed leaves this behind. */
  begin(snapshot: string): Promise<void>;
  /** Says what was found, and resolves to the head of the chain; to undefined where the target keeps no ledger. */
  finish(verification: Verification): Promise<string | undefined>;
  fail(error: unknown): Promise<void>;
}

export function ledgerOf(target: pg.ClientConfig, run: Run): LedgerOfVerification {
  let begun = false;

  /** Connects for what it writes alone: hours may lie between two entries. */
  async function append(entries: [LedgerEntry['step'], Record<string, unknown>][]): Promise<string | undefined> {
    const pool = createPool({ connection: target, application_name: 'gatehouse migrate verify', max: 1 });
    try {
      return await inTransaction(createDatabase(pool), async (tx) => {
        if (!(await hasLedger(tx.$client))) return undefined;
        if (!(await lockMigrations(tx.$client, LOCK_WAIT_SECONDS))) {
          const todo = 'Wait until it has ended, then run again.';
          throw new MigrationFailure('busy', `Another migration is at work on ${run.side.target.address}. ${todo}`);
        }
        let head: string | undefined;
        for (const [step, details] of entries) {
          head = await appendToLedger(tx.$client, { run_id: run.run_id, at: run.clock(), step, details });
        }
        return head;
      });
    } finally {
      await pool.end();
    }
  }

  return {
    async begin(snapshot) {
      const { source, target } = run.side;
      await append([['started', { command: COMMAND, operator: run.operator, source, target, snapshot }]]);
      begun = true;
    },
    finish: (verification) =>
      append([
        ['proved', found(verification)],
        ['finished', { equal: verification.equal, rows: verification.rows, seconds: verification.seconds }],
      ]),
    async fail(error) {
      if (begun) await append([['failed', { reason: reasonOf(error) }]]);
    },
  };
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
