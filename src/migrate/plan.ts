/** What a migration would do, what stands in its way, and what the operator ought to know before: nothing is changed. */
import type pg from 'pg';
import {
  type Column,
  countRows,
  findGotrueSchema,
  listPortalTriggers,
  type PortalTrigger,
  type ServerFacts,
} from './catalogue.sql.ts';
import { type Census, takeCensus } from './census.sql.ts';
import { asking, type Side } from './failure.ts';
import { listBrokenOffRuns } from './ledger.sql.ts';
import { type Agreement, agreeOnShapes } from './shapes.ts';
import type { Source } from './source.sql.ts';
import { fleetingTables, type TableShape } from './tables.ts';

export interface TablePlan {
  table: string;
  source_rows: number;
  target_rows: number;
  columns: number;
  /** Columns of the source that the target does not have: their values stay behind. */
  left_behind: string[];
  /** Columns of the target that the source does not have: they get their default. */
  added: string[];
}

export interface Finding {
  /** `stop`: nothing is applied before it is mended. `warning`: somebody will notice. `note`: good to know. */
  level: 'stop' | 'warning' | 'note';
  message: string;
}

export interface MigrationPlan {
  source: Side & ServerFacts & { gotrue_schema: string | undefined };
  target: Side & ServerFacts;
  tables: TablePlan[];
  /** Tables of the source that are not carried, with their rows as estimated by its statistics. */
  not_carried: { table: string; estimated_rows: number; fleeting: boolean }[];
  census: Census;
  findings: Finding[];
}

/** The plan, and what carrying it out needs beyond that. */
export interface Preparation {
  plan: MigrationPlan;
  shapes: TableShape[];
  portalTriggers: PortalTrigger[];
  /** Tables whose columns have one type on both sides, on servers of one major version: a binary value means the same. */
  binaryTables: ReadonlySet<string>;
  /** Tables with many rows to come and few that are here, whose indexes are made again from all of them at once. */
  reindexed: readonly TableShape[];
}

/**
 * Looks at both databases without changing either.
 *
 * @param decryption_key_ids Keys of GoTrue's column encryption that the service will have.
 * @throws MigrationFailure when the two do not fit together (`agreeOnShapes`) or one cannot be read.
 */
export async function preparePlan(
  from: Source,
  into: pg.ClientBase,
  targetSide: Side,
  decryption_key_ids: ReadonlySet<string>,
): Promise<Preparation> {
  const agreement = await agreeOnShapes(from, into, targetSide);
  const { source, target, shapes } = agreement;
  const carried = new Set(shapes.map(({ name }) => name));

  const there = await asking(from.side, async () => ({
    counts: await countRows(from.copier, carried),
    census: await takeCensus(from.copier, source.columns),
    gotrue_schema: source.tables.get('schema_migrations')?.readable ? await findGotrueSchema(from.copier) : undefined,
  }));
  const here = await asking(targetSide, async () => ({
    counts: await countRows(into, carried),
    portalTriggers: (await listPortalTriggers(into)).filter(({ table }) => carried.has(table)),
    brokenOff: await listBrokenOffRuns(into),
  }));

  const tables = shapes.map(({ name, columns }) => ({
    table: name,
    source_rows: there.counts.get(name) ?? 0,
    target_rows: here.counts.get(name) ?? 0,
    columns: columns.length,
    left_behind: missingFrom(target.columns.get(name), source.columns.get(name)),
    added: missingFrom(source.columns.get(name), target.columns.get(name)),
  }));
  const filled = shapes.filter((_, n) => isToBeFilled(tables[n]));
  const mayIndex = ({ name }: TableShape) => target.facts.may_index && target.tables.get(name)?.owned;
  const plan: MigrationPlan = {
    source: { ...from.side, ...source.facts, gotrue_schema: there.gotrue_schema },
    target: { ...targetSide, ...target.facts },
    tables,
    not_carried: [...source.tables.values()]
      .filter(({ name, estimated_rows }) => !name.includes('.') && !carried.has(name) && estimated_rows > 0)
      .map(({ name, estimated_rows }) => ({ table: name, estimated_rows, fleeting: fleetingTables.has(name) })),
    census: there.census,
    findings: [
      ...columnFindings(tables, agreement),
      ...triggerFindings(here.portalTriggers, agreement),
      ...censusFindings(there.census, decryption_key_ids),
      ...indexFindings(filled, filled.filter(mayIndex), targetSide),
      ...here.brokenOff.map(({ run_id, at }) => note(`Run ${run_id} of ${at} was broken off. It left nothing behind.`)),
    ],
  };
  return {
    plan,
    shapes,
    portalTriggers: here.portalTriggers,
    binaryTables: findBinaryTables(agreement),
    reindexed: filled.filter(mayIndex),
  };
}

/** A table with no more rows than this is as good as empty: what comes into it is loaded, not merged, where it can be. */
export const FEW_ROWS = 1000;

function isToBeFilled(table: TablePlan | undefined): boolean {
  return table !== undefined && table.target_rows <= FEW_ROWS && table.source_rows > FEW_ROWS;
}

