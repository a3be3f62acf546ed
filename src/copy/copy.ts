/**
 * Copies a whole portal into ours: its roles, schemas and rows, and its users, hashes and sessions, all as they were at one
 * moment of the source. Each step is committed with the note that it is done, so a run that is broken off at any point is run
 * again and goes on; until the last step the copy says of itself that it is not complete.
 */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { createDatabase, type Database } from '../db/database.ts';
import { findPgTools } from '../db/pg-tools.ts';
import { createPool } from '../db/pool.ts';
import { applySchemaChanges } from '../db/schema-changes.ts';
import { MigrationFailure, type Side } from '../migrate/failure.ts';
import type { RecordedRun } from '../migrate/record.ts';
import type { MigrationEvent, MigrationReport } from '../migrate/run.ts';
import { connectTo, exportSnapshot, heard, type Line, pinSettings, readAt, sideOf } from '../migrate/source.sql.ts';
import { migrateUsers } from '../migrate/users.ts';
import { dropMade } from '../portal/objects.sql.ts';
import { refuseSharedBackends } from '../portal/pooler.ts';
import type { Substitute } from '../portal/rights.sql.ts';
import { analyzeTable, findRewritten, horizonOf, lockPortalTables, type PortalTable } from '../portal/tables.sql.ts';
import { type Archive, dumpDefinitions } from './archive.ts';
import {
  beginAnew,
  endOrphans,
  insertCopy,
  lacksTables,
  listSteps,
  lockCopies,
  type StepDetails,
} from './copies.sql.ts';
import { finishDefinitions, makeDefinitions, makeKeys } from './definitions.ts';
import { askingCopy, explainCopy } from './failure.ts';
import { aboutDefaults } from './findings.ts';
import { copyFlows, listFlowColumns, takeInFlows } from './flows.sql.ts';
import { copyHistory, hasHistory, takeInHistory } from './history.sql.ts';
import { pipeRows } from './pipe.ts';
import { type CopyPlan, type CopyPreparation, prepareCopy } from './plan.ts';
import { recordBeginning, recordEnd, recordFailure } from './record.ts';
import { copyLargeObjects, copyTables, listKept, type TableCopy } from './rows.ts';

/** Shown in pg_stat_activity; what bears it and belongs to no living copy is ended by the next one. */
const APPLICATION_NAME = 'gatehouse migrate copy';

/** So many pairs of connections move rows: with the one that holds the snapshot, four at the source. */
const JOBS = 3;

const PART_BYTES = 128 * 1024 * 1024;

export interface CopyReport {
  applied: boolean;
  plan: CopyPlan;
  run_id: string | undefined;
  copy_id: string | undefined;
  tables: TableCopy[];
  rows: number;
  bytes: number;
  large_objects: number;
  sequences: number;
  /** Entries of Supabase Auth's audit log that became history here. */
  history: number;
  users: MigrationReport | undefined;
  /** What could not be given as it was, in sentences. */
  notes: string[];
  seconds: number;
  /** Head of the ledger's chain after this run, hex. */
  ledger_hash: string | undefined;
}

export type CopyEvent =
  | { event: 'plan'; plan: CopyPlan }
  | { event: 'started'; run_id: string; resumes: boolean }
  | { event: 'step'; step: string }
  | { event: 'progress'; bytes: number; of: number; rows: number }
  | { event: 'table'; table: TableCopy }
  | { event: 'users'; users: MigrationEvent }
  | { event: 'finished'; report: CopyReport };

export interface CopyOptions {
  /** Without it nothing is changed: the plan alone is made. */
  apply?: boolean;
  /** Hears of every step as it happens. */
  onEvent?: (event: CopyEvent) => void;
  clock?: () => Date;
  /** Who runs it, for the audit log. */
  operator?: string;
  /** Of the process: where pg_dump is looked for. */
  env?: NodeJS.ProcessEnv;
  /** Keys of GoTrue's column encryption that the service will have. */
  decryption_key_ids?: ReadonlySet<string>;
  /** How long no byte may move, and a side may say nothing before it is asked whether it is at work. */
  stall_seconds?: number;
  /** A table of more bytes than this is read in parts, by as many connections as there are. */
  part_bytes?: number;
  /** A snapshot of the source that the caller has exported and holds: the portal is that of its moment. */
  snapshot?: string | undefined;
}

