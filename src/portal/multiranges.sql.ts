/** Multiranges, which a range brings: what is said of them by name, and `pg_dump` does not write. */
import pg from 'pg';

const { escapeLiteral } = pg;

/**
 * Those objects whose owner and rights can be set here. From PostgreSQL 17 on a multirange has those of its range, and to name
 * it is an error.
 */
export async function withoutFollowers<T extends { kind: string; identity: string }>(
  client: pg.ClientBase,
  objects: readonly T[],
): Promise<T[]> {
  const types = objects.filter(({ kind }) => kind === 'type').map(({ identity }) => identity);
  const { rows } = await client.query<{ identity: string }>(
    `select i.identity
       from unnest($1::text[]) as i (identity)
       join pg_type as t on t.oid = to_regtype(i.identity)
      where t.typtype = 'm' and current_setting('server_version_num')::int >= 170000`,
    [types],
  );
  const followers = new Set(rows.map(({ identity }) => identity));
  return objects.filter(({ kind, identity }) => kind !== 'type' || !followers.has(identity));
}

export interface MultirangeComment {
  identity: string;
  comment: string;
}

export async function listMultirangeComments(
  client: pg.ClientBase,
  schemas: readonly string[],
): Promise<MultirangeComment[]> {
  const { rows } = await client.query<MultirangeComment>(
    `select o.identity, obj_description(t.oid, 'pg_type') as comment
       from pg_type as t
       join pg_namespace as n on n.oid = t.typnamespace
      cross join pg_identify_object('pg_type'::regclass, t.oid, 0) as o
      where t.typtype = 'm' and n.nspname = any ($1) and obj_description(t.oid, 'pg_type') is not null
        and not exists (select from pg_depend where classid = 'pg_type'::regclass and objid = t.oid and deptype = 'e')`,
    [schemas],
  );
  return rows;
}

export async function commentOnMultiranges(
  client: pg.ClientBase,
  comments: readonly MultirangeComment[],
): Promise<void> {
  for (const { identity, comment } of comments) {
    await client.query(`comment on type ${identity} is ${escapeLiteral(comment)}`);
  }
}
