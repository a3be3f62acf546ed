/** What a migration would do, what stands in its way, and what the operator ought to know before: nothing is changed. */
import type pg from 'pg';
import {
  type Column,
  countRows,
  findGotrueSchema,
  listColumns,
  listPortalTriggers,
  listTables,
  type PortalTrigger,
  readServerFacts,
  type ServerFacts,
  type TableFacts,
} from './catalogue.sql.ts';
import { type Census, takeCensus } from './census.sql.ts';
import { asking, MigrationFailure, type Side } from './failure.ts';
import { listBrokenOffRuns } from './ledger.sql.ts';
import type { Source } from './source.sql.ts';
import { carriedTables, essentialTables, fleetingTables, type TableShape } from './tables.ts';

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
}

/** Tables of ours that a migration writes to. */
const ownTables = ['gatehouse.migration_ledger', 'gatehouse.migrated_rows', 'audit.events'];

/**
 * Looks at both databases without changing either.
 *
 * @param decryption_key_ids Keys of GoTrue's column encryption that the service will have.
 * @throws MigrationFailure when the source is no Supabase project, the target has no schema of gatehouse, both are the
 *   same database, or a role lacks rights.
 */
export async function preparePlan(
  source: Source,
  target: pg.ClientBase,
  targetSide: Side,
  decryption_key_ids: ReadonlySet<string>,
): Promise<Preparation> {
  const there = await asking(source.side, () => lookAtSource(source));
  const here = await asking(targetSide, () => lookAtTarget(target, targetSide));
  if (there.facts.identity === here.facts.identity) {
    throw new MigrationFailure('usage', `Source and target are the same database (${targetSide.address}).`);
  }

  const shapes = carriedTables
    .filter(({ name }) => there.tables.has(name) && here.tables.has(name))
    .map((table) => shapeOf(table, there.columns, here.columns));
  const carried = new Set(shapes.map(({ name }) => name));
  const portalTriggers = here.triggers.filter(({ table }) => carried.has(table));
  const tables = shapes.map(({ name, columns }) => ({
    table: name,
    source_rows: there.counts.get(name) ?? 0,
    target_rows: here.counts.get(name) ?? 0,
    columns: columns.length,
    left_behind: missingFrom(here.columns.get(name), there.columns.get(name)),
    added: missingFrom(there.columns.get(name), here.columns.get(name)),
  }));
  const not_carried = [...there.tables.values()]
    .filter(({ name, estimated_rows }) => !name.includes('.') && !carried.has(name) && estimated_rows > 0)
    .map(({ name, estimated_rows }) => ({ table: name, estimated_rows, fleeting: fleetingTables.has(name) }));
  const findings = [
    ...columnFindings(tables, there.columns, here.columns),
    ...triggerFindings(portalTriggers, here.facts, here.tables),
    ...censusFindings(there.census, decryption_key_ids),
    ...here.brokenOff.map(({ run_id, at }) => note(`Run ${run_id} of ${at} was broken off. It left nothing behind.`)),
  ];
  return {
    plan: {
      source: { ...source.side, ...there.facts, gotrue_schema: there.gotrue_schema },
      target: { ...targetSide, ...here.facts },
      tables,
      not_carried,
      census: there.census,
      findings,
    },
    shapes,
    portalTriggers,
  };
}

async function lookAtSource({ copier, side }: Source) {
  const tables = byName(await listTables(copier));
  checkSource(side, tables);
  const columns = await listColumns(copier);
  return {
    facts: await readServerFacts(copier),
    tables,
    columns,
    counts: await countRows(copier, namesIn(tables)),
    gotrue_schema: tables.get('schema_migrations')?.readable ? await findGotrueSchema(copier) : undefined,
    census: await takeCensus(copier, columns),
  };
}

async function lookAtTarget(target: pg.ClientBase, side: Side) {
  const tables = byName(await listTables(target));
  checkTarget(side, tables);
  return {
    facts: await readServerFacts(target),
    tables,
    columns: await listColumns(target),
    counts: await countRows(target, namesIn(tables)),
    triggers: await listPortalTriggers(target),
    brokenOff: await listBrokenOffRuns(target),
  };
}

/** The carried tables that a database has. */
const namesIn = (tables: ReadonlyMap<string, TableFacts>) =>
  carriedTables.map(({ name }) => name).filter((name) => tables.has(name));