/** What a copy goes by, without the catalogue, which is the largest thing that this program ever holds. */
interface Preparation extends Omit<CopyPreparation, 'catalogue'> {
  /** Of its default privileges, in sentences. */
  aboutDefaults: string[];
}

/** A copy at work: what its steps share. */
export interface Copying
  extends Preparation,
    RecordedRun,
    Required<Omit<CopyOptions, 'apply' | 'decryption_key_ids' | 'snapshot'>> {
  copy_id: string;
  sides: { source: Side; target: Side };
  configs: { source: pg.ClientConfig; target: pg.ClientConfig };
  snapshot: string;
  /** Of the snapshot: rows of older transactions are in it. */
  horizon: string;
  /** Holds the snapshot and the locks at the source. */
  holder: pg.Client;
  /** Of an earlier run, and by and by of this one. */
  steps: Map<string, StepDetails>;
  archive: Archive;
  substitute: Substitute;
  jobs: number;
  /** A further connection, ended with the copy. */
  connect(side: 'source' | 'target'): Promise<pg.Client>;
  /** Fires when the copy stops. */
  signal: AbortSignal;
  notes: string[];
}

/**
 * Copies the portal, or, without `apply`, says what that would mean. A run that was broken off is run again and ends as if
 * nothing had happened; one that is complete is not repeated.
 *
 * @throws MigrationFailure in one sentence.
 */
export async function copyPortal(
  source: pg.ClientConfig,
  target: pg.ClientConfig,
  options: CopyOptions = {},
): Promise<CopyReport> {
  const { apply = false, onEvent = () => {}, env = {}, decryption_key_ids = new Set<string>() } = options;
  const { clock = () => new Date(), operator = 'operator', stall_seconds = 120, part_bytes = PART_BYTES } = options;
  const began = performance.now();
  const sides = { source: sideOf('source', source), target: sideOf('target', target) };
  const configs = { source, target };
  const lines: Line[] = [];
  const aborter = new AbortController();
  const connect = (side: 'source' | 'target', application_name = APPLICATION_NAME) =>
    askingCopy(sides[side], async () => {
      const line = await connectTo(configs[side], application_name, stall_seconds);
      lines.push(line);
      return line.client;
    });

  let db: Database | undefined;
  let begun: Copying | undefined;
  try {
    const holder = await connect('source');
    await askingCopy(sides.source, () => refuseSharedBackends(holder, () => connect('source')));
    const snapshot = await askingCopy(sides.source, () =>
      options.snapshot === undefined ? exportSnapshot(holder) : readAt(holder, options.snapshot),
    );
    const control = await connect('target', 'gatehouse migrate');
    await askingCopy(sides.target, () => pinSettings(control, 'session'));
    const [there, here] = [heard(holder, sides.source, explainCopy), heard(control, sides.target, explainCopy)];
    const preparation = await prepare(there, here, sides);
    const { plan, scope } = preparation;
    onEvent({ event: 'plan', plan });
    const report = emptyReport(preparation);
    if (plan.complete_since !== undefined || !apply) return report;
    const obstacle = plan.findings.find(({ level }) => level === 'stop');
    if (obstacle) throw new MigrationFailure('obstacle', obstacle.message);

    const tools = await askingCopy(sides.source, () => findPgTools(plan.source.version, env));
    const pool = createPool({ connection: target, application_name: 'gatehouse migrate', max: 1 });
    db = createDatabase(pool);
    await askingCopy(sides.target, () => applySchemaChanges(pool));
    await askingCopy(sides.target, () => holdTarget(control, sides.target));
    await askingCopy(sides.source, () => holdTables(holder, preparation.tables));
    await using archive = await askingCopy(sides.source, () =>
      dumpDefinitions(source, {
        tools,
        env,
        application_name: APPLICATION_NAME,
        snapshot,
        leave: scope.treatments.filter(({ treatment }) => treatment !== 'moves').map(({ name }) => name),
        target_major: plan.target.version,
        signal: aborter.signal,
      }),
    );

    const run_id = randomUUID();
    const copy_id = preparation.copy?.id ?? randomUUID();
    const copying: Copying = {
      ...preparation,
      run_id,
      command: 'migrate copy',
      copy_id,
      sides,
      configs,
      snapshot,
      horizon: await askingCopy(sides.source, () => horizonOf(holder)),
      holder,
      archive,
      steps: new Map(),
      substitute: substituteIn(preparation),
      jobs: JOBS,
      connect,
      signal: aborter.signal,
      notes: report.notes,
      onEvent,
      clock,
      operator,
      env,
      stall_seconds,
      part_bytes,
    };
    begun = copying;
    await recordBeginning(db, copying, async (tx) => {
      if (preparation.copy) return;
      const { address: source_address } = sides.source;
      const { source_identity } = preparation;
      await insertCopy(tx.$client, { id: copy_id, source_address, source_identity, at: clock() });
    });
    onEvent({ event: 'started', run_id, resumes: plan.resumes });

    const done = await work(copying, control, decryption_key_ids);
    Object.assign(report, done, { applied: true, run_id, copy_id, seconds: (performance.now() - began) / 1000 });
    report.ledger_hash = await recordEnd(db, copying, report);
    onEvent({ event: 'finished', report });
    return report;
  } catch (error) {
    aborter.abort();
    const explained = explainCopy(error, sides.target);
    // Where the target itself is gone, the ledger keeps the run's beginning alone.
    if (db && begun) await recordFailure(db, begun, explained).catch(() => {});
    throw explained;
  } finally {
    for (const { cut } of lines) cut();
    await db?.$client.end();
  }
}

