/** The database role of a service that we start ourselves. */
import pg from 'pg';

/**
 * The role may sign in with this password, from now until the next start: nobody has to keep it.
 *
 * @param role made by drizzle/grants.sql, with the rights of a service and no more
 */
export async function enableServiceRole(superuserUrl: string, role: string, password: string): Promise<void> {
  const client = new pg.Client(superuserUrl);
  await client.connect();
  try {
    await client.query(`alter role ${pg.escapeIdentifier(role)} login password ${pg.escapeLiteral(password)}`);
  } finally {
    await client.end();
  }
}
