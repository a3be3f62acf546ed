/**
 * Proves that a portal arrived: its definitions, every row and column of its tables, its users, its sequences and its large
 * objects, against one view of the source, which lives on meanwhile. Reads both sides and changes neither; what was found is
 * written to the ledger and the audit log at the target, where the role may.
 */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import {
  type Catalogue,
  type CatalogueObject,
  objectKey,
  opensEverySchema,
  readCatalogue,
} from '../catalogue/catalogue.ts';
import { type Allowance, compareCatalogues, type Drift } from '../catalogue/compare.ts';
import { untold } from '../catalogue/coverage.ts';
import { readServerFacts } from '../migrate/catalogue.sql.ts';
import { asking, MigrationFailure, type Side } from '../migrate/failure.ts';
import type { TableProof } from '../migrate/proof.ts';
import { connectTo, exportSnapshot, heard, type Line, readAt, sideOf } from '../migrate/source.sql.ts';
import { carriedTables, fleetingTables } from '../migrate/tables.ts';
import { verifyUsers } from '../migrate/users.ts';
import { listLooseEnds } from '../portal/objects.sql.ts';
import { listOwnSettings, type PortalScope, portalScope } from '../portal/scope.ts';
import { compareRows, type NotChecked, type RowsEvent, type TableComparison } from '../rows/compare-rows.ts';
import type { Sides } from '../rows/compare-table.ts';
import { compareLargeObjects, type LargeObjectsComparison } from '../rows/large-objects.ts';
import { compareSequences, type SequenceComparison } from '../rows/sequences.ts';
import { Unreadable } from '../rows/unreadable.ts';
import { explainVerify, unreadable } from './failure.ts';
import { COMMAND, recordOf } from './record.ts';
import {
  beginReading,
  findUnfinishedCopy,
  keepsUsers,
  listAuthTables,
  listOwners,
  readEncoding,
} from './verify.sql.ts';

export interface Verification {
  /** Nothing that was compared differs. */
  equal: boolean;
  run_id: string;
  source: Side;
  target: Side;
  /** Of the source's moment that was compared. */
  snapshot: string;
  started_at: string;
  seconds: number;
  /** Compared one by one: the portal's rows, and users' and sessions'. */
  rows: number;
  catalogue: { objects: number; drift: Drift[] };
  /** Who owns and may at the target what this role did at the source, where that is another. */
  substitutes: { source: string; target: string }[];
  tables: TableComparison[];
  /** Tables of schema auth by the rules of `migrate users`; empty where gatehouse does not keep users at the target. */
  users: TableProof[];
  sequences: SequenceComparison[];
  large_objects: LargeObjectsComparison;
  not_checked: NotChecked[];
  /** Head of the ledger's chain after this run, hex; undefined where nothing could be written. */
  ledger_hash: string | undefined;
  /** Why nothing of this run is on record. */
  not_recorded: string | undefined;
}

export type VerifyEvent =
  | { event: 'started'; run_id: string; source: Side; target: Side; snapshot: string }
  | { event: 'comparing'; what: 'definitions' | 'users' | 'sequences' | 'large objects' }
  | { event: 'drift'; drift: Drift }
  | { event: 'proof'; proof: TableProof }
  | RowsEvent
  | { event: 'finished'; verification: Verification };

export interface VerifyOptions {
  /** A snapshot of the source that somebody has exported and holds; without it the source is compared as it is now. */
  snapshot?: string;
  /** Hears of every step as it happens. */
  onEvent?: (event: VerifyEvent) => void;
  clock?: () => Date;
  /** Who runs it, for the record. */
  operator?: string;
  /** How long a side may say nothing before it is asked whether it is at work. */
  stall_seconds?: number;
}

/**
 * Compares the portal at the source with the one at the target.
 *
 * @throws MigrationFailure in one sentence when either side cannot be read.
 */
