/**
 * Takes over a schema auth that Supabase's own service made (a restored Supabase database, of any GoTrue version since
 * 2024) and brings it forward to the one that drizzle/supabase-auth.json describes. What is missing is made; what is there
 * is never dropped, retyped or renamed, and no row is lost.
 */
import type { ClientBase } from 'pg';
import {
  attempt,
  type Catalogue,
  type Column,
  ddl,
  findCatalogue,
  findForeignOwner,
  insertSchemaMigrations,
  readFunctionDefinitions,
  readSupabaseCatalogue,
  type SqlFunction,
  type Table,
} from './catalogue.sql.ts';

/** One thing in which a schema auth differs from Supabase's. */
export interface Difference {
  /** As an operator would call it: `column auth.users.phone`. */
  object: string;
  /** Undefined where Supabase Auth has no such thing. */
  expected: string | undefined;
  /** Undefined where it is missing. */
  found: string | undefined;
  /** Why it could not be brought forward, in PostgreSQL's words, where that was tried. */
  reason?: string;
}

/** A difference that a statement can end. */
interface Step extends Difference {
  sql: string;
}

/** Why a schema auth cannot be adopted, in one sentence. */
export class AdoptionError extends Error {
  override readonly name = 'AdoptionError';
}

/**
 * In the transaction that `client` has open, gives schema auth everything of Supabase's that it lacks, and returns in what
 * it still differs. GoTrue's own ledger is completed when nothing of Supabase's is missing or different, so that a GoTrue
 * started on it later does not repeat what is done.
 *
 * @throws AdoptionError when the tables are another application's, or the connecting role has not the rights of their
 *   owner.
 */
export async function adoptAuthSchema(client: ClientBase): Promise<Difference[]> {
  const foreign = await findForeignOwner(client);
  if (foreign) {
    throw new AdoptionError(
      `Schema auth belongs to the role ${foreign.owner}, whose rights ${foreign.current_user} does not have: ` +
        `run "grant ${foreign.owner} to ${foreign.current_user}" as a superuser, or connect as the owner.`,
    );
  }

  const expected = await readSupabaseCatalogue();
  const found = await findCatalogue(client);
  const isSupabase = found.tables.users?.columns.some(({ name }) => name === 'instance_id');
  if (Object.keys(found.tables).length > 0 && !isSupabase) {
    throw new AdoptionError(
      "Schema auth of this database is not Supabase Auth's (it has no column auth.users.instance_id): use a database of its own.",
    );
  }
  const { steps, differences } = compareCatalogues(expected, found, await readFunctionDefinitions());
  for (const { sql, ...difference } of steps) {
    const reason = await attempt(client, sql);
    if (reason !== undefined) differences.push({ ...difference, reason });
  }
  if (differences.every((difference) => difference.expected === undefined)) {
    await insertSchemaMigrations(client, expected.schema_migrations);
  }
  return differences;
}

/** A difference as one line for an operator. */
export function describeDifference({ object, expected, found, reason }: Difference): string {
  if (expected === undefined) return `${object} is not part of Supabase Auth and stays: ${found}`;
  const state = found === undefined ? 'is missing' : `is ${found}`;
  return `${object} ${state}, in Supabase Auth it is ${expected}${reason ? ` (${reason})` : ''}`;
}

/** Made by GoTrue at run time where it is told to, for searching users. */
const OPTIONAL_INDEXES = [
  'idx_users_email',
  'idx_users_created_at_desc',
  'idx_users_last_sign_in_at_desc',
  'idx_users_name',
];

/**
 * What to do, in an order in which it can be done, and what is left as it is. `functions` holds the statements that
 * create the functions, by name: a catalogue has no bodies.
 */
