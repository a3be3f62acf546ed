/** Sequences, where they stand, and the columns that take their values from them. */
import pg from 'pg';

const { escapeIdentifier, escapeLiteral } = pg;

export interface SequenceFacts {
  schema: string;
  name: string;
  /** How SQL writes it. */
  label: string;
  /** Negative where it counts down. */
  increment: string;
  readable: boolean;
  /** Whose values come from it: by belonging to it, or by a default. */
  columns: { schema: string; table: string; column: string; label: string }[];
}

/** All sequences of these schemas. */
export async function listSequences(client: pg.ClientBase, schemas: readonly string[]): Promise<SequenceFacts[]> {
  const { rows } = await client.query<SequenceFacts>(
    `select n.nspname as schema, c.relname as name, format('%I.%I', n.nspname, c.relname) as label,
            s.seqincrement::text as increment,
            has_schema_privilege(n.oid, 'usage') and has_sequence_privilege(c.oid, 'select') as readable,
            coalesce((select json_agg(json_build_object(
                               'schema', tn.nspname, 'table', t.relname, 'column', a.attname,
                               'label', format('%I.%I.%I', tn.nspname, t.relname, a.attname))
                               order by tn.nspname, t.relname, a.attname)
                        from (select d.refobjid as relation, d.refobjsubid as attnum
                                from pg_depend as d
                               where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
                                 and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0
                              union
                              select f.adrelid, f.adnum
                                from pg_depend as d
                                join pg_attrdef as f on f.oid = d.objid
                               where d.classid = 'pg_attrdef'::regclass and d.refclassid = 'pg_class'::regclass
                                 and d.refobjid = c.oid) as taker
                        join pg_attribute as a on a.attrelid = taker.relation and a.attnum = taker.attnum
                        join pg_class as t on t.oid = taker.relation
                        join pg_namespace as tn on tn.oid = t.relnamespace
                       where a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
                         and not t.relispartition), '[]') as columns
       from pg_class as c
       join pg_namespace as n on n.oid = c.relnamespace
       join pg_sequence as s on s.seqrelid = c.oid
      where c.relkind = 'S' and c.relpersistence <> 't' and n.nspname = any ($1)
      order by n.nspname collate "C", c.relname collate "C"`,
    [schemas],
  );
  return rows;
}

/** Where a sequence stands: its last value, which was given out or is the next to be. */
export interface Position {
  last_value: string;
  is_called: boolean;
}

const SEQUENCES_AT_ONCE = 100;

/** Where they stand now, whatever the transaction reads of, in the order given: sequences have no past. */
export async function readPositions(client: pg.ClientBase, sequences: readonly SequenceFacts[]): Promise<Position[]> {
  const positions: Position[] = [];
  for (let n = 0; n < sequences.length; n += SEQUENCES_AT_ONCE) {
    const some = sequences.slice(n, n + SEQUENCES_AT_ONCE);
    const { rows } = await client.query<Position>(
      some
        .map(
          ({ schema, name }, place) =>
            `select ${place} as place, last_value::text, is_called
               from ${escapeIdentifier(schema)}.${escapeIdentifier(name)}`,
        )
        .join(' union all ')
        .concat(' order by place'),
    );
    positions.push(...rows.map(({ last_value, is_called }) => ({ last_value, is_called })));
  }
  return positions;
}

/** The value of each column that its sequence must be past: the greatest, or the least where it counts down. */
export async function readReach(
  client: pg.ClientBase,
  { increment, columns }: SequenceFacts,
): Promise<{ label: string; reach: string | null }[]> {
  if (columns.length === 0) return [];
  const most = increment.startsWith('-') ? 'min' : 'max';
  const { rows } = await client.query<{ label: string; reach: string | null }>(
    columns
      .map(
        ({ schema, table, column, label }) =>
          `select ${escapeLiteral(label)} as label, trunc(${most}(${escapeIdentifier(column)})::numeric)::text as reach
             from ${escapeIdentifier(schema)}.${escapeIdentifier(table)}`,
      )
      .join(' union all '),
  );
  return rows;
}
