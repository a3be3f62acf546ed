/**
 * Carries users, identities, password hashes, second factors and live sessions from a Supabase project into ours: one
 * frozen view of the source, one transaction at the target, and in that transaction, before it commits, the proof that
 * both are equal. So either everything is there and proven, or nothing has changed.
 */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Action, AuditEvent } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { createDatabase, type Database, inTransaction, type Tx } from '../db/database.ts';
import { createPool } from '../db/pool.ts';
import type { Caller } from '../http/caller.ts';
import {
  advanceTokenSequence,
  copyRows,
  hasAnyOf,
  listKeys,
  rememberLoaded,
  switchTrigger,
  turnTriggers,
  wasImported,
} from './copy.sql.ts';
import { asking, explain, MigrationFailure, type Side } from './failure.ts';
import { appendToLedger, type LedgerEntry, lockMigrations } from './ledger.sql.ts';
import {
  type KeptRow,
  listConflicts,
  listKept,
  listOrphans,
  type MergeCounts,
  makeKept,
  makeStage,
  mergeStaged,
  STAGED,
} from './merge.sql.ts';
import { type MigrationPlan, type Preparation, preparePlan } from './plan.ts';
import { type Rows, sumTable } from './proof.sql.ts';
import { compareTable, type TableProof } from './proof.ts';
import { targetTable } from './row.sql.ts';
import { openSource, pinSettings, type Source, sideOf } from './source.sql.ts';
import type { TableShape } from './tables.ts';

/** What became of one table. */
export interface TableOutcome extends MergeCounts {
  table: string;
  rows: number;
}

export type MigrationEvent =
  | { event: 'plan'; plan: MigrationPlan }
  | { event: 'started'; run_id: string }
  | { event: 'progress'; table: string; rows: number; of: number }
  | { event: 'table'; outcome: TableOutcome }
  | { event: 'proof'; proof: TableProof }
  | { event: 'committing' }
  | { event: 'finished'; report: MigrationReport };

export interface MigrateUsersOptions {
  /** Without it nothing is changed: the plan alone is made. */
  apply?: boolean;
  /** Hears of every step as it happens. */
  onEvent?: (event: MigrationEvent) => void;
  clock?: () => Date;
  /** Who runs it, for the audit log. */
  operator?: string;
  /** Keys of GoTrue's column encryption that the service will have. */
  decryption_key_ids?: ReadonlySet<string>;
  /** How long another run is waited for. */
  lock_wait_seconds?: number;
  /** How long no byte may move during a copy. */
  stall_seconds?: number;
}

export interface MigrationReport {
  run_id: string | undefined;
  applied: boolean;
  plan: MigrationPlan;
  tables: TableOutcome[];
  proofs: TableProof[];
  /** Rows that changed on both sides since the last run, and were left as they are at the target. */
  conflicts: KeptRow[];
  /** Head of the ledger's chain after this run, hex. */
  ledger_hash: string | undefined;
}

/** A target with no more rows than this may be loaded into directly, when none of them is the source's. */
const FEW_ROWS = 1000;
const NAMED_CONFLICTS = 1000;

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
  const { apply = false, onEvent = () => {}, decryption_key_ids = new Set() } = options;
  return withBothSides(source, target, async (from, db, targetSide) => {
    const preparation = await inTransaction(db, async (tx) => {
      await pinSettings(tx.$client);
      return preparePlan(from, tx.$client, targetSide, decryption_key_ids);
    });
    const { plan } = preparation;
    onEvent({ event: 'plan', plan });
    const unchanged = {
      run_id: undefined,
      applied: false,
      plan,
      tables: [],
      proofs: [],
      conflicts: [],
      ledger_hash: undefined,
    };
    if (!apply) return unchanged;
    const obstacle = plan.findings.find(({ level }) => level === 'stop');
    if (obstacle) throw new MigrationFailure('target', obstacle.message);

    const run = startRun(from, targetSide, preparation, options);
    await inTransaction(db, (tx) => begin(tx, run));
    onEvent({ event: 'started', run_id: run.id });
    try {
      const report = await inTransaction(db, (tx) => carryOver(tx, run));
      onEvent({ event: 'finished', report });
      return report;
    } catch (error) {
      const explained = explain(error, targetSide);
      // Where the target itself is gone, the ledger keeps the run's beginning alone.
      await inTransaction(db, (tx) => fail(tx, run, explained)).catch(() => {});
      throw explained;
    }
  });
}