export async function verifyPortal(
  source: pg.ClientConfig,
  target: pg.ClientConfig,
  options: VerifyOptions = {},
): Promise<Verification> {
  const { onEvent = () => {}, clock = () => new Date(), operator = 'operator', snapshot: given } = options;
  const side = { source: sideOf('source', source), target: sideOf('target', target) };
  const run_id = randomUUID();
  const started_at = clock().toISOString();
  const began = performance.now();
  const lines: Line[] = [];
  const connect = (config: pg.ClientConfig, at: Side) =>
    explaining(at, async () => {
      const line = await connectTo(config, 'gatehouse migrate verify', options.stall_seconds);
      lines.push(line);
      return heard(line.client, at, explainVerify);
    });

  const record = recordOf(target, { run_id, command: COMMAND, operator, clock, side });
  try {
    const sides = { source: await connect(source, side.source), target: await connect(target, side.target) };
    const snapshot = await (given === undefined ? exportSnapshot(sides.source) : readAt(sides.source, given));
    await beginReading(sides.target);
    await refuseUncomparable(sides, side.target);
    await explaining(side.target, () => record.begin(snapshot));
    onEvent({ event: 'started', run_id, ...side, snapshot });
    refuseUnfinished(await findUnfinishedCopy(sides.target));

    const lives_on = given !== undefined;
    const found = await comparePortals(sides, { side, configs: { source, target }, snapshot, lives_on, onEvent });
    const { catalogue, tables, users, sequences, large_objects } = found;
    const parts = [...tables, ...sequences, ...users, large_objects];
    const verification: Verification = {
      equal: catalogue.drift.length === 0 && parts.every(({ equal }) => equal),
      run_id,
      ...side,
      snapshot,
      started_at,
      seconds: (performance.now() - began) / 1000,
      rows:
        tables.reduce((sum, table) => sum + table.source.rows, 0) + users.reduce((sum, proof) => sum + proof.rows, 0),
      ...found,
      ledger_hash: undefined,
      not_recorded: undefined,
    };
    Object.assign(verification, await explaining(side.target, () => record.finish(verification)));
    onEvent({ event: 'finished', verification });
    return verification;
  } catch (error) {
    // Where the target itself is gone, the ledger keeps the run's beginning alone.
    await record.fail(error).catch(() => {});
    throw error;
  } finally {
    for (const { cut } of lines) cut();
  }
}

interface Comparing {
  side: Sides<Side>;
  configs: Sides<pg.ClientConfig>;
  snapshot: string;
  /** Sequences, which no snapshot holds, may have counted on since it was taken. */
  lives_on: boolean;
  onEvent: (event: VerifyEvent) => void;
}

type Compared = Pick<
  Verification,
  'catalogue' | 'substitutes' | 'tables' | 'users' | 'sequences' | 'large_objects' | 'not_checked'
>;

/** Everything that is compared, in the order in which the operator hears of it. */
async function comparePortals(sides: Sides, comparing: Comparing): Promise<Compared> {
  const { side, configs, snapshot, lives_on, onEvent } = comparing;
  const scope = await portalScope(sides.source, sides.target);
  const keeps_users = await keepsUsers(sides.target);
  const roles = substitutes(scope, await listOwners(sides.target, scope.schemas), side.target.role);
  const looseEnds = await leftOut(sides.source, scope);
  onEvent({ event: 'comparing', what: 'definitions' });
  const { not_checked: unstated, ...catalogue } = await compareDefinitions(sides, scope, {
    roles,
    looseEnds,
    keeps_users,
  });
  for (const drift of catalogue.drift) onEvent({ event: 'drift', drift });

  // Where gatehouse does not keep them, users were restored like any other rows.
  const schemas = keeps_users ? scope.schemas : [...scope.schemas, 'auth'];
  onEvent({ event: 'comparing', what: 'sequences' });
  const { sequences, not_checked: unread } = await compareSequences(sides, schemas, { lives_on });
  const { tables, not_checked: passedOver } = await reading(side, () => compareRows(sides, schemas, onEvent));
  onEvent({ event: 'comparing', what: 'large objects' });
  const large_objects = await compareLargeObjects(sides, (role) => roles.get(role) ?? role);
  onEvent({ event: 'comparing', what: 'users' });
  const onProof = (event: { event: string }) => {
    if (event.event === 'proof') onEvent(event as VerifyEvent);
  };
  const users = keeps_users ? await verifyUsers(configs.source, configs.target, { snapshot, onEvent: onProof }) : [];

  return {
    catalogue,
    substitutes: [...roles].flatMap(([source, target]) => (source === target ? [] : [{ source, target }])),
    tables,
    users,
    sequences,
    large_objects,
    not_checked: [
      ...passedOver,
      ...unread,
      ...large_objects.not_checked,
      ...(keeps_users ? await usersNotChecked(sides.source) : []),
      ...looseEnds.map(({ what, why }) => ({ what, why })),
      ...unstated,
      ...outOfScope(scope),
    ],
  };
}

