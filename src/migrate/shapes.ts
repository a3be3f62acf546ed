/** What of the two databases fits together: which tables are carried, with which columns. */
import type pg from 'pg';
import {
  type Column,
  listColumns,
  listTables,
  readServerFacts,
  type ServerFacts,
  type TableFacts,
} from './catalogue.sql.ts';
import { asking, MigrationFailure, type Side } from './failure.ts';
import type { Source } from './source.sql.ts';
import { type CarriedTable, carriedTables, essentialTables, type TableShape } from './tables.ts';

/** One side's catalogue. */
export interface Catalogue {
  facts: ServerFacts;
  /** By name. */
  tables: ReadonlyMap<string, TableFacts>;
  /** By table. */
  columns: ReadonlyMap<string, Column[]>;
}

export interface Agreement {
  source: Catalogue;
  target: Catalogue;
  /** The tables that are carried, in order. */
  shapes: TableShape[];
}

/** Tables of ours that a migration writes to. */
const ownTables = ['gatehouse.migration_ledger', 'gatehouse.migrated_rows', 'audit.events'];
/** The one that a comparison reads. */
const rememberedRows = 'gatehouse.migrated_rows';

/**
 * Finds the tables and columns that both sides have.
 *
 * @throws MigrationFailure when the source is no Supabase project, the target has no schema of gatehouse, both are the
 *   same database, or a role lacks rights.
 */
export async function agreeOnShapes(
  from: Source,
  into: pg.ClientBase,
  targetSide: Side,
  purpose: 'migrate' | 'compare' = 'migrate',
): Promise<Agreement> {
  const source = await asking(from.side, () => readCatalogue(from.copier));
  checkSource(from.side, source.tables);
  const target = await asking(targetSide, () => readCatalogue(into));
  checkTarget(targetSide, target.tables, purpose);
  if (source.facts.identity === target.facts.identity) {
    throw new MigrationFailure('usage', `Source and target are the same database (${targetSide.address}).`);
  }
  const shapes = carriedTables
    .filter(({ name }) => source.tables.has(name) && target.tables.has(name))
    .map((table) => shapeOf(table, source, target));
  return { source, target, shapes };
}

async function readCatalogue(client: pg.ClientBase): Promise<Catalogue> {
  return {
    facts: await readServerFacts(client),
    tables: new Map((await listTables(client)).map((table) => [table.name, table])),
    columns: await listColumns(client),
  };
}

/** @throws MigrationFailure when it is no Supabase project, or its users cannot be read */
export function checkSource(side: Side, tables: ReadonlyMap<string, TableFacts>): void {
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

function checkTarget(side: Side, tables: ReadonlyMap<string, TableFacts>, purpose: 'migrate' | 'compare'): void {
  const needed = [...essentialTables, ...(purpose === 'migrate' ? ownTables : [rememberedRows])];
  const missing = needed.filter((name) => !tables.has(name));
  if (missing.length > 0) {
    throw new MigrationFailure(
      'target',
      `The target has no ${missing.join(', ')}. Start gatehouse once on ${side.address}: it makes its tables.`,
    );
  }
  const closed = [...carriedTables.map(({ name }) => name), rememberedRows].filter((name) => {
    const table = tables.get(name);
    return table && !(table.readable && (table.writable || purpose === 'compare'));
  });
  if (closed.length > 0 && purpose === 'compare') {
    throw new MigrationFailure(
      'target',
      `Role ${side.role} may not read ${closed.join(', ')} at the target. Use the owner of the schemas auth and gatehouse, or grant it pg_read_all_data.`,
    );
  }
  if (closed.length > 0) {
    throw new MigrationFailure(
      'target',
      `Role ${side.role} may not write to ${closed.join(', ')} at the target. Use the owner of the schemas auth and gatehouse.`,
    );
  }
}

function shapeOf(table: CarriedTable, source: Catalogue, target: Catalogue): TableShape {
  const given = new Set(source.columns.get(table.name)?.map(({ name }) => name));
  const writable = (target.columns.get(table.name) ?? []).filter(({ generated }) => !generated);
  const columns = writable.map(({ name }) => name).filter((name) => given.has(name));
  const parents = Object.fromEntries(Object.entries(table.parents).filter(([column]) => columns.includes(column)));
  return { ...table, parents, columns };
}
