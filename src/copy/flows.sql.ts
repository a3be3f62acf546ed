/** auth.flow_state: sign-ins that are under way, between a link in a mail and the code that is exchanged for a session. */
import pg from 'pg';

/** Columns of the table that can be copied; none where it is not there or not to be read. */
export async function listFlowColumns(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select attname::text as name
       from pg_attribute
      where attrelid = to_regclass('auth.flow_state') and attnum > 0 and not attisdropped and attgenerated = ''
        and has_table_privilege(attrelid, 'select')
      order by attnum`,
  );
  return rows.map(({ name }) => name);
}

const listOf = (columns: readonly string[]) => columns.map((name) => pg.escapeIdentifier(name)).join(', ');

/** How flows come to stand aside at the target, until the transaction ends. */
export const copyFlows = (columns: readonly string[]) => ({
  make: 'create temporary table flows (like auth.flow_state) on commit drop',
  read: `copy auth.flow_state (${listOf(columns)}) to stdout`,
  write: `copy flows (${listOf(columns)}) from stdin`,
});

/** Takes in the flows that stand aside, of users who are here; those that are here already stay as they are. */
export async function takeInFlows(target: pg.ClientBase, columns: readonly string[]): Promise<void> {
  const list = listOf(columns);
  await target.query(
    `insert into auth.flow_state (${list})
     select ${list} from flows
      where user_id is null or exists (select from auth.users as u where u.id = flows.user_id)
         on conflict do nothing`,
  );
}
