/** Large objects, which belong to no schema: each with its id, its owner and its bytes, a piece at a time. */
import pg from 'pg';
import { readable } from '../rows/large-objects.sql.ts';
import type { Substitute } from './rights.sql.ts';

const { escapeIdentifier } = pg;

const PIECE = 1024 * 1024;

export interface LargeObject {
  id: string;
  owner: string;
  comment: string | null;
  grants: { grantee: string; privileges: string[]; grantable: boolean }[];
}

/** So many of them after an id, in their order. */
export async function listLargeObjects(client: pg.ClientBase, after: string, limit: number): Promise<LargeObject[]> {
  const { rows } = await client.query<LargeObject>(
    `select oid::text as id, pg_get_userbyid(lomowner)::text as owner, obj_description(oid, 'pg_largeobject') as comment,
            coalesce((select jsonb_agg(jsonb_build_object('grantee', g.grantee, 'privileges', g.privileges, 'grantable', g.grantable))
                        from (select case when a.grantee = 0 then 'public' else pg_get_userbyid(a.grantee)::text end as grantee,
                                     a.is_grantable as grantable, array_agg(a.privilege_type) as privileges
                                from aclexplode(lomacl) as a where a.grantee <> lomowner group by 1, 2) as g), '[]') as grants
       from pg_largeobject_metadata
      where oid > $1::oid
      order by oid
      limit $2`,
    [after, limit],
  );
  return rows;
}

export async function countLargeObjects(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ count: string }>('select count(*) from pg_largeobject_metadata');
  return Number(rows[0]?.count);
}

/** Those that the connected role may not read, each with its owner, up to so many. */
export async function listUnreadableObjects(
  client: pg.ClientBase,
  limit: number,
): Promise<Pick<LargeObject, 'id' | 'owner'>[]> {
  const { rows } = await client.query<Pick<LargeObject, 'id' | 'owner'>>(
    `select oid::text as id, pg_get_userbyid(lomowner)::text as owner
       from pg_largeobject_metadata
      where not ${readable}
      order by oid
      limit $1`,
    [limit],
  );
  return rows;
}

/** A piece of one, from a place on; an empty one past its end. */
export async function readPiece(client: pg.ClientBase, id: string, at: number): Promise<Buffer> {
  const { rows } = await client.query<{ piece: Buffer }>('select lo_get($1::oid, $2::bigint, $3::int) as piece', [
    id,
    at,
    PIECE,
  ]);
  return rows[0]?.piece ?? Buffer.alloc(0);
}

/** Makes one, with the bytes that `read` gives from each place on. It must not be there yet. */
export async function makeLargeObject(
  target: pg.ClientBase,
  { id, owner, comment, grants }: LargeObject,
  substitute: Substitute,
  read: (at: number) => Promise<Buffer>,
): Promise<void> {
  await target.query('select lo_create($1::oid)', [id]);
  let at = 0;
  for (let piece = await read(at); piece.length > 0; piece = await read(at)) {
    await target.query('select lo_put($1::oid, $2::bigint, $3::bytea)', [id, at, piece]);
    at += piece.length;
  }
  // First its owner: rights of who made it would go over to that one.
  const own = substitute(owner);
  if (own !== undefined) await target.query(`alter large object ${Number(id)} owner to ${escapeIdentifier(own)}`);
  for (const { grantee, privileges, grantable } of grants) {
    const role = grantee === 'public' ? 'public' : substitute(grantee);
    if (role === undefined) continue;
    const to = role === 'public' ? role : escapeIdentifier(role);
    await target.query(
      `grant ${privileges.join(', ')} on large object ${Number(id)} to ${to}${grantable ? ' with grant option' : ''}`,
    );
  }
  if (comment !== null) await target.query(`comment on large object ${Number(id)} is ${pg.escapeLiteral(comment)}`);
}

/** Removes those that a copy has made, so far as they are there. */
export async function removeLargeObjects(client: pg.ClientBase, ids: readonly string[]): Promise<void> {
  await client.query('select lo_unlink(oid) from pg_largeobject_metadata where oid = any ($1::oid[])', [ids]);
}