/** Does work that asks one side alone, and explains its errors as that side's. */
function explaining<T>(side: Side, work: () => Promise<T>): Promise<T> {
  return asking(side, work, explainVerify);
}

async function reading<T>(side: Sides<Side>, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof Unreadable ? unreadable(error, side[error.side]) : error;
  }
}

async function refuseUncomparable({ source, target }: Sides, { address }: Side): Promise<void> {
  const [there, here] = [await readServerFacts(source), await readServerFacts(target)];
  if (there.identity === here.identity) {
    throw new MigrationFailure('usage', `Source and target are the same database (${address}).`);
  }
  const [ofSource, ofTarget] = [await readEncoding(source), await readEncoding(target)];
  if (ofSource !== ofTarget) {
    throw new MigrationFailure(
      'target',
      `The source is in ${ofSource} and the target in ${ofTarget}: rows are compared between databases of one encoding.`,
    );
  }
}

/** Of a copy that is not complete every row that is still to come would be a difference, and what is no row would not be missed. */
function refuseUnfinished(copy: Awaited<ReturnType<typeof findUnfinishedCopy>>): void {
  if (!copy) return;
  throw new MigrationFailure(
    'unequal',
    `The copy of ${copy.from} that began ${copy.since} is not complete, so the two are not equal: run gatehouse migrate copy --apply, which goes on where it stopped, and verify again.`,
  );
}

/**
 * Who takes the place of the project's administrators at the target: they themselves where a role of their name owns something
 * of the portal there, else whoever owns most of it. So one object that somebody else owns is found, whoever verifies.
 */
function substitutes({ roles }: PortalScope, owners: readonly string[], connected: string): Map<string, string> {
  const kept = new Set(roles.filter(({ becomes }) => becomes === 'itself').map(({ name }) => name));
  const owner = owners.find((name) => !kept.has(name) && !name.startsWith('pg_')) ?? connected;
  const administrators = roles.filter(({ becomes }) => becomes === 'owner').map(({ name }) => name);
  return new Map(administrators.map((name) => [name, owners.includes(name) ? name : owner]));
}

async function compareDefinitions(
  { source, target }: Sides,
  { schemas, extensions }: PortalScope,
  { roles, looseEnds, keeps_users }: Circumstances,
): Promise<Verification['catalogue'] & { not_checked: NotChecked[] }> {
  const there = await readCatalogue(source, schemas);
  const here = await readCatalogue(target, schemas, there);
  const allowed: [string, 'absent' | 'anywhere'][] = extensions.flatMap(({ name, treatment }) => {
    if (treatment === 'decide') return [];
    return [[name, treatment === 'stays' ? 'absent' : 'anywhere']];
  });
  const ofPlatform = [...there.objects.values()].filter(isOfPlatform);
  const unused = unusedServers(there).filter((server) => !here.objects.has(server));
  const absent = new Set([...ofPlatform.map(objectKey), ...looseEnds.map(({ key }) => key), ...unused]);
  const allowance: Allowance = { roles, extensions: new Map(allowed), absent };
  // Beside gatehouse's own schemas nothing is open in every one.
  if (keeps_users) allowance.defaults_in = schemas;
  const onSchemas = [...there.objects.values()].filter(
    (object) => keeps_users && opensEverySchema(object) && object.facts.on === 'schemas',
  );
  return {
    objects: there.objects.size,
    drift: compareCatalogues(there, here, allowance),
    not_checked: [
      ...unused.map((what) => ({ what, why: 'no table of the portal is on it, and it may stay behind' })),
      ...onSchemas.map((object) => ({
        what: objectKey(object),
        why: 'a schema that is made later is given its rights when it is made',
      })),
    ],
  };
}

