/**
 * What moving a whole portal would mean: both servers, everything the portal consists of, who its users are, what stands in
 * the way and what somebody must decide. Both sides are read in transactions that cannot write.
 */
import type pg from 'pg';
import { readCatalogue } from '../catalogue/catalogue.ts';
import { aboutPolicies } from '../copy/findings.ts';
import { prepareCopy } from '../copy/plan.ts';
import { findPgTools, PgToolsMissing } from '../db/pg-tools.ts';
import { listColumns, listTables } from '../migrate/catalogue.sql.ts';
import { type Census, takeCensus } from '../migrate/census.sql.ts';
import { asking, MigrationFailure, type Side } from '../migrate/failure.ts';
import { censusFindings, type Finding, preparePlan } from '../migrate/plan.ts';
import { checkSource } from '../migrate/shapes.ts';
import { connectTo, exportSnapshot, heard, type Line, sideOf } from '../migrate/source.sql.ts';
import { refuseSharedBackends } from '../portal/pooler.ts';
import { type PortalScope, portalScope } from '../portal/scope.ts';
import { portalFindings, readingFindings, serverFindings, serviceFindings } from './findings.ts';
import { type InventoryLine, takeInventory } from './inventory.ts';
import {
  hasGatehouse,
  listToolFunctions,
  listUnreadable,
  readServer,
  readServiceHoldings,
  readSizes,
  type Server,
  type ServiceHoldings,
  type Sizes,
} from './plan.sql.ts';

const APPLICATION_NAME = 'gatehouse migrate plan';

export interface PortalPlan {
  source: Side & Server;
  /** Undefined where none was named. */
  target: (Side & Server) | undefined;
  /** How far the target's clock is ahead of the source's. */
  clock_skew_seconds: number | undefined;
  scope: PortalScope;
  inventory: InventoryLine[];
  census: Census;
  sizes: Sizes;
  holdings: ServiceHoldings;
  estimate: Estimate;
  /** What stands in the way first, then what somebody will notice, then what is good to know. */
  findings: Finding[];
}

export interface Estimate {
  /** Both servers beside each other, and over a line of 100 Mbit/s. */
  copy_seconds: { near: number; far: number };
  verify_seconds: { near: number; far: number };
  /** What the target's disk takes: rows and indexes, and as much again for its log while they arrive. */
  disk_bytes: number;
}

/** Measured on two cores with both servers on them; a table is read at the same rate to be verified, on both sides at once. */
const NEAR_BYTES_PER_SECOND = 40e6;
const FAR_BYTES_PER_SECOND = 10e6;

/**
 * Looks at both databases and changes neither.
 *
 * @param decryption_key_ids Keys of GoTrue's column encryption that the service will have.
 * @param env Of the process: where pg_dump is looked for.
 * @param stall_seconds How long a side may say nothing before it is asked whether it is at work.
 * @throws MigrationFailure in one sentence when either side cannot be read.
 */
export async function planPortal(
  source: pg.ClientConfig,
  target: pg.ClientConfig | undefined,
  decryption_key_ids: ReadonlySet<string> = new Set(),
  env: NodeJS.ProcessEnv = {},
  stall_seconds?: number,
): Promise<PortalPlan> {
  const lines: Line[] = [];
  const connect = async (side: Side, config: pg.ClientConfig) => {
    const line = await connectTo(config, APPLICATION_NAME, stall_seconds);
    lines.push(line);
    return heard(line.client, side);
  };
  const open = async (side: Side, config: pg.ClientConfig): Promise<Place> =>
    asking(side, async () => {
      const client = await connect(side, config);
      if (side.name === 'source') await refuseSharedBackends(client, () => connect(side, config));
      await exportSnapshot(client);
      return { client, side, server: await readServer(client) };
    });
  try {
    const from = await open(sideOf('source', source), source);
    const into = target && (await open(sideOf('target', target), target));
    const clock_skew_seconds = into && (await clockSkew(from.client, into.client));
    const people = await asking(from.side, () => readPeople(from, decryption_key_ids));
    const copy =
      into &&
      (await asking(into.side, () => prepareCopy(from.client, into.client, { source: from.side, target: into.side })));
    const usersFindings = into && (await userFindings(from, into, decryption_key_ids));

    const read = await asking(from.side, async () => {
      const scope = copy?.scope ?? (await portalScope(from.client));
      return {
        scope,
        unreadable: await listUnreadable(from.client, scope.schemas),
        catalogue: copy?.catalogue ?? (await readCatalogue(from.client, scope.schemas)),
        tools: await listToolFunctions(from.client, toolSchemas(scope)),
        sizes: await readSizes(from.client, [...scope.schemas, 'auth']),
        holdings: await readServiceHoldings(from.client),
      };
    });
    const { scope, catalogue, sizes, holdings } = read;
    return {
      source: { ...from.side, ...from.server },
      target: into && { ...into.side, ...into.server },
      clock_skew_seconds,
      scope,
      inventory: takeInventory(catalogue),
      census: people.census,
      sizes,
      holdings,
      estimate: estimate(sizes),
      findings: inOrder([
        ...readingFindings(from.side.role, read.unreadable),
        ...(await toolFindings(from.server, env)),
        ...serverFindings(from.server, into?.server, clock_skew_seconds),
        ...(copy?.plan.findings ?? [...scopeFindings(scope), ...aboutPolicies(catalogue)]),
        ...portalFindings(catalogue, scope, read.tools, into?.server),
        ...serviceFindings(holdings, scope),
        ...(usersFindings ?? people.findings),
      ]),
    };
  } finally {
    for (const { cut } of lines) cut();
  }
}