async function prepare(...sides: Parameters<typeof prepareCopy>): Promise<Preparation> {
  const { catalogue, ...preparation } = await prepareCopy(...sides);
  return { ...preparation, aboutDefaults: aboutDefaults(catalogue) };
}

function emptyReport({ plan, copy }: Preparation): CopyReport {
  return {
    applied: false,
    plan,
    run_id: undefined,
    copy_id: copy?.id,
    tables: [],
    rows: 0,
    bytes: 0,
    large_objects: 0,
    sequences: 0,
    history: 0,
    users: undefined,
    notes: [],
    seconds: 0,
    ledger_hash: undefined,
  };
}

/** From here on no other copy writes there, and none that was killed does any more. */
async function holdTarget(control: pg.Client, { address }: Side): Promise<void> {
  if (!(await lockCopies(control))) {
    throw new MigrationFailure(
      'busy',
      `Another copy is at work on ${address}. Wait until it has ended, then run again.`,
    );
  }
  await endOrphans(control, APPLICATION_NAME);
}

/** From here on no table of the portal is dropped, rewritten or emptied, and none has been since the snapshot. */
async function holdTables(holder: pg.Client, tables: readonly PortalTable[]): Promise<void> {
  await lockPortalTables(holder, tables);
  const rewritten = await findRewritten(holder, tables);
  if (rewritten) {
    throw new MigrationFailure('source', `${rewritten} was rewritten while the copy began. Run the command again.`);
  }
}

function substituteIn({ scope, facts }: Preparation): Substitute {
  const becomes = new Map(scope.roles.map((role) => [role.name, role.becomes]));
  return (role) => {
    // PostgreSQL's own roles are in every server.
    if (role.startsWith('pg_') || becomes.get(role) === 'itself') return role;
    return becomes.get(role) === 'owner' ? facts.role : undefined;
  };
}

