/** Which tables with rows of their own a database has, and what tells their rows apart. */
import pg from 'pg';

const { escapeIdentifier } = pg;

export interface ColumnFacts {
  name: string;
  /** Of a domain, what it is made of. */
  type: string;
  /** Whether the type is PostgreSQL's own: its binary form is then the same on every server. */
  native: boolean;
  /** As it was declared, for comparing the two sides. */
  declared: string;
}

export interface TableFacts {
  schema: string;
  name: string;
  /** How SQL writes it: quoted where it has to be. */
  label: string;
  columns: ColumnFacts[];
  /** Columns that are never NULL and together unique: the primary key, else the shortest other one; empty where there is none. */
  key: string[];
  /** The partitioned table that it is a part of, as SQL writes it. */
  partition_of: string | null;
  bytes: number;
  /** Whether a value is so large that it is stored beside the table. */
  large_values: boolean;
  /** Whether it can be read in ranges of pages. */
  heap: boolean;
  readable: boolean;
  /** Row level security would keep rows from this role. */
  veiled: boolean;
  /** False of a materialized view that nobody has filled yet. */
  populated: boolean;
}

/** Something whose rows are not compared. */
export interface PassedOver {
  schema: string;
  name: string;
  label: string;
  kind: 'foreign table' | 'extension table';
}

const BASE_TYPE = `
  with recursive base as (
    select oid as type, oid, typbasetype from pg_type
    union all
    select b.type, t.oid, t.typbasetype from base as b join pg_type as t on t.oid = b.typbasetype)`;

/** Ordinary tables in these schemas, partitions each by itself, in order of their names. */
export const listTables = (client: pg.ClientBase, schemas: readonly string[]) => listRelations(client, schemas, 'r');

/** Materialized views in these schemas, in order of their names. */
export const listViews = (client: pg.ClientBase, schemas: readonly string[]) => listRelations(client, schemas, 'm');

async function listRelations(
  client: pg.ClientBase,
  schemas: readonly string[],
  kind: 'r' | 'm',
): Promise<TableFacts[]> {
  const { rows } = await client.query<TableFacts & { bytes: string }>(
    `${BASE_TYPE}
     select n.nspname as schema, c.relname as name, format('%I.%I', n.nspname, c.relname) as label,
            coalesce((select json_agg(json_build_object(
                               'name', a.attname, 'type', t.typname, 'native', t.typnamespace = 'pg_catalog'::regnamespace,
                               'declared', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
                        from pg_attribute as a
                        join base as b on b.type = a.atttypid and b.typbasetype = 0
                        join pg_type as t on t.oid = b.oid
                       where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]') as columns,
            array(select a.attname::text
                    from unnest((select i.indkey::int2[]
                                   from pg_index as i
                                  where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indimmediate
                                    and i.indpred is null and i.indexprs is null
                                    and not exists (select from unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
                                                      join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.attnum
                                                     where k.place <= i.indnkeyatts and not a.attnotnull)
                                  order by i.indisprimary desc, i.indnkeyatts, i.indexrelid
                                  limit 1)) with ordinality as k (attnum, place)
                    join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.attnum
                   order by k.place) as key,
            case when c.relispartition then
              (select format('%I.%I', pn.nspname, p.relname)
                 from pg_inherits as h
                 join pg_class as p on p.oid = h.inhparent
                 join pg_namespace as pn on pn.oid = p.relnamespace
                where h.inhrelid = c.oid) end as partition_of,
            coalesce(pg_relation_size(c.oid), 0) as bytes,
            c.reltoastrelid <> 0 and pg_relation_size(c.reltoastrelid) > 0 as large_values,
            am.amname = 'heap' as heap,
            has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as readable,
            row_security_active(c.oid) as veiled, c.relispopulated as populated
       from pg_class as c
       join pg_namespace as n on n.oid = c.relnamespace
       join pg_am as am on am.oid = c.relam
      where c.relkind = $2 and c.relpersistence <> 't' and n.nspname = any ($1) and not ${ofExtension}
      order by n.nspname collate "C", c.relname collate "C"`,
    [schemas, kind],
  );
  return rows.map((row) => ({ ...row, bytes: Number(row.bytes) }));
}

const ofExtension = `exists (
  select from pg_depend as d
   where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')`;

/** What holds rows in these schemas and is no table of the schema's own. */
export async function listPassedOver(client: pg.ClientBase, schemas: readonly string[]): Promise<PassedOver[]> {
  const { rows } = await client.query<PassedOver>(
    `select n.nspname as schema, c.relname as name, format('%I.%I', n.nspname, c.relname) as label,
            case c.relkind when 'f' then 'foreign table' else 'extension table' end as kind
       from pg_class as c
       join pg_namespace as n on n.oid = c.relnamespace
      where n.nspname = any ($1) and (c.relkind = 'f' or c.relkind in ('r', 'm') and ${ofExtension})
      order by n.nspname collate "C", c.relname collate "C"`,
    [schemas],
  );
  return rows;
}

/** Keeps tables from being dropped, truncated or rewritten until the transaction ends: rows and snapshot stay one. */
export async function lockTables(client: pg.ClientBase, tables: readonly TableFacts[]): Promise<void> {
  if (tables.length === 0) return;
  const names = tables.map((table) => `only ${inSql(table)}`);
  await client.query(`lock table ${names.join(', ')} in access share mode`);
}

export function inSql({ schema, name }: Pick<TableFacts, 'schema' | 'name'>): string {
  return `${escapeIdentifier(schema)}.${escapeIdentifier(name)}`;
}

/** From here on until `endTable`, what statements lock is given free by it. */
export async function beginTable(client: pg.ClientBase): Promise<void> {
  await client.query('savepoint comparing');
}

export async function endTable(client: pg.ClientBase): Promise<void> {
  await client.query('rollback to savepoint comparing; release savepoint comparing');
}