/** One of the two databases, in a transaction that reads of one moment. */
interface Place {
  client: pg.Client;
  side: Side;
  server: Server;
}

/** Schemas that are at the target under the same name, with what extensions put there. */
function toolSchemas({ treatments }: PortalScope): string[] {
  return treatments
    .filter(({ name, treatment }) => treatment === 'made here' && name !== 'auth')
    .map(({ name }) => name);
}

async function readPeople({ client, side }: Place, decryption_key_ids: ReadonlySet<string>) {
  checkSource(side, new Map((await listTables(client)).map((table) => [table.name, table])));
  const [hidden] = readingFindings(side.role, await listUnreadable(client, ['auth']));
  if (hidden) throw new MigrationFailure('source', hidden.message);
  const census = await takeCensus(client, await listColumns(client));
  return { census, findings: censusFindings(census, decryption_key_ids) };
}

/** What `migrate users` would say; undefined where the target has no tables of gatehouse yet, which a copy makes. */
async function userFindings(
  from: Place,
  into: Place,
  decryption_key_ids: ReadonlySet<string>,
): Promise<Finding[] | undefined> {
  if (!(await asking(into.side, () => hasGatehouse(into.client)))) return undefined;
  const source = { side: from.side, copier: from.client, prover: from.client, close: () => {} };
  return (await preparePlan(source, into.client, into.side, decryption_key_ids)).plan.findings;
}

/** A copy reads definitions with PostgreSQL's own programs. */
async function toolFindings({ version_num }: Server, env: NodeJS.ProcessEnv): Promise<Finding[]> {
  try {
    await findPgTools(Math.floor(version_num / 10_000), env);
    return [];
  } catch (error) {
    if (!(error instanceof PgToolsMissing)) throw error;
    return [{ level: 'stop', message: `For the copy, ${error.message}` }];
  }
}

/** Where there is no target to be asked: what of the schemas somebody must decide. */
function scopeFindings({ treatments }: PortalScope): Finding[] {
  return treatments
    .filter(({ treatment, relations }) => treatment === 'decide' && relations > 0)
    .map(({ name, why }) => ({ level: 'warning', message: `Schema ${name} does not move. ${why}` }));
}

/** Asked twice in turn, so that the time of a question counts on both sides. */
async function clockSkew(from: pg.ClientBase, into: pg.ClientBase): Promise<number> {
  const offset = async (client: pg.ClientBase) => {
    const before = Date.now();
    const { rows } = await client.query<{ now: number }>('select extract(epoch from clock_timestamp())::float8 as now');
    return (rows[0]?.now ?? 0) - (before + Date.now()) / 2000;
  };
  return (await offset(into)) - (await offset(from));
}

function estimate({ table_bytes, index_bytes }: Sizes): Estimate {
  const all = table_bytes + index_bytes;
  const seconds = (bytes: number, rate: number) => Math.ceil(bytes / rate);
  return {
    copy_seconds: {
      near: seconds(all, NEAR_BYTES_PER_SECOND),
      far: seconds(table_bytes, FAR_BYTES_PER_SECOND) + seconds(index_bytes, NEAR_BYTES_PER_SECOND),
    },
    // Only sums of rows cross the line.
    verify_seconds: {
      near: seconds(table_bytes, NEAR_BYTES_PER_SECOND),
      far: seconds(table_bytes, NEAR_BYTES_PER_SECOND),
    },
    disk_bytes: 2 * all,
  };
}

/** The gravest first; what two parts found is said once. */
function inOrder(findings: readonly Finding[]): Finding[] {
  const once = [...new Map(findings.map((finding) => [finding.message, finding])).values()];
  const levels = ['stop', 'warning', 'note'];
  return once.sort((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level));
}
