/**
 * The whole move, for practice: copied from the real source into a scratch database on the target's server, verified, reported
 * on, and removed again. Shows that it works and how long it takes, before anybody has to stand still for it.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { Connection } from '../config/connection.ts';
import { copyPortal } from '../copy/copy.ts';
import { sizeOf } from '../copy/words.ts';
import { asking, MigrationFailure } from '../migrate/failure.ts';
import { connectTo, exportSnapshot, sideOf } from '../migrate/source.sql.ts';
import { planPortal } from '../plan/plan.ts';
import { verifyPortal } from '../verify/verify.ts';
import { duration } from './criteria.ts';
import { createScratch, dropRests, dropScratch, keepScratch, mayCreateDatabases } from './rehearse.sql.ts';
import { type MigrationRecord, makeDirectory, makeReport, writeReport } from './report.ts';

export interface RehearsalStep {
  step: string;
  seconds: number;
  /** What was seen, in a few words. */
  seen: string;
}

export interface Rehearsal {
  steps: RehearsalStep[];
  /** Copying and verifying: for so long the portal would have stood still. */
  seconds: number;
  /** The scratch database; undefined where it was removed. */
  kept: string | undefined;
  reports: string[];
}

export interface RehearseOptions {
  /** The scratch database stays, to be looked at. */
  keep?: boolean;
  /** Where the report goes; none is written without. */
  out?: string | undefined;
  onBegin?: (step: string) => void;
  onStep?: (step: RehearsalStep) => void;
  clock?: () => Date;
  operator?: string;
  /** Of the process: where pg_dump is looked for. */
  env?: NodeJS.ProcessEnv;
  decryption_key_ids?: ReadonlySet<string>;
}

const APPLICATION_NAME = 'gatehouse migrate rehearse';

const number = (value: number) => value.toLocaleString('en-US');

/**
 * Moves the portal into a scratch database on the target's server and removes it again. At the target itself nothing is changed;
 * roles, which belong to a whole server, stay where the copy has made them.
 *
 * @throws MigrationFailure at the first step that does not hold, `unequal` where what arrived is not what was sent: with `keep`
 *   the scratch database stays then, too
 */
