/** auth.flow_state: sign-ins that are under way, between a link in a mail and the code that is exchanged for a session. */
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';

/** Columns of the table that can be written; none where it is not there or not to be read. */
async function columnsOf(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select attname::text as name
       from pg_attribute
      where attrelid = to_regclass('auth.flow_state') and attnum > 0 and not attisdropped and attgenerated = ''
        and has_table_privilege(attrelid, 'select')
      order by attnum`,
  );
  return rows.map(({ name }) => name);
}

/** Carries the flows of users who are here, in the caller's transactions, and resolves to how many are new. */
export async function carryFlows(source: pg.ClientBase, target: pg.ClientBase): Promise<number> {
  const there = await columnsOf(source);
  const columns = (await columnsOf(target)).filter((name) => there.includes(name));
  if (columns.length === 0) return 0;
  const list = columns.map((name) => pg.escapeIdentifier(name)).join(', ');
  await target.query('create temporary table flows (like auth.flow_state) on commit drop');
  const reading = source.query(copyTo(`copy auth.flow_state (${list}) to stdout`));
  await pipeline(reading, target.query(copyFrom(`copy flows (${list}) from stdin`)));
  const { rowCount } = await target.query(
    `insert into auth.flow_state (${list})
     select ${list} from flows
      where user_id is null or exists (select from auth.users as u where u.id = flows.user_id)
         on conflict do nothing`,
  );
  return rowCount ?? 0;
}