/**
 * Compares every row and column at the target that was imported with the source as it is now; nothing is changed. Rows
 * that the service has changed since (a sign-in, a refreshed session) are named like any other.
 *
 * @throws MigrationFailure when either side cannot be read.
 */
export async function verifyUsers(
  source: pg.ClientConfig,
  target: pg.ClientConfig,
  { onEvent = () => {} }: Pick<MigrateUsersOptions, 'onEvent'> = {},
): Promise<TableProof[]> {
  return withBothSides(source, target, (from, db, targetSide) =>
    inTransaction(db, async (tx) => {
      await pinSettings(tx.$client);
      const { shapes } = await preparePlan(from, tx.$client, targetSide, new Set());
      const proofs: TableProof[] = [];
      for (const shape of shapes) {
        const there: Rows = { client: from.prover, side: from.side, except: [] };
        const here: Rows = { client: tx.$client, side: targetSide, except: [] };
        const proof = await compareTable(
          shape,
          there,
          here,
          asking(from.side, () => sumTable(there, shape)),
        );
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
  work: (from: Source, db: Database, targetSide: Side) => Promise<T>,
): Promise<T> {
  const targetSide = sideOf('target', target);
  const from = await openSource(source);
  const pool = createPool({ connection: target, application_name: 'gatehouse migrate', max: 1 });
  try {
    return await asking(targetSide, () => work(from, createDatabase(pool), targetSide));
  } finally {
    from.close();
    await pool.end();
  }
}

/** One application of a plan. */
interface Run extends Preparation {
  id: string;
  from: Source;
  targetSide: Side;
  onEvent: (event: MigrationEvent) => void;
  clock: () => Date;
  operator: string;
  lock_wait_seconds: number;
  stall_seconds: number;
}

function startRun(
  from: Source,
  targetSide: Side,
  preparation: Preparation,
  {
    onEvent = () => {},
    clock = () => new Date(),
    operator = 'operator',
    lock_wait_seconds = 10,
    stall_seconds = 120,
  }: MigrateUsersOptions,
): Run {
  return {
    ...preparation,
    id: randomUUID(),
    from,
    targetSide,
    onEvent,
    clock,
    operator,
    lock_wait_seconds,
    stall_seconds,
  };
}

/** Takes the lock that keeps runs apart, until the transaction ends. */
async function lock(tx: Tx, { targetSide, lock_wait_seconds }: Run): Promise<void> {
  if (await lockMigrations(tx.$client, lock_wait_seconds)) return;
  throw new MigrationFailure(
    'busy',
    `Another migration is at work on ${targetSide.address}. Wait until it has ended, then run again.`,
  );
}

const write = (tx: Tx, run: Run, step: LedgerEntry['step'], details: LedgerEntry['details']) =>
  appendToLedger(tx.$client, { run_id: run.id, at: run.clock(), step, details });

/** A command has no request: the audit log learns what was run, and who ran it from the event itself. */
const callerOf = (run: Run): Caller => ({
  request_id: run.id,
  ip: '127.0.0.1',
  user_agent: undefined,
  method: 'COMMAND',
  path: 'migrate users',
});

async function audit(tx: Tx, run: Run, action: Action, outcome: AuditEvent['outcome'], details: AuditEvent['details']) {
  const actor = { role: 'operator', username: run.operator };
  await record(
    tx,
    { action, outcome, actor, details: { run_id: run.id, ...details } },
    { caller: callerOf(run), now: run.clock() },
  );
}

async function begin(tx: Tx, run: Run): Promise<void> {
  await lock(tx, run);
  const { source, target, tables } = run.plan;
  await write(tx, run, 'started', { source, target, tables });
  await audit(tx, run, 'migration_started', 'success', { source: source.address, target: target.address });
}

async function fail(tx: Tx, run: Run, error: unknown): Promise<void> {
  await lock(tx, run);
  // Our own sentence holds no row's values; a fault's message might.
  const reason = error instanceof MigrationFailure ? error.message : 'unexpected fault';
  await write(tx, run, 'failed', { reason });
  await audit(tx, run, 'migration_failed', 'failure', { reason });
}

async function carryOver(tx: Tx, run: Run): Promise<MigrationReport> {
  const target = tx.$client;
  const { from, targetSide, shapes, plan, onEvent } = run;
  await lock(tx, run);
  await pinSettings(target);
  await makeKept(target);

  const foreignKeysOff = plan.target.may_replicate;
  await silenceTriggers(target, run, 'off');
  const tables: TableOutcome[] = [];
  const proving: (() => Promise<TableProof>)[] = [];
  let idle: Promise<unknown> = Promise.resolve();
  for (const shape of shapes) {
    const outcome = await carryTable(target, run, shape);
    tables.push(outcome);
    onEvent({ event: 'table', outcome });
    // The source sums up one table after the other on its second connection while the next are copied on the first.
    const except = await listKept(target, shape);
    const there: Rows = { client: from.prover, side: from.side, except };
    const sum = idle.then(() => asking(from.side, () => sumTable(there, shape)));
    idle = sum.catch(() => {});
    proving.push(() => compareTable(shape, there, { client: target, side: targetSide, except }, sum));
  }
  if (foreignKeysOff) await refuseOrphans(target, shapes);

  const proofs: TableProof[] = [];
  for (const prove of proving) {
    const proof = await prove();
    onEvent({ event: 'proof', proof });
    proofs.push(proof);
  }
  const unequal = proofs.filter(({ equal }) => !equal);
  if (unequal.length > 0) throw new MigrationFailure('unequal', describeInequality(unequal));

  const conflicts = await listConflicts(target, NAMED_CONFLICTS);
  await silenceTriggers(target, run, 'on');
  if (shapes.some(({ name }) => name === 'refresh_tokens')) await advanceTokenSequence(target);
  for (const outcome of tables) await write(tx, run, 'table_copied', { ...outcome });
  await write(tx, run, 'proved', { proofs });
  const ledger_hash = await write(tx, run, 'finished', { conflicts });
  const counts = Object.fromEntries(tables.map(({ table, rows }) => [table, rows]));
  await audit(tx, run, 'migration_finished', 'success', { rows: counts, conflicts: conflicts.length, ledger_hash });
  onEvent({ event: 'committing' });
  return { run_id: run.id, applied: true, plan, tables, proofs, conflicts, ledger_hash };
}

/** The portal's triggers on schema auth: `handle_new_user` would give every carried user a second profile. */
async function silenceTriggers(
  target: pg.ClientBase,
  { plan, portalTriggers }: Run,
  state: 'on' | 'off',
): Promise<void> {
  if (plan.target.may_replicate) return turnTriggers(target, state);
  for (const { table, name } of portalTriggers) await switchTrigger(target, table, name, state);
}

async function carryTable(target: pg.ClientBase, run: Run, shape: TableShape): Promise<TableOutcome> {
  const { from, targetSide, plan, stall_seconds, onEvent } = run;
  const { name: table } = shape;
  const of = plan.tables.find((planned) => planned.table === table)?.source_rows ?? 0;
  const direct = await mayLoadDirectly(target, from, shape);
  const copying = {
    into: direct ? targetTable(shape) : STAGED,
    onRows: (rows: number) => onEvent({ event: 'progress', table, rows, of }),
    stall_seconds,
  };
  if (!direct) await makeStage(target, shape);
  const rows = await copyRows(from, target, targetSide, shape, copying);
  if (direct) {
    await rememberLoaded(target, shape);
    return { table, rows, inserted: rows, updated: 0, deleted: 0, unchanged: 0, kept: 0, conflicts: 0 };
  }
  return { table, rows, ...(await mergeStaged(target, shape, { foreignKeysOff: plan.target.may_replicate })) };
}

/** Whether the source's rows can only be new here, so that they need not be compared with anything. */
async function mayLoadDirectly(target: pg.ClientBase, { copier, side }: Source, shape: TableShape): Promise<boolean> {
  if (await wasImported(target, shape)) return false;
  const keys = await listKeys(target, shape, FEW_ROWS);
  if (keys === undefined) return false;
  return keys.length === 0 || !(await asking(side, () => hasAnyOf(copier, shape, keys)));
}

/** Foreign keys were off while the rows were copied, so they are checked here. */
async function refuseOrphans(target: pg.ClientBase, shapes: readonly TableShape[]): Promise<void> {
  for (const shape of shapes) {
    const [orphan] = await listOrphans(target, shape, 1);
    if (orphan) {
      throw new MigrationFailure(
        'source',
        `Row ${orphan.key} of auth.${orphan.table} refers to a row that does not exist. Remove it at the source and run again.`,
      );
    }
  }
}

function describeInequality(unequal: readonly TableProof[]): string {
  const first = unequal.flatMap(({ differing }) => differing)[0];
  const example = first
    ? ` For one, row ${first.key} of auth.${first.table} is ${first.difference}${first.columns.length > 0 ? ` in ${first.columns.join(', ')}` : ''}.`
    : '';
  return `The copy of auth.${unequal.map(({ table }) => table).join(', auth.')} is not equal to the source.${example} Nothing was changed at the target.`;
}