/** The steps, in their order; those that an earlier run has done and that still hold are passed over. */
async function work(copying: Copying, control: pg.Client, decryption_key_ids: ReadonlySet<string>) {
  const { sides, configs, snapshot, onEvent, clock, operator } = copying;
  const begin = (step: string) => onEvent({ event: 'step', step });

  begin('what there is');
  copying.steps = await askingCopy(sides.target, () => listSteps(control, copying.copy_id));
  const kept = await keepWhatHolds(copying, control);

  begin('roles, extensions and definitions');
  await makeDefinitions(copying, control);

  begin('users');
  const users = await migrateUsers(configs.source, configs.target, {
    apply: true,
    decryption_key_ids,
    snapshot,
    clock,
    operator,
    onEvent: (event) => onEvent({ event: 'users', users: event }),
  });

  begin('rows');
  const copied = await copyTables(copying, kept);
  const large_objects = await copyLargeObjects(copying, control);

  begin('indexes and keys');
  await makeKeys(copying, control);

  begin('triggers, policies and rights');
  const sequences = await finishDefinitions(copying, control);

  begin('history');
  const history = await carryBeside(copying, control);

  begin('statistics');
  await analyzeTables(copying, control);
  return {
    tables: copied,
    rows: copied.reduce((sum, { rows }) => sum + rows, 0),
    bytes: copied.reduce((sum, { bytes }) => sum + bytes, 0),
    large_objects,
    sequences,
    history,
    users,
  };
}

/** Lets the planner know what came, some tables at once: until then it would guess. */
async function analyzeTables({ tables, jobs, connect, sides }: Copying, control: pg.Client): Promise<void> {
  const waiting = [...tables];
  const others = Array.from({ length: Math.min(jobs, waiting.length) - 1 }, () => connect('target'));
  const clients = [control, ...(await Promise.all(others))];
  await Promise.all(
    clients.map((client) =>
      askingCopy(sides.target, async () => {
        for (let table = waiting.shift(); table; table = waiting.shift()) await analyzeTable(client, table);
      }),
    ),
  );
}

/**
 * The tables of an earlier run that need not be copied again. Where definitions have changed since, a table that was made has
 * been dropped, or rows have changed since keys were made of them, none does: what was made is taken away, and the copy begins with its first step.
 */
async function keepWhatHolds(copying: Copying, control: pg.Client) {
  const { archive, copy, copy_id, steps, scope, sides, tables } = copying;
  const made = tables.map(({ identity }) => identity);
  if (copy?.definitions === archive.hash && !(await askingCopy(sides.target, () => lacksTables(control, made)))) {
    const kept = await listKept(copying);
    if (kept.size === tables.length || !steps.has('keys begun')) return kept;
  }
  await askingCopy(sides.target, async () => {
    if (copy?.definitions) await dropMade(control, scope.schemas);
    await beginAnew(control, copy_id, archive.hash);
  });
  // Large objects are in no schema: what was made of them is known by this.
  for (const step of steps.keys()) if (step !== 'large objects') steps.delete(step);
  return new Map<never, never>();
}

/** What of schema auth is not a user: sign-ins under way, and the old audit log, which becomes history. */
async function carryBeside({ holder, run_id, sides, stall_seconds }: Copying, control: pg.Client): Promise<number> {
  const audited = await askingCopy(sides.source, () => hasHistory(holder));
  const there = await askingCopy(sides.source, () => listFlowColumns(holder));
  return askingCopy(sides.target, async () => {
    const putAside = async ({ make, ...statements }: typeof copyHistory) => {
      await control.query(make);
      await pipeRows({ source: holder, target: control }, statements, { sides, stall_seconds, onBytes: () => {} });
    };
    const columns = (await listFlowColumns(control)).filter((name) => there.includes(name));
    await control.query('begin');
    if (columns.length > 0) {
      await putAside(copyFlows(columns));
      await takeInFlows(control, columns);
    }
    if (audited) await putAside(copyHistory);
    const history = audited ? await takeInHistory(control, run_id) : 0;
    await control.query('commit');
    return history;
  });
}