const stop = (message: string): Finding => ({ level: 'stop', message });
const warning = (message: string): Finding => ({ level: 'warning', message });
const note = (message: string): Finding => ({ level: 'note', message });

function byName(tables: readonly TableFacts[]): Map<string, TableFacts> {
  return new Map(tables.map((table) => [table.name, table]));
}

function checkSource(side: Side, tables: ReadonlyMap<string, TableFacts>): void {
  const missing = essentialTables.filter((name) => !tables.has(name));
  if (missing.length > 0) {
    throw new MigrationFailure(
      'source',
      `The source is not a Supabase database: ${side.address} has no auth.${missing.join(', auth.')}. Check the database name.`,
    );
  }
  const hidden = carriedTables.filter(({ name }) => tables.get(name)?.readable === false).map(({ name }) => name);
  if (hidden.length > 0) {
    throw new MigrationFailure(
      'source',
      `Role ${side.role} may not read auth.${hidden.join(', auth.')} at the source. Use the role \`postgres\` of the project.`,
    );
  }
}

function checkTarget(side: Side, tables: ReadonlyMap<string, TableFacts>): void {
  const needed = [...essentialTables, ...ownTables];
  const missing = needed.filter((name) => !tables.has(name));
  if (missing.length > 0) {
    throw new MigrationFailure(
      'target',
      `The target has no ${missing.join(', ')}. Start gatehouse once on ${side.address}: it makes its tables.`,
    );
  }
  const closed = [...carriedTables.map(({ name }) => name), 'gatehouse.migrated_rows'].filter((name) => {
    const table = tables.get(name);
    return table && !(table.readable && table.writable);
  });
  if (closed.length > 0) {
    throw new MigrationFailure(
      'target',
      `Role ${side.role} may not write to ${closed.join(', ')} at the target. Use the owner of the schemas auth and gatehouse.`,
    );
  }
}

function shapeOf(
  table: (typeof carriedTables)[number],
  source: ReadonlyMap<string, Column[]>,
  target: ReadonlyMap<string, Column[]>,
): TableShape {
  const given = new Set(source.get(table.name)?.map(({ name }) => name));
  const writable = (target.get(table.name) ?? []).filter(({ generated }) => !generated);
  const columns = writable.map(({ name }) => name).filter((name) => given.has(name));
  const parents = Object.fromEntries(Object.entries(table.parents).filter(([column]) => columns.includes(column)));
  return { ...table, parents, columns };
}

/** Columns of `second` that `first` lacks. */
function missingFrom(first: readonly Column[] = [], second: readonly Column[] = []): string[] {
  const names = new Set(first.map(({ name }) => name));
  return second.filter(({ name, generated }) => !generated && !names.has(name)).map(({ name }) => name);
}

function columnFindings(
  tables: readonly TablePlan[],
  source: ReadonlyMap<string, Column[]>,
  target: ReadonlyMap<string, Column[]>,
): Finding[] {
  return tables.flatMap(({ table, left_behind, added }) => {
    const columns = target.get(table) ?? [];
    const required = columns.filter(({ name, required }) => required && added.includes(name)).map(({ name }) => name);
    const retyped = columns.filter(({ name, type }) => {
      const there = source.get(table)?.find((column) => column.name === name);
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

function triggerFindings(
  triggers: readonly PortalTrigger[],
  { may_replicate }: ServerFacts,
  tables: ReadonlyMap<string, TableFacts>,
): Finding[] {
  return triggers.map(({ table, name, insistent }) => {
    const title = `Trigger ${name} on auth.${table} at the target`;
    if (!may_replicate && !tables.get(table)?.owned) {
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

function censusFindings(
  { users, password_formats, null_columns, encrypted }: Census,
  keys: ReadonlySet<string>,
): Finding[] {
  const count = (of: Census['users'], what: string) => of.find((tally) => tally.what === what)?.count ?? 0;
  const findings: Finding[] = [];
  for (const { what, key_id, count: n } of encrypted) {
    findings.push(
      key_id !== null && keys.has(key_id)
        ? note(`${n} values of ${what} are encrypted with key ${key_id}, which gatehouse has.`)
        : warning(
            `${n} values of ${what} are encrypted with key ${key_id}, which is not in GATEHOUSE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS: ` +
              `without it they are of no use.`,
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
