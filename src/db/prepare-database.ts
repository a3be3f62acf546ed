/** Before anybody serves or asks: the database can be used, and its schema is the one that this version needs. */
import type { Connection } from '../config/connection.ts';
import { createPool } from './pool.ts';
import { applySchemaChanges, SchemaChangeError } from './schema-changes.ts';
import { DatabaseUnusable, whyUnusable } from './unusable.ts';

/** Hears of each schema change that is applied, and of what an adopted schema differs in. */
export type Tell = (line: string) => void;

/**
 * Applies the schema changes that are missing; of several instances that start at once, one does. `setting` is what
 * sentences name as the source of the connection.
 *
 * @throws DatabaseUnusable
 */
export async function prepareDatabase(connection: Connection, setting: string, tell: Tell): Promise<void> {
  const pool = createPool({ connection, application_name: 'gatehouse schema', max: 1 });
  try {
    await applySchemaChanges(pool, { log: tell });
  } catch (error) {
    const why = error instanceof SchemaChangeError ? error.message : whyUnusable(error, connection, setting);
    if (why === undefined) throw error;
    throw new DatabaseUnusable(why, { cause: error });
  } finally {
    await pool.end();
  }
}
