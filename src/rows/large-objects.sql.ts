/** Large objects, which belong to no schema: whose they are, who may what with them, how long, and what is in them. */
import type pg from 'pg';

export interface LargeObject {
  id: string;
  owner: string;
  comment: string | null;
  /** Who may what, but for the owner; `public` is everybody. */
  rights: { grantee: string; right: string }[];
  /** Undefined where the role may not read it. */
  bytes: string | undefined;
  /** SHA-256 over the SHA-256 of its pieces. */
  digest: string | undefined;
}

/** So much of a large object is in memory at a time. */
const PIECE = 4 * 1024 * 1024;

/** No rights on large objects come with pg_read_all_data. */
export const readable = `(
  pg_has_role(lomowner, 'usage')
  or exists (select from aclexplode(lomacl) as a
              where a.privilege_type = 'SELECT' and (a.grantee = 0 or pg_has_role(a.grantee, 'usage'))))`;

/** The id of the last of so many after an id; undefined where there are no more than those. */
export async function findLast(client: pg.ClientBase, after: string, count: number): Promise<string | undefined> {
  const { rows } = await client.query<{ id: string }>(
    'select oid::text as id from pg_largeobject_metadata where oid > $1::oid order by oid offset $2 limit 1',
    [after, count - 1],
  );
  return rows[0]?.id;
}

/** Those after an id and up to another, in order, in a transaction with one view of them. */
export async function readLargeObjects(client: pg.ClientBase, after: string, upTo: string): Promise<LargeObject[]> {
  await client.query('savepoint reading');
  // Each stays open, until the savepoint is gone: closing it in the same statement could come first.
  const { rows } = await client.query<Omit<LargeObject, 'bytes' | 'digest'> & { bytes: string | null }>(
    `select oid::text as id, pg_get_userbyid(lomowner)::text as owner, obj_description(oid, 'pg_largeobject') as comment,
            coalesce((select jsonb_agg(jsonb_build_object(
                               'grantee', case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee)::text end,
                               'right', a.privilege_type || case when a.is_grantable then ' with grant option' else '' end))
                        from aclexplode(lomacl) as a where a.grantee <> lomowner), '[]') as rights,
            case when ${readable} then lo_lseek64(lo_open(oid, x'40000'::int), 0, 2) end::text as bytes
       from pg_largeobject_metadata
      where oid > $1::oid and oid <= $2::oid
      order by oid`,
    [after, upTo],
  );
  await client.query('rollback to savepoint reading; release savepoint reading');
  const digests = await readDigests(
    client,
    rows.filter(({ bytes }) => bytes !== null),
  );
  return rows.map(({ bytes, ...object }) => ({
    ...object,
    bytes: bytes ?? undefined,
    digest: digests.get(object.id),
  }));
}

async function readDigests(
  client: pg.ClientBase,
  objects: readonly { id: string; bytes: string | null }[],
): Promise<Map<string, string>> {
  const { rows } = await client.query<{ id: string; digest: string }>(
    `select o.id::text,
            encode(sha256((select coalesce(string_agg(sha256(lo_get(o.id, piece, ${PIECE})), '' order by piece), '')
                             from generate_series(0, o.bytes - 1, ${PIECE}) as piece)), 'hex') as digest
       from unnest($1::oid[], $2::bigint[]) as o (id, bytes)`,
    [objects.map(({ id }) => id), objects.map(({ bytes }) => bytes)],
  );
  return new Map(rows.map(({ id, digest }) => [id, digest]));
}
