/**
 * Four descriptions of schema auth are one: Supabase's catalogue (drizzle/supabase-auth.json, read from a running GoTrue), the
 * numbered SQL, the database that the SQL makes, and drizzle's. Ours, gatehouse and audit, have the last three.
 */
import { getTableName, is, type SQL } from 'drizzle-orm';
import { getTableConfig, isPgEnum, type PgColumn, PgDialect, PgTable } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareCatalogues, describeDifference } from '../../src/db/adopt.ts';
import * as auditSchema from '../../src/db/audit.schema.ts';
import * as authSchema from '../../src/db/auth.schema.ts';
import {
  type Catalogue,
  type Column,
  findCatalogue,
  readFunctionDefinitions,
  readSupabaseCatalogue,
} from '../../src/db/catalogue.sql.ts';
import * as gatehouseSchema from '../../src/db/gatehouse.schema.ts';
import { freshDatabase, type TestDatabase } from '../harness/postgres.ts';

let database: TestDatabase;
let live: Catalogue;
const supabase = await readSupabaseCatalogue();

beforeAll(async () => {
  database = await freshDatabase();
  const client = await database.pool.connect();
  await client.query('begin');
  live = await findCatalogue(client);
  await client.query('rollback');
  client.release();
});
afterAll(() => database.drop());

describe('the database that drizzle/0000_supabase_auth.sql makes', () => {
  it('has the tables of Supabase Auth, no more and no fewer', () => {
    expect(Object.keys(live.tables).sort()).toEqual(Object.keys(supabase.tables).sort());
  });

  it.each(Object.keys(supabase.tables))(
    'has auth.%s with its columns in order, keys, checks, indexes and comments',
    (name) => {
      expect(live.tables[name]).toEqual(supabase.tables[name]);
    },
  );

  it('has its types, functions and sequences', () => {
    expect(live.enums).toEqual(supabase.enums);
    expect(byName(live.functions)).toEqual(byName(supabase.functions));
    expect(live.sequences).toEqual(supabase.sequences);
  });

  it("has every row of GoTrue's own ledger, so that a GoTrue started on it changes nothing", () => {
    expect(live.schema_migrations).toEqual(supabase.schema_migrations);
  });

  it('is what adopting would make of it: nothing to do, nothing to report', async () => {
    const { steps, differences } = compareCatalogues(supabase, live, await readFunctionDefinitions());
    expect([...steps, ...differences].map(describeDifference)).toEqual([]);
  });

  it('numbers refresh tokens by a sequence that goes with its column', async () => {
    const { rows } = await database.pool.query(
      `select pg_get_serial_sequence('auth.refresh_tokens', 'id') as sequence`,
    );
    expect(rows).toEqual([{ sequence: 'auth.refresh_tokens_id_seq' }]);
  });
});

describe('drizzle', () => {
  it('knows every table and type of schema auth', () => {
    expect(tablesOf(authSchema).map(getTableName).sort()).toEqual(Object.keys(supabase.tables).sort());
    const enums = Object.values<unknown>(authSchema).filter((one) => isPgEnum(one));
    expect(Object.fromEntries(enums.map(({ enumName, enumValues }) => [enumName, enumValues]))).toEqual(supabase.enums);
  });

  it.each(tablesOf(authSchema).map((table) => [getTableName(table), table] as const))(
    'sees auth.%s as it is: columns in order, types, defaults, key',
    (name, table) => {
      expect(columnsOf(table)).toEqual(supabase.tables[name]?.columns.map(withoutComment));
      expect(primaryKeyOf(table)).toBe(Object.values(supabase.tables[name]?.constraints ?? {}).find(isPrimaryKey));
    },
  );

  it.each(
    [...tablesOf(gatehouseSchema), ...tablesOf(auditSchema)].map((table) => {
      const { schema, name } = getTableConfig(table);
      return [`${schema}.${name}`, table] as const;
    }),
  )('sees %s as it is: columns in order, types, defaults, key', async (name, table) => {
    const { rows } = await database.pool.query<{ columns: Column[]; key: string }>(
      `select json_agg(json_strip_nulls(json_build_object(
                'name', attname, 'type', format_type(atttypid, atttypmod), 'not_null', attnotnull,
                'default', pg_get_expr(adbin, adrelid))) order by attnum) as columns,
              (select pg_get_constraintdef(oid) from pg_constraint where conrelid = $1::regclass and contype = 'p') as key
         from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
        where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
      [name],
    );
    expect(columnsOf(table)).toEqual(rows[0]?.columns);
    expect(primaryKeyOf(table)).toBe(rows[0]?.key);
  });
});

const isPrimaryKey = (definition: string) => definition.startsWith('PRIMARY KEY');
const byName = <T extends { name: string }>(list: T[]) => Object.fromEntries(list.map((one) => [one.name, one]));
const withoutComment = ({ comment: _, ...column }: Column) => column;

function tablesOf(schema: Record<string, unknown>): PgTable[] {
  return Object.values(schema).filter((one): one is PgTable => is(one, PgTable));
}

function columnsOf(table: PgTable): Column[] {
  return getTableConfig(table).columns.map((column) => {
    const expression = column.generated?.as ?? column.default;
    return {
      name: column.name,
      type: sqlType(column),
      not_null: column.notNull,
      ...(expression === undefined ? {} : { default: new PgDialect().sqlToQuery(expression as SQL).sql }),
      ...(column.generated ? { generated: 's' } : {}),
    };
  });
}

function primaryKeyOf(table: PgTable): string {
  const { columns, primaryKeys } = getTableConfig(table);
  const key = primaryKeys[0]?.columns ?? columns.filter((column) => column.primary);
  return `PRIMARY KEY (${key.map((column) => column.name).join(', ')})`;
}

/** PostgreSQL's own name of the type. */
function sqlType(column: PgColumn): string {
  const type = column
    .getSQLType()
    .replace(/^varchar/, 'character varying')
    .replace(/^timestamp$/, 'timestamp without time zone');
  return column.columnType === 'PgEnumColumn' ? `auth.${type}` : type;
}
