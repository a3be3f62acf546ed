/** What schema auth consists of: as Supabase's own (drizzle/supabase-auth.json) and as a database has it, in one shape. */
import { readFile } from 'node:fs/promises';
import pg, { type ClientBase } from 'pg';

export interface Column {
  name: string;
  type: string;
  not_null: boolean;
  /** As PostgreSQL prints it; the expression of a generated column too. */
  default?: string;
  /** `s`: generated and stored. */
  generated?: string;
  comment?: string;
}

export interface Table {
  columns: Column[];
  /** Name → definition. A constraint's index is here as well. */
  indexes: Record<string, string>;
  constraints: Record<string, string>;
  triggers: Record<string, string> | null;
  row_security: boolean;
  comment: string | null;
}

export interface SqlFunction {
  name: string;
  arguments: string;
  returns: string;
  language: string;
  volatility: string;
  comment: string | null;
}

export interface Catalogue {
  enums: Record<string, string[]>;
  tables: Record<string, Table>;
  functions: SqlFunction[];
  sequences: { name: string; type: string }[];
  /** Versions that GoTrue's own ledger holds, ascending. */
  schema_migrations: string[];
}

const DIRECTORY = new URL('../../drizzle/', import.meta.url);

/** Schema auth as GoTrue 2.196 leaves it on PostgreSQL 15. */
export async function readSupabaseCatalogue(): Promise<Catalogue> {
  return JSON.parse(await readFile(new URL('supabase-auth.json', DIRECTORY), 'utf8'));
}

/**
 * Schema auth of the connected database. The caller's transaction keeps an empty `search_path`, so that every name is
 * printed with its schema.
 */
export async function findCatalogue(client: ClientBase): Promise<Catalogue> {
  await client.query("set local search_path = ''");
  const { rows } = await client.query<{ catalogue: Omit<Catalogue, 'schema_migrations'>; has_ledger: boolean }>(`
    with relations as (
      select c.oid, c.relname, c.relkind, c.relrowsecurity, obj_description(c.oid, 'pg_class') as comment
        from pg_class as c where c.relnamespace = to_regnamespace('auth')),
    columns as (
      select a.attrelid,
             json_agg(json_strip_nulls(json_build_object(
               'name', a.attname,
               'type', format_type(a.atttypid, a.atttypmod),
               'not_null', a.attnotnull,
               'default', pg_get_expr(d.adbin, d.adrelid),
               'generated', nullif(a.attgenerated, ''),
               'comment', col_description(a.attrelid, a.attnum))) order by a.attnum) as columns
        from pg_attribute as a
        left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
       where a.attnum > 0 and not a.attisdropped
       group by a.attrelid)
    select json_build_object(
      'enums', (
        select coalesce(json_object_agg(typname, labels), '{}')
          from (select t.typname, json_agg(e.enumlabel order by e.enumsortorder) as labels
                  from pg_type as t join pg_enum as e on e.enumtypid = t.oid
                 where t.typnamespace = to_regnamespace('auth') group by t.typname) as enums),
      'tables', (
        select coalesce(json_object_agg(r.relname, json_build_object(
                 'columns', c.columns,
                 'indexes', (select coalesce(json_object_agg(n.relname, pg_get_indexdef(n.oid)), '{}')
                               from pg_index as i join pg_class as n on n.oid = i.indexrelid where i.indrelid = r.oid),
                 -- In PostgreSQL 18 a NOT NULL is a constraint, too; the columns say it already.
                 'constraints', (select coalesce(json_object_agg(conname, pg_get_constraintdef(k.oid)), '{}')
                                   from pg_constraint as k where k.conrelid = r.oid and k.contype <> 'n'),
                 'triggers', (select json_object_agg(tgname, pg_get_triggerdef(t.oid))
                                from pg_trigger as t where t.tgrelid = r.oid and not t.tgisinternal),
                 'row_security', r.relrowsecurity,
                 'comment', r.comment)), '{}')
          from relations as r join columns as c on c.attrelid = r.oid
         where r.relkind in ('r', 'p')),
      'functions', (
        select coalesce(json_agg(json_build_object(
                 'name', p.proname, 'arguments', pg_get_function_arguments(p.oid), 'returns', format_type(p.prorettype, null),
                 'language', l.lanname, 'volatility', p.provolatile, 'comment', obj_description(p.oid, 'pg_proc'))
                 order by p.proname), '[]')
          from pg_proc as p join pg_language as l on l.oid = p.prolang
         where p.pronamespace = to_regnamespace('auth')),
      'sequences', (
        select coalesce(json_agg(json_build_object('name', r.relname, 'type', format_type(s.seqtypid, null)) order by r.relname), '[]')
          from relations as r join pg_sequence as s on s.seqrelid = r.oid)) as catalogue,
      to_regclass('auth.schema_migrations') is not null as has_ledger`);
  const [row] = rows;
  if (!row) throw new Error('the catalogue query returned no row');
  const applied = row.has_ledger
    ? (await client.query<{ version: string }>('select version from auth.schema_migrations order by version')).rows
    : [];
  return { ...row.catalogue, schema_migrations: applied.map(({ version }) => version) };
}

