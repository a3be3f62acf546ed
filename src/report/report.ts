/**
 * The report of a migration, for whoever has to sign for it: what moved, what was compared, by whom, when and how long, what
 * differs, and each success criterion with what shows it or that nothing does. Built from the ledger, whose chain is walked
 * first, and from what the target says of itself; nothing is changed.
 */
import { randomUUID } from 'node:crypto';
import { access, constants, mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pg from 'pg';
import type { Connection } from '../config/connection.ts';
import { asking, MigrationFailure } from '../migrate/failure.ts';
import { listLedger, listOperators } from '../migrate/ledger.sql.ts';
import { type LedgerVerdict, verifyLedger } from '../migrate/ledger.ts';
import { sideOf } from '../migrate/source.sql.ts';
import { version } from '../version.ts';
import { type Backups, type Criterion, judge, lastComparison } from './criteria.ts';
import { reportPage } from './page.ts';
import {
  beginReading,
  countSince,
  findLastExpiry,
  listBackups,
  readTargetFacts,
  type SinceTheMove,
  type TargetFacts,
} from './report.sql.ts';
import { type ReportedRun, readRuns } from './runs.ts';

export interface MigrationRecord {
  made: { at: string; by: string; gatehouse: string };
  target: TargetFacts & { address: string };
  criteria: Criterion[];
  ledger: LedgerVerdict;
  runs: ReportedRun[];
  /** The run whose comparison is the last word; undefined where none compared anything. */
  last_comparison: string | undefined;
  since: SinceTheMove | undefined;
  backups: Backups;
}

export interface ReportOptions {
  now: Date;
  /** Who asks for it. */
  operator: string;
  /** Where what is reported came from; undefined for whatever did. */
  from?: Connection | undefined;
}

/**
 * @throws MigrationFailure when the target cannot be read or has no ledger, and `usage` where nothing came from `from`
 */
export async function makeReport(connection: Connection, options: ReportOptions): Promise<MigrationRecord> {
  const side = sideOf('target', connection);
  return asking(side, async () => {
    const client = new pg.Client({
      ...connection,
      application_name: 'gatehouse migrate report',
      connectionTimeoutMillis: 10_000,
    });
    client.on('error', () => {});
    await client.connect();
    try {
      const { has_ledger } = await beginReading(client);
      if (!has_ledger) {
        throw new MigrationFailure(
          'target',
          `The target has no ledger of migrations (${side.address}): nothing was moved there.`,
        );
      }
      return await readRecord(client, connection, side.address, options);
    } finally {
      await client.end();
    }
  });
}

async function readRecord(
  client: pg.Client,
  { ssl, host }: Connection,
  address: string,
  { now, operator, from }: ReportOptions,
): Promise<MigrationRecord> {
  const ledger = await verifyLedger(client);
  const runs = readRuns(await listLedger(client), await listOperators(client));
  if (from) refuseOtherSource(sideOf('source', from).address, address, runs);
  const target = await readTargetFacts(client);
  const moved = runs.findLast(({ moved, outcome }) => outcome === 'finished' && moved.length > 0);
  const backups = { made: await listBackups(client), last_expiry: await findLastExpiry(client) };
  const since = moved?.ended_at ? await countSince(client, moved.ended_at) : undefined;
  const transport = {
    local: host.startsWith('/') || ['localhost', '127.0.0.1', '::1'].includes(host),
    verified: ssl !== false && ssl.rejectUnauthorized !== false && ssl.checkServerIdentity === undefined,
  };
  return {
    made: { at: now.toISOString(), by: operator, gatehouse: version },
    target: { address, ...target },
    criteria: judge({ runs, ledger, target, transport, since, backups }),
    ledger,
    runs,
    last_comparison: lastComparison({ runs, since })?.run_id,
    since,
    backups,
  };
}

function refuseOtherSource(from: string, to: string, runs: readonly ReportedRun[]): void {
  if (runs.some(({ source }) => source?.address === from)) return;
  throw new MigrationFailure('usage', `Nothing came from ${from} to ${to}: leave --from out for a report of what did.`);
}

/**
 * Writes the report as HTML and as JSON, for nobody else on this machine to read; resolves to the two paths.
 *
 * @throws MigrationFailure when the directory cannot be made or written to
 */
export async function writeReport(record: MigrationRecord, directory: string): Promise<string[]> {
  const contents = { html: reportPage(record), json: `${JSON.stringify(record, null, 2)}\n` };
  const paths: string[] = [];
  await makeDirectory(directory);
  try {
    for (const [ending, content] of Object.entries(contents)) {
      const path = join(directory, `migration-report.${ending}`);
      // Renamed when it is whole: what was there before keeps neither its rights nor half of its lines, and what it leads to
      // is not written to.
      const partial = `${path}.${randomUUID()}.partial`;
      await writeFile(partial, content, { mode: 0o600, flag: 'wx' });
      await rename(partial, path);
      paths.push(path);
    }
  } catch (error) {
    throw unwritable(directory, error);
  }
  return paths;
}

/**
 * The directory of a report is there, for its owner alone where it was missing, and can be written to.
 *
 * @throws MigrationFailure `usage` where it cannot
 */
export async function makeDirectory(directory: string): Promise<void> {
  try {
    await makeWhole(directory);
    await access(directory, constants.W_OK);
  } catch (error) {
    throw unwritable(directory, error);
  }
}

/** With what is missing above it. Node's own `recursive` never ends where nothing can be made, as in /proc. */
async function makeWhole(directory: string): Promise<void> {
  const make = () => mkdir(directory, { mode: 0o700 });
  try {
    await make();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(directory)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(directory) === directory) throw error;
    await makeWhole(dirname(directory));
    await make();
  }
}

function unwritable(directory: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  return new MigrationFailure('usage', `The report cannot be written to ${directory} (${code}): name another --out.`);
}