export async function rehearse(
  source: Connection,
  target: Connection,
  options: RehearseOptions = {},
): Promise<Rehearsal> {
  const { keep = false, out, onBegin = () => {}, onStep = () => {} } = options;
  const { clock = () => new Date(), operator = 'operator', env = {}, decryption_key_ids = new Set<string>() } = options;
  const side = sideOf('target', target);
  const there = sideOf('source', source);
  const steps: RehearsalStep[] = [];
  async function step<T>(name: string, work: () => Promise<T>, see: (result: T) => string): Promise<T> {
    onBegin(name);
    const began = performance.now();
    const result = await work();
    const done = { step: name, seconds: (performance.now() - began) / 1000, seen: see(result) };
    steps.push(done);
    onStep(done);
    return result;
  }

  async function move(scratch: Connection): Promise<Pick<Rehearsal, 'seconds' | 'reports'>> {
    await step(
      'plan',
      async () => {
        const plan = await planPortal(source, scratch, decryption_key_ids);
        const obstacle = plan.findings.find(({ level }) => level === 'stop');
        if (obstacle) throw new MigrationFailure('obstacle', obstacle.message);
        return plan;
      },
      ({ findings }) => `nothing stands in the way; ${number(findings.length)} things to know: gatehouse migrate plan`,
    );
    // The source lives on: what is verified is the moment that was copied.
    const reader = await asking(there, () => connectTo(source, APPLICATION_NAME));
    held.push(reader.cut);
    const snapshot = await asking(there, () => exportSnapshot(reader.client));
    const copied = await step(
      'copy',
      () => copyPortal(source, scratch, { apply: true, env, decryption_key_ids, operator, clock, snapshot }),
      ({ tables, rows, bytes, users }) => {
        const ofUsers = users?.tables.reduce((sum, table) => sum + table.rows, 0) ?? 0;
        return `${number(rows)} rows of ${number(tables.length)} tables, ${sizeOf(bytes)}; ${number(ofUsers)} rows of users and sessions`;
      },
    );
    const verified = await step(
      'verify',
      async () => {
        const verification = await verifyPortal(source, scratch, { operator, clock, snapshot });
        if (!verification.equal) throw new MigrationFailure('unequal', describeDifferences(verification));
        return verification;
      },
      ({ catalogue, rows }) => `equal: ${number(catalogue.objects)} definitions, ${number(rows)} rows, every column`,
    );
    const reports: string[] = [];
    await step(
      'report',
      async () => {
        const record = await makeReport(scratch, { now: clock(), operator });
        if (!record.ledger.intact) throw new MigrationFailure('unequal', record.ledger.fault ?? '');
        if (out !== undefined) reports.push(...(await writeReport(record, out)));
        return record;
      },
      describeRecord,
    );
    return { seconds: copied.seconds + verified.seconds, reports };
  }

  // Before hours have passed.
  if (out !== undefined) await makeDirectory(out);
  const held: (() => void)[] = [];
  const server = await asking(side, () => connectTo(target, APPLICATION_NAME));
  held.push(server.cut);
  try {
    const { name } = await step(
      'scratch database',
      () => asking(side, () => makeScratch(server.client, side.role)),
      ({ name, rests }) => (rests === 0 ? name : `${name}; ${rests} of earlier rehearsals removed`),
    );
    const scratch = { ...target, database: name };
    // Whoever is connected shows later rehearsals that this one is at work.
    const holder = await asking(side, () => connectTo(scratch, APPLICATION_NAME));
    const drop = () => asking(side, () => dropScratch(server.client, name));
    const retain = () => {
      holder.cut();
      return asking(side, () => keepScratch(server.client, name));
    };
    try {
      const moved = await move(scratch);
      const kept = keep ? await retain() : undefined;
      if (!keep) await step('clean-up', drop, () => 'the scratch database is gone');
      return { steps, kept, ...moved };
    } catch (error) {
      const isUnequal = error instanceof MigrationFailure && error.kind === 'unequal';
      if (isUnequal && keep) throw new MigrationFailure('unequal', `${error.message} ${whereToLook(await retain())}`);
      await drop().catch(() => {});
      if (isUnequal) throw new MigrationFailure('unequal', `${error.message} Rehearse with --keep to look at it.`);
      throw error;
    } finally {
      holder.cut();
    }
  } finally {
    for (const cut of held) cut();
  }
}

function whereToLook(kept: string): string {
  return `The scratch database stays: ${kept}. With it in the URL of --to, gatehouse migrate verify names everything.`;
}

async function makeScratch(client: pg.ClientBase, role: string): Promise<{ name: string; rests: number }> {
  if (!(await mayCreateDatabases(client))) {
    const sentence = `The target cannot be used: role ${role} may not create databases. As a superuser: alter role ${pg.escapeIdentifier(role)} createdb.`;
    throw new MigrationFailure('target', sentence);
  }
  const rests = await dropRests(client);
  return { name: await createScratch(client, randomBytes(4).toString('hex')), rests: rests.length };
}

function describeDifferences({
  catalogue,
  tables,
  users,
  sequences,
  large_objects,
}: Awaited<ReturnType<typeof verifyPortal>>): string {
  const named = [
    ...catalogue.drift.map(({ sentence }) => sentence),
    ...[...tables, ...users].filter(({ equal }) => !equal).map(({ table }) => `The rows of ${table} differ.`),
    ...sequences.filter(({ equal }) => !equal).map(({ sequence }) => `Sequence ${sequence} differs.`),
    ...(large_objects.equal ? [] : ['Large objects differ.']),
  ];
  const more = named.length > 5 ? ` And ${number(named.length - 5)} more.` : '';
  return `What arrived is not what was sent: ${named.slice(0, 5).join(' ')}${more}`;
}

function describeRecord({ criteria, ledger }: MigrationRecord): string {
  const count = (verdict: string) => criteria.filter((of) => of.verdict === verdict).length;
  return `${count('shown')} of ${criteria.length} criteria shown, ${count('not met')} not met; the ledger's ${ledger.entries} entries hold together`;
}

/** How long it took, for whoever plans the window. */
export function describeRehearsal({ seconds }: Rehearsal): string {
  return `Copy and verification took ${duration(seconds)}: for so long, and a little more, the portal has to stand still.`;
}