/** The owner of a table, type or function of schema auth whose rights the connecting role lacks, if there is one. */
export async function findForeignOwner(
  client: ClientBase,
): Promise<{ owner: string; current_user: string } | undefined> {
  const { rows } = await client.query<{ owner: string; current_user: string }>(`
    select distinct quote_ident(pg_get_userbyid(owner)) as owner, quote_ident(current_user) as current_user
      from (select nspowner as owner from pg_namespace where oid = to_regnamespace('auth')
            union all select relowner from pg_class where relnamespace = to_regnamespace('auth')
            union all select typowner from pg_type where typnamespace = to_regnamespace('auth') and typtype = 'e') as owners
     where not pg_has_role(owner, 'usage')
     limit 1`);
  return rows[0];
}

/** GoTrue's ledger has these versions. */
export async function insertSchemaMigrations(client: ClientBase, versions: string[]): Promise<void> {
  await client.query(
    `insert into auth.schema_migrations (version)
     select version from unnest($1::text[]) as version
     except select version from auth.schema_migrations`,
    [versions],
  );
}

/** Signature → the statement that creates the function, as the first schema change has it. */
export async function readFunctionDefinitions(): Promise<Record<string, string>> {
  const sql = await readFile(new URL('0000_supabase_auth.sql', DIRECTORY), 'utf8');
  const statements = sql.matchAll(/^create function auth\.(\w+\(\))[^$]*\$\$[^$]*\$\$;/gm);
  return Object.fromEntries([...statements].map(([statement, signature]) => [signature, statement]));
}

/**
 * Runs the statement, or leaves no trace of it and returns why it could not run.
 *
 * @throws what is not PostgreSQL's answer to this statement: a lost connection.
 */
export async function attempt(client: ClientBase, sql: string): Promise<string | undefined> {
  await client.query('savepoint attempt');
  try {
    await client.query(sql);
    await client.query('release savepoint attempt');
    return undefined;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    await client.query('rollback to savepoint attempt');
    return error.message;
  }
}

const identifier = pg.escapeIdentifier;
const literal = pg.escapeLiteral;

/** What a column that is not null and has no default gets in the rows that are there: as GoTrue's own change fills it. */
const backfill: Record<string, string> = {
  'oauth_clients.token_endpoint_auth_method':
    "case client_type when 'public' then 'none' else 'client_secret_basic' end",
};

/** The statements that make what a catalogue describes. */
export const ddl = {
  createEnum: (name: string, labels: string[]) =>
    `create type auth.${identifier(name)} as enum (${labels.map(literal).join(', ')})`,

  /** Each missing label in its place. */
  extendEnum: (name: string, want: string[], have: string[]) =>
    want
      .map((label, index) => {
        if (have.includes(label)) return '';
        const previous = want[index - 1];
        const place = previous === undefined ? `before ${literal(have[0] ?? '')}` : `after ${literal(previous)}`;
        return `alter type auth.${identifier(name)} add value ${literal(label)} ${place};`;
      })
      .join(''),

  createSequence: (name: string, type: string) => `create sequence auth.${identifier(name)} as ${type}`,

  /** The sequence goes when its column goes. */
  ownSequence: (name: string, user: string) => `alter sequence auth.${identifier(name)} owned by ${user}`,

  /** Without its constraints and indexes. */
  createTable: (name: string, table: Table) =>
    [
      `create table auth.${identifier(name)} (${table.columns.map(columnDefinition).join(', ')})`,
      ...(table.row_security ? [ddl.enableRowSecurity(name)] : []),
      ...(table.comment ? [`comment on table auth.${identifier(name)} is ${literal(table.comment)}`] : []),
      ...table.columns.flatMap((column) => commentOn(name, column)),
    ].join(';\n'),

  addColumn: (table: string, column: Column) => {
    const filling = backfill[`${table}.${column.name}`];
    const add = `alter table auth.${identifier(table)} add column`;
    return [
      ...(filling
        ? [
            `${add} ${columnDefinition({ ...column, not_null: false })}`,
            `update auth.${identifier(table)} set ${identifier(column.name)} = ${filling}`,
            ddl.setNullability(table, column),
          ]
        : [`${add} ${columnDefinition(column)}`]),
      ...commentOn(table, column),
    ].join(';\n');
  },

  setDefault: (table: string, { name, default: expression }: Column) =>
    `alter table auth.${identifier(table)} alter column ${identifier(name)} set default ${expression}`,

  setNullability: (table: string, { name, not_null }: Column) =>
    `alter table auth.${identifier(table)} alter column ${identifier(name)} ${not_null ? 'set' : 'drop'} not null`,

  enableRowSecurity: (table: string) => `alter table auth.${identifier(table)} enable row level security`,

  addConstraint: (table: string, name: string, definition: string) =>
    `alter table auth.${identifier(table)} add constraint ${identifier(name)} ${definition}`,
};

function columnDefinition({ name, type, not_null, default: expression, generated }: Column): string {
  const value = expression && (generated ? `generated always as (${expression}) stored` : `default ${expression}`);
  return [identifier(name), type, value, not_null ? 'not null' : undefined].filter(Boolean).join(' ');
}

function commentOn(table: string, { name, comment }: Column): string[] {
  return comment ? [`comment on column auth.${identifier(table)}.${identifier(name)} is ${literal(comment)}`] : [];
}
