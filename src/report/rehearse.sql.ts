/** Scratch databases of rehearsals, on the server of the target. */
import pg from 'pg';

const { escapeIdentifier } = pg;

/** Whatever is called so and has nobody connected is the rest of a rehearsal that was broken off. */
const SCRATCH = 'gatehouse_rehearsal_';
const KEPT = 'gatehouse_kept_rehearsal_';

export async function mayCreateDatabases(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ may: boolean }>(
    'select rolsuper or rolcreatedb as may from pg_roles where rolname = current_user',
  );
  return rows[0]?.may ?? false;
}

export async function createScratch(client: pg.ClientBase, mark: string): Promise<string> {
  const name = SCRATCH + mark;
  await client.query(`create database ${escapeIdentifier(name)} template template0 encoding 'UTF8'`);
  return name;
}

export async function dropScratch(client: pg.ClientBase, name: string): Promise<void> {
  await client.query(`drop database if exists ${escapeIdentifier(name)} with (force)`);
}

/** Gives it a name that no later rehearsal takes for a rest. Nobody may be connected to it. */
export async function keepScratch(client: pg.ClientBase, name: string): Promise<string> {
  const kept = KEPT + name.slice(SCRATCH.length);
  await client.query(`alter database ${escapeIdentifier(name)} rename to ${escapeIdentifier(kept)}`);
  return kept;
}

/** Removes what rehearsals that were killed have left; one that is at work is connected to its own. */
export async function dropRests(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select datname as name
       from pg_database as d
      where starts_with(datname, $1) and pg_has_role(datdba, 'usage')
        and not exists (select from pg_stat_activity as a where a.datid = d.oid)`,
    [SCRATCH],
  );
  for (const { name } of rows) await client.query(`drop database if exists ${escapeIdentifier(name)}`);
  return rows.map(({ name }) => name);
}