function findBinaryTables({ source, target, shapes }: Agreement): Set<string> {
  const majorOf = ({ server_version }: ServerFacts) => server_version.split('.')[0];
  if (majorOf(source.facts) !== majorOf(target.facts)) return new Set();
  const typesOf = (columns: readonly Column[] = [], carried: readonly string[]) =>
    carried.map((carriedName) => columns.find(({ name }) => name === carriedName)?.type).join();
  const alike = shapes.filter(
    ({ name, columns }) => typesOf(source.columns.get(name), columns) === typesOf(target.columns.get(name), columns),
  );
  return new Set(alike.map(({ name }) => name));
}

const stop = (message: string): Finding => ({ level: 'stop', message });
const warning = (message: string): Finding => ({ level: 'warning', message });
const note = (message: string): Finding => ({ level: 'note', message });

/** Columns of `second` that `first` lacks. */
function missingFrom(first: readonly Column[] = [], second: readonly Column[] = []): string[] {
  const names = new Set(first.map(({ name }) => name));
  return second.filter(({ name, generated }) => !generated && !names.has(name)).map(({ name }) => name);
}

function columnFindings(tables: readonly TablePlan[], { source, target }: Agreement): Finding[] {
  return tables.flatMap(({ table, left_behind, added }) => {
    const columns = target.columns.get(table) ?? [];
    const required = columns.filter(({ name, required }) => required && added.includes(name)).map(({ name }) => name);
    const retyped = columns.filter(({ name, type }) => {
      const there = source.columns.get(table)?.find((column) => column.name === name);
      return there && there.type !== type;
    });
    return [
      ...left_behind.map((name) => warning(`auth.${table}.${name} is not known here: its values stay behind.`)),
      ...required.map((name) => stop(`auth.${table}.${name} is required here and the source does not have it.`)),
      ...retyped.map(({ name, type }) =>
        note(`auth.${table}.${name} has another type at the source; here it is ${type}.`),
      ),
    ];
  });
}

function triggerFindings(triggers: readonly PortalTrigger[], { target }: Agreement): Finding[] {
  const { may_replicate } = target.facts;
  return triggers.map(({ table, name, insistent }) => {
    const title = `Trigger ${name} on auth.${table} at the target`;
    if (!may_replicate && !target.tables.get(table)?.owned) {
      return stop(`${title} would fire for every user. Run this as the owner of auth.${table}, who may disable it.`);
    }
    if (may_replicate && insistent) {
      return stop(
        `${title} is enabled ALWAYS or REPLICA and would fire for every user. Enable it in the ordinary way.`,
      );
    }
    return note(`${title} does not fire for users who are carried over.`);
  });
}

/** What it means for whoever uses the target that its tables are filled. */
function indexFindings(filled: readonly TableShape[], reindexed: readonly TableShape[], { role }: Side): Finding[] {
  const list = (shapes: readonly TableShape[]) => shapes.map(({ name }) => `auth.${name}`).join(', ');
  const others = filled.filter((shape) => !reindexed.includes(shape));
  const findings: Finding[] = [];
  if (reindexed.length > 0) {
    findings.push(
      note(
        `Nobody can sign in or up here until all is done: ${list(reindexed)} are locked, and indexed when their rows are there.`,
      ),
    );
  }
  if (others.length > 0) {
    findings.push(
      note(
        `Role ${role} does not own ${list(others)}, or may not create in schema auth: their indexes stay on, and it takes longer.`,
      ),
    );
  }
  return findings;
}

/** What of the people counted somebody ought to know before they move. */
export function censusFindings(
  { users, password_formats, null_columns, encrypted }: Census,
  keys: ReadonlySet<string>,
): Finding[] {
  const count = (of: Census['users'], what: string) => of.find((tally) => tally.what === what)?.count ?? 0;
  const findings: Finding[] = [];
  for (const { what, key_id, count: n } of encrypted) {
    findings.push(
      key_id !== null && keys.has(key_id)
        ? note(`${what}: ${n} encrypted with key ${key_id}, which gatehouse has.`)
        : warning(
            `${what}: ${n} encrypted with key ${key_id}, which is not in GATEHOUSE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS: of no use without it.`,
          ),
    );
  }
  const unknown = count(password_formats, 'unknown');
  if (unknown > 0)
    findings.push(warning(`${unknown} passwords are in no format that Supabase Auth accepts; they need a reset.`));
  const nulls = Math.max(0, ...null_columns.map((tally) => tally.count));
  if (nulls > 0) {
    findings.push(
      note(`Up to ${nulls} users have NULL where Supabase Auth expects ''. They cannot sign in there; here they can.`),
    );
  }
  const foreign = count(users, 'of another instance');
  if (foreign > 0) {
    findings.push(
      warning(
        `${foreign} users have an instance_id that hides them from Supabase Auth. Here they can sign in: delete or ban those who should not.`,
      ),
    );
  }
  return findings;
}
