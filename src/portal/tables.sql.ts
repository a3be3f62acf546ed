/** The tables whose rows are copied: what they hold, in which form it travels, and whether it has changed meanwhile. */
import pg from 'pg';

const { escapeIdentifier, escapeLiteral } = pg;

export interface PortalTable {
  schema: string;
  name: string;
  /** Both, quoted where this server's PostgreSQL needs it: `public."Odd Table"`. */
  identity: string;
  /** Without what the database computes itself. */
  columns: string[];
  /** Its pages, and the bytes in them and beside them. */
  pages: number;
  bytes: number;
  /** Every value's binary form means the same in another database. */
  binary: boolean;
  /** As it was in the snapshot; another now means that the table was rewritten since, and its rows cannot be read as of then. */
  filenode: number;
  /** Row security holds for its owner, too. */
  forced: boolean;
}

/**
 * Tables that hold rows themselves: ordinary ones, partitions, parents of inheritance. Not those of extensions, which come
 * with the extension.
 */
export async function listPortalTables(client: pg.ClientBase, schemas: readonly string[]): Promise<PortalTable[]> {
  const { rows } = await client.query<PortalTable>(
    `with recursive portal as (
       select c.oid, n.nspname, c.relname, c.relfilenode, c.relforcerowsecurity
         from pg_class as c
         join pg_namespace as n on n.oid = c.relnamespace
        where n.nspname = any ($1) and c.relkind = 'r' and c.relpersistence <> 't'
          and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e')),
     attribute as (
       select a.attrelid, a.attnum, a.attname, a.atttypid
         from pg_attribute as a
         join portal on portal.oid = a.attrelid
        where a.attnum > 0 and not a.attisdropped and a.attgenerated = ''),
     -- Every type that is inside another.
     part (root, type) as (
       select distinct atttypid, atttypid from attribute
       union
       select part.root, inside.type
         from part
         join pg_type as t on t.oid = part.type
        cross join lateral (
          select t.typbasetype as type where t.typtype = 'd'
          union all
          select t.typelem where t.typcategory = 'A' and t.typelem <> 0
          union all
          select atttypid from pg_attribute
           where t.typtype = 'c' and attrelid = t.typrelid and attnum > 0 and not attisdropped
          union all
          select rngsubtype from pg_range where t.oid in (rngtypid, rngmultitypid)) as inside),
     form as (
       -- What names an object (regclass) is a number of this database alone; what an extension sends may be of its version.
       select part.root,
              bool_and(t.typtype in ('d', 'c', 'e', 'r', 'm') or t.typcategory = 'A'
                       or (t.typnamespace = 'pg_catalog'::regnamespace and t.typsend <> 0 and t.typname !~ '^reg')) as binary
         from part
         join pg_type as t on t.oid = part.type
        group by part.root)
     select portal.nspname as schema, portal.relname as name, format('%I.%I', portal.nspname, portal.relname) as identity,
            coalesce(array_agg(a.attname::text order by a.attnum) filter (where a.attnum is not null), '{}') as columns,
            (pg_relation_size(portal.oid) / current_setting('block_size')::int)::int as pages,
            pg_table_size(portal.oid)::float8 as bytes, coalesce(bool_and(form.binary), true) as binary,
            portal.relfilenode::bigint::float8 as filenode, portal.relforcerowsecurity as forced
       from portal
       left join attribute as a on a.attrelid = portal.oid
       left join form on form.root = a.atttypid
      group by portal.oid, portal.nspname, portal.relname, portal.relfilenode, portal.relforcerowsecurity
      order by pg_table_size(portal.oid) desc, 1, 2`,
    [schemas],
  );
  return rows;
}

/** Keeps tables from being dropped, rewritten or emptied until the transaction ends; rows come and go as before. */
export async function lockPortalTables(client: pg.ClientBase, tables: readonly PortalTable[]): Promise<void> {
  for (let at = 0; at < tables.length; at += 100) {
    const names = tables.slice(at, at + 100).map(({ identity }) => `only ${identity}`);
    await client.query(`lock table ${names.join(', ')} in access share mode`);
  }
}

/** The first table that was rewritten or emptied between the snapshot and the lock. */
export async function findRewritten(
  client: pg.ClientBase,
  tables: readonly PortalTable[],
): Promise<string | undefined> {
  const { rows } = await client.query<{ identity: string }>(
    `select t.identity
       from unnest($1::text[], $2::float8[]) as t (identity, filenode)
      where pg_relation_filenode(t.identity::regclass)::bigint::float8 is distinct from t.filenode
      limit 1`,
    [tables.map(({ identity }) => identity), tables.map(({ filenode }) => filenode)],
  );
  return rows[0]?.identity;
}

/** The oldest transaction that this snapshot does not see: every row of an older one is in it. */
export async function horizonOf(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ horizon: string }>(
    'select pg_snapshot_xmin(pg_current_snapshot())::text as horizon',
  );
  return rows[0]?.horizon ?? '';
}

/**
 * Whether the table still has exactly the rows of an earlier snapshot, as far back as its horizon: as many, and none that
 * was written since. What was deleted is missing in the count.
 */
