/**
 * Carries users, identities, password hashes, second factors and live sessions from a Supabase project into ours: one
 * frozen view of the source, one transaction at the target, and in that transaction, before it commits, the proof that
 * both are equal. So either everything is there and proven, or nothing has changed.
 */
import type pg from 'pg';
import { createDatabase, type Database, inTransaction } from '../db/database.ts';
import { createPool } from '../db/pool.ts';
import { carryOver } from './carry.ts';
import { asking, explain, MigrationFailure, type Side } from './failure.ts';
import { preparePlan } from './plan.ts';
import { type Rows, sumTable } from './proof.sql.ts';
import { compareTable, type TableProof } from './proof.ts';
import {
  lockRun,
  type MigrationReport,
  newRun,
  type RunOptions,
  recordBeginning,
  recordFailure,
  recordOutcome,
} from './run.ts';
import { agreeOnShapes } from './shapes.ts';
import { openSource, pinSettings, type Source, sideOf } from './source.sql.ts';

export interface MigrateUsersOptions extends RunOptions {
  /** Without it nothing is changed: the plan alone is made. */
  apply?: boolean;
  /** Keys of GoTrue's column encryption that the service will have. */
  decryption_key_ids?: ReadonlySet<string>;
  /** A snapshot of the source that the caller has exported and holds: the users are those of its moment. */
  snapshot?: string;
}

/**
 * Moves everything that makes a user whole, or, without `apply`, says what that would mean. Run again it brings the
 * target to what the source has become, but for rows that the target has changed itself: they stay, and those that changed
 * on both sides are reported. Nobody is signed out, every id stays, and the portal's triggers do not fire.
 *
 * @throws MigrationFailure in one sentence, with nothing changed at the target.
 */
export async function migrateUsers(
  source: pg.ClientConfig,
  target: pg.ClientConfig,
  options: MigrateUsersOptions = {},
): Promise<MigrationReport> {
  const { apply = false, onEvent = () => {}, decryption_key_ids = new Set(), snapshot } = options;
  return withBothSides(source, target, snapshot, async (from, db, targetSide) => {
    const preparation = await inTransaction(db, async (tx) => {
      await pinSettings(tx.$client);
      return preparePlan(from, tx.$client, targetSide, decryption_key_ids);
    });
    const { plan } = preparation;
    onEvent({ event: 'plan', plan });
    const nothing = { tables: [], proofs: [], conflicts: [] };
    if (!apply) return { applied: false, plan, run_id: undefined, ledger_hash: undefined, ...nothing };
    const obstacle = plan.findings.find(({ level }) => level === 'stop');
    if (obstacle) throw new MigrationFailure('obstacle', obstacle.message);

    const run = newRun(from, targetSide, preparation, options);
    await inTransaction(db, (tx) => recordBeginning(tx, run));
    onEvent({ event: 'started', run_id: run.run_id });
    try {
      const report = await inTransaction(db, async (tx) => {
        await lockRun(tx, run);
        const outcome = await carryOver(tx, run);
        const ledger_hash = await recordOutcome(tx, run, outcome);
        onEvent({ event: 'committing' });
        return { applied: true, plan, run_id: run.run_id, ledger_hash, ...outcome };
      });
      onEvent({ event: 'finished', report });
      return report;
    } catch (error) {
      const explained = explain(error, targetSide);
      // Where the target itself is gone, the ledger keeps the run's beginning alone.
      await inTransaction(db, (tx) => recordFailure(tx, run, explained)).catch(() => {});
      throw explained;
    }
  });
}

/**
 * Compares every row and column at the target that was imported with the source as it is now; nothing is changed, and a role
 * that may only read is enough. Rows that the service has changed since (a sign-in, a refreshed session) are named like any other.
 *
 * @throws MigrationFailure when either side cannot be read.
 */
export async function verifyUsers(
  source: pg.ClientConfig,
  target: pg.ClientConfig,
  { onEvent = () => {}, snapshot }: Pick<MigrateUsersOptions, 'onEvent' | 'snapshot'> = {},
): Promise<TableProof[]> {
  return withBothSides(source, target, snapshot, (from, db, targetSide) =>
    inTransaction(db, async (tx) => {
      await pinSettings(tx.$client);
      const { shapes } = await agreeOnShapes(from, tx.$client, targetSide, 'compare');
      const proofs: TableProof[] = [];
      for (const shape of shapes) {
        const there: Rows = { client: from.prover, side: from.side, except: [] };
        const here: Rows = { client: tx.$client, side: targetSide, except: [] };
        const proof = await compareTable(shape, there, here, {
          source: asking(from.side, () => sumTable(there, shape)),
          target: sumTable(here, shape),
        });
        onEvent({ event: 'proof', proof });
        proofs.push(proof);
      }
      return proofs;
    }),
  );
}

async function withBothSides<T>(
  source: pg.ClientConfig,
  target: pg.ClientConfig,
  snapshot: string | undefined,
  work: (from: Source, db: Database, targetSide: Side) => Promise<T>,
): Promise<T> {
  const targetSide = sideOf('target', target);
  const from = await openSource(source, snapshot);
  const pool = createPool({ connection: target, application_name: 'gatehouse migrate', max: 1 });
  try {
    return await asking(targetSide, () => work(from, createDatabase(pool), targetSide));
  } finally {
    from.close();
    await pool.end();
  }
}