/** What a comparison of definitions goes by. */
interface Circumstances {
  roles: ReadonlyMap<string, string>;
  looseEnds: readonly LeftOut[];
  /** The target is gatehouse's. */
  keeps_users: boolean;
}

/** Foreign servers, and wrappers of no extension, that no table of these schemas is on. */
function unusedServers({ objects }: Catalogue): string[] {
  const of = (kind: CatalogueObject['kind']) => [...objects.values()].filter((object) => object.kind === kind);
  const inUse = new Set(of('table').map(({ facts }) => facts.foreign_server));
  const servers = Map.groupBy(of('foreign server'), ({ name }) => inUse.has(name));
  const wrappersInUse = new Set(servers.get(true)?.map(({ facts }) => facts.wrapper));
  const wrappers = of('foreign data wrapper').filter(({ name }) => !wrappersInUse.has(name));
  return [...wrappers, ...(servers.get(false) ?? [])].map(objectKey);
}

interface LeftOut extends NotChecked {
  /** As the catalogue has it. */
  key: string;
}

/** Foreign keys and triggers that need what stays behind: a copy leaves them out. */
async function leftOut(source: pg.ClientBase, { schemas }: PortalScope): Promise<LeftOut[]> {
  const looseEnds = await listLooseEnds(source, schemas, ['auth']);
  return looseEnds
    .filter(({ kind }) => kind !== 'other')
    .map(({ what, needs }) => ({
      key: what.replace(/^table /, ''),
      what,
      why: `it needs ${needs}, which stays behind`,
    }));
}

/** What Supabase's own services subscribe to stays behind with them. */
const isOfPlatform = ({ kind, name }: CatalogueObject) => kind === 'publication' && name.startsWith('supabase_');

const carried = new Set(carriedTables.map(({ name }) => name));

async function usersNotChecked(source: pg.ClientBase): Promise<NotChecked[]> {
  const tables = await listAuthTables(source);
  return tables
    .filter((table) => !carried.has(table))
    .map((table) => ({ what: `the rows of auth.${table}`, why: whyNot(table) }));
}

function whyNot(table: string): string {
  if (table === 'audit_log_entries') return 'they become history in audit.events, in the form that it has here';
  if (fleetingTables.has(table))
    return 'they live for minutes, or are the bookkeeping of Supabase Auth: no user misses them';
  return 'gatehouse has no table of that name';
}

/** What stays behind or is the operator's to decide, and what no database knows. */
function outOfScope(scope: PortalScope): NotChecked[] {
  const { treatments, extensions, schemas, roles } = scope;
  const behind = treatments.filter(({ treatment, name }) => treatment !== 'moves' && name !== 'auth');
  const missing = extensions.filter(({ treatment }) => treatment === 'stays');
  const files = { what: 'the files of storage.objects', why: 'they are in no database: compare the buckets' };
  const auth = {
    what: 'tables and functions of schema auth',
    why: "they are gatehouse's own; what the portal hung on them is compared",
  };
  const passwords = {
    what: 'passwords of roles',
    why: 'no role may read them at the source; those that move cannot sign in',
  };
  return [
    auth,
    { what: "Supabase's own publications", why: 'its services subscribe to them, and stay behind' },
    ...untold,
    ...behind.map(({ name, why }) => ({ what: `schema ${name}`, why })),
    ...missing.map(({ name, why }) => ({ what: `extension ${name}`, why })),
    ...listOwnSettings(scope).map((name) => ({
      what: `setting ${name}`,
      why: 'it does not move, and may be a secret',
    })),
    ...(schemas.includes('storage') ? [files] : []),
    ...(roles.some(({ login, becomes }) => login && becomes === 'itself') ? [passwords] : []),
  ];
}