export function compareCatalogues(
  expected: Catalogue,
  found: Catalogue,
  functions: Record<string, string>,
): { steps: Step[]; differences: Difference[] } {
  const steps: Step[] = [];
  /** What needs the tables: foreign keys. */
  const last: Step[] = [];
  const differences: Difference[] = [];

  /** Nothing when they are equal, a step where there is a statement, else a difference. */
  const hold = (object: string, want: string | undefined, have: string | undefined, sql?: string, list = steps) => {
    if (want === have) return;
    if (sql === undefined) differences.push({ object, expected: want, found: have });
    else list.push({ object, expected: want, found: have, sql });
  };

  for (const [name, want, have] of pairs(expected.enums, found.enums)) {
    const extensible = want && have?.every((label) => want.includes(label));
    const sql = want && (have ? extensible && ddl.extendEnum(name, want, have) : ddl.createEnum(name, want));
    hold(`type auth.${name}`, want?.join(', '), have?.join(', '), sql || undefined);
  }
  for (const [name, want, have] of pairs(typesByName(expected), typesByName(found))) {
    const sql = want && !have ? ddl.createSequence(name, want) : undefined;
    hold(`sequence auth.${name}`, want, have, sql);
    const user = sql && userOfSequence(expected, name);
    if (user) hold(`user of sequence auth.${name}`, user, undefined, ddl.ownSequence(name, user), last);
  }

  for (const [name, want, have] of pairs(expected.tables, found.tables)) {
    if (!want) hold(`table auth.${name}`, undefined, 'a table');
    else if (!have) hold(`table auth.${name}`, 'a table', undefined, ddl.createTable(name, want));
    else holdColumns(name, want, have);
  }
  for (const [name, want] of Object.entries(expected.tables)) {
    const have = found.tables[name];
    for (const [constraint, wanted, had] of pairs(want.constraints, have?.constraints ?? {})) {
      const sql = wanted && !had ? ddl.addConstraint(name, constraint, wanted) : undefined;
      const list = wanted?.startsWith('FOREIGN KEY') ? last : steps;
      hold(`constraint ${constraint} on auth.${name}`, wanted, had, sql, list);
    }
    for (const [index, wanted, had] of pairs(want.indexes, have?.indexes ?? {})) {
      // The index of a constraint comes and is reported with it.
      if (index in want.constraints || index in (have?.constraints ?? {}) || OPTIONAL_INDEXES.includes(index)) continue;
      hold(`index ${index} on auth.${name}`, wanted, had, wanted && !had ? wanted : undefined);
    }
    for (const [trigger, wanted, had] of pairs(want.triggers ?? {}, have?.triggers ?? {})) {
      hold(`trigger ${trigger} on auth.${name}`, wanted, had);
    }
  }
  steps.push(...last);

  for (const [signature, want, have] of pairs(bySignature(expected), bySignature(found))) {
    hold(`function auth.${signature}`, want, have, want && !have ? functions[signature] : undefined);
  }
  const newer = found.schema_migrations.filter((version) => !expected.schema_migrations.includes(version));
  if (newer.length > 0) {
    differences.push({ object: 'auth.schema_migrations', expected: undefined, found: `applied: ${newer.join(', ')}` });
  }
  return { steps, differences };

  function holdColumns(table: string, want: Table, have: Table): void {
    for (const [name, wanted, had] of pairs(byName(want.columns), byName(have.columns))) {
      const column = `column auth.${table}.${name}`;
      if (!wanted || !had) {
        hold(column, wanted?.type, had?.type, wanted && ddl.addColumn(table, wanted));
        continue;
      }
      hold(column, wanted.type, had.type);
      const settable = had.default === undefined && !wanted.generated;
      hold(`default of ${column}`, wanted.default, had.default, settable ? ddl.setDefault(table, wanted) : undefined);
      hold(`${column}`, nullability(wanted), nullability(had), ddl.setNullability(table, wanted));
    }
    const enable = want.row_security ? ddl.enableRowSecurity(table) : undefined;
    hold(`row security of auth.${table}`, onOff(want.row_security), onOff(have.row_security), enable);
  }
}

const nullability = (column: Column) => (column.not_null ? 'not null' : 'nullable');
const onOff = (on: boolean) => (on ? 'on' : 'off');
const byName = (columns: Column[]) => Object.fromEntries(columns.map((column) => [column.name, column]));
const typesByName = ({ sequences }: Catalogue) => Object.fromEntries(sequences.map(({ name, type }) => [name, type]));
const volatility: Record<string, string> = { i: 'immutable', s: 'stable', v: 'volatile' };

/** `auth.table.column` whose default draws from the sequence. */
function userOfSequence({ tables }: Catalogue, sequence: string): string | undefined {
  for (const [table, { columns }] of Object.entries(tables)) {
    const column = columns.find((one) => one.default === `nextval('auth.${sequence}'::regclass)`);
    if (column) return `auth.${table}.${column.name}`;
  }
  return undefined;
}

function bySignature({ functions }: Catalogue): Record<string, string> {
  const described = (fn: SqlFunction) => `returns ${fn.returns} language ${fn.language} ${volatility[fn.volatility]}`;
  return Object.fromEntries(functions.map((fn) => [`${fn.name}(${fn.arguments})`, described(fn)]));
}

/** Every key of either side, with what each side has under it. */
function pairs<T>(want: Record<string, T>, have: Record<string, T>): [string, T | undefined, T | undefined][] {
  return [...new Set([...Object.keys(want), ...Object.keys(have)])].map((key) => [key, want[key], have[key]]);
}