export async function isAsBefore(
  client: pg.ClientBase,
  { identity }: PortalTable,
  before: { rows: number; horizon: string },
): Promise<boolean> {
  const { rows } = await client.query<{ same: boolean }>(
    `select count(*) = $1::bigint and count(*) filter (where age(xmin) <= age($2::text::xid8::xid)) = 0 as same
       from only ${identity}`,
    [before.rows, before.horizon],
  );
  return rows[0]?.same ?? false;
}

/** Pages from `first` to before `end`; without an end, to the last. */
export interface PageRange {
  first: number;
  end: number | undefined;
}

/** As every PostgreSQL reads it: a newer one reserves more words. */
const inSql = ({ schema, name }: PortalTable) => `${escapeIdentifier(schema)}.${escapeIdentifier(name)}`;

const columnsOf = ({ columns }: PortalTable) => columns.map((name) => escapeIdentifier(name)).join(', ');

/** The statements that read a table, or a part of it, at the source and write it at the target. */
export function copyStatements(
  table: PortalTable,
  range: PageRange | undefined,
  options: { binary: boolean; freeze: boolean },
) {
  const name = inSql(table);
  const columns = columnsOf(table);
  const format = options.binary ? 'format binary' : 'format text';
  const page = (number: number) => `${escapeLiteral(`(${number},0)`)}::tid`;
  const end = range?.end === undefined ? '' : ` and ctid < ${page(range.end)}`;
  const rows = range
    ? `(select ${columns} from only ${name} where ctid >= ${page(range.first)}${end})`
    : `${name} (${columns})`;
  return {
    read: `copy ${rows} to stdout (${format})`,
    write: `copy ${name} (${columns}) from stdin (${format}${options.freeze ? ', freeze' : ''})`,
  };
}

export async function emptyTable(client: pg.ClientBase, table: PortalTable): Promise<void> {
  await client.query(`truncate only ${inSql(table)}`);
}

/** Rows of a table none of whose columns is written: there is nothing to copy but their number. */
export async function countRows(client: pg.ClientBase, table: PortalTable): Promise<number> {
  const { rows } = await client.query<{ count: string }>(`select count(*) from only ${inSql(table)}`);
  return Number(rows[0]?.count);
}

export async function insertEmptyRows(client: pg.ClientBase, table: PortalTable, count: number): Promise<void> {
  await client.query(`insert into ${inSql(table)} select from generate_series(1, $1::bigint)`, [count]);
}

export async function analyzeTable(client: pg.ClientBase, table: PortalTable): Promise<void> {
  await client.query(`analyze ${inSql(table)}`);
}

export interface SequenceState {
  identity: string;
  last_value: string;
  is_called: boolean;
}

/** How far each sequence is: of now, since sequences have no past. */
export async function readSequences(client: pg.ClientBase, schemas: readonly string[]): Promise<SequenceState[]> {
  const { rows: sequences } = await client.query<{ identity: string }>(
    `select format('%I.%I', n.nspname, c.relname) as identity
       from pg_class as c
       join pg_namespace as n on n.oid = c.relnamespace
      where n.nspname = any ($1) and c.relkind = 'S'
        and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e')
      order by 1`,
    [schemas],
  );
  const states: SequenceState[] = [];
  for (let at = 0; at < sequences.length; at += 100) {
    const questions = sequences
      .slice(at, at + 100)
      .map(({ identity }) => `select ${escapeLiteral(identity)} as identity, last_value, is_called from ${identity}`);
    states.push(...(await client.query<SequenceState>(questions.join(' union all '))).rows);
  }
  return states;
}

export async function setSequences(client: pg.ClientBase, states: readonly SequenceState[]): Promise<void> {
  await client.query(
    `select setval(s.identity::regclass, s.last_value, s.is_called)
       from unnest($1::text[], $2::bigint[], $3::boolean[]) as s (identity, last_value, is_called)`,
    [
      states.map(({ identity }) => identity),
      states.map(({ last_value }) => last_value),
      states.map(({ is_called }) => is_called),
    ],
  );
}

/** Materialized views that have rows at the source, those that others read first. */
export async function listPopulatedViews(client: pg.ClientBase, schemas: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ identity: string }>(
    `with recursive reads as (
       select distinct r.ev_class as view, d.refobjid as base
         from pg_rewrite as r
         join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
          and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class),
     depth (view, level) as (
       select c.oid, 0 from pg_class as c where c.relkind = 'm'
       union
       select reads.view, depth.level + 1 from depth join reads on reads.base = depth.view where depth.level < 100)
     select format('%I.%I', n.nspname, c.relname) as identity
       from pg_class as c
       join pg_namespace as n on n.oid = c.relnamespace
       join depth on depth.view = c.oid
      where n.nspname = any ($1) and c.relkind = 'm' and c.relispopulated
      group by c.oid, n.nspname, c.relname
      order by max(depth.level), 1`,
    [schemas],
  );
  return rows.map(({ identity }) => identity);
}

export async function refreshView(client: pg.ClientBase, identity: string): Promise<void> {
  await client.query(`refresh materialized view ${identity}`);
}
