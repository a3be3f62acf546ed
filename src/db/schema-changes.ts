/**
 * Brings a database to the schema that this version expects: numbered SQL in drizzle/, forward only, each file once. A
 * schema auth that exists already, Supabase's own, is adopted instead of created (adopt.ts).
 */
import { createHash, randomUUIDv7 } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import pg, { type ClientBase } from 'pg';
import { AdoptionError, adoptAuthSchema, type Difference, describeDifference } from './adopt.ts';
import {
  beginLocked,
  findLedger,
  findUnrecordedChanges,
  insertLedgerRow,
  insertSchemaChanged,
  type LedgerRow,
  rightsAreGranted,
  schemaAuthExists,
} from './schema-changes.sql.ts';

/** The same path from src/db and from dist/db. */
const DIRECTORY = new URL('../../drizzle/', import.meta.url);

/** Creates schema auth, or adopts the one that is there. */
const AUTH_SCHEMA = '0000_supabase_auth';

/** Why the database cannot be brought to this version's schema, in one sentence for the operator. */
export class SchemaChangeError extends Error {
  override readonly name = 'SchemaChangeError';
}

export interface SchemaChangesResult {
  /** What this call applied, in order. Empty when there was nothing to do or another instance did it. */
  applied: string[];
  /** In what an adopted schema auth differs from Supabase's and stays as it is. */
  differences: Difference[];
}

interface SchemaChange extends LedgerRow {
  sql: string;
}

/**
 * Applies every file of drizzle/ that the database does not have yet, each in one transaction with its row in
 * `gatehouse.schema_changes`. Any number of instances may call it at once: one applies a file, the others wait and find
 * it applied. With nothing to do it only reads, so the service can run as a role that may not change schemas.
 *
 * `log` is told each change, each difference of an adopted schema, and each right that could not be granted.
 *
 * @throws SchemaChangeError when an applied file was edited since, the database is newer than the code, or a change
 *   cannot be applied: what was applied before it stays, and the next call continues there.
 */
export async function applySchemaChanges(
  target: pg.Pool | string,
  { log = () => {} }: { log?: (line: string) => void } = {},
): Promise<SchemaChangesResult> {
  const changes = await readSchemaChanges();
  const { client, close } = await open(target);
  // By SQLSTATE class: the severity arrives in the server's language.
  const warn = ({ code, message }: { code?: string | undefined; message?: string | undefined }) => {
    if (code?.startsWith('01') && message) log(message);
  };
  client.on('notice', warn);

  const result: SchemaChangesResult = { applied: [], differences: [] };
  try {
    while (findPending(changes, await findLedger(client)).length > 0) {
      const step = await applyNext(client, changes);
      if (!step) continue;
      result.applied.push(step.version);
      result.differences.push(...step.differences);
      log(`schema change ${step.version} applied`);
      for (const difference of step.differences) log(describeDifference(difference));
    }
    if (!(await rightsAreGranted(client))) await applyNext(client, changes);
    return result;
  } finally {
    client.off('notice', warn);
    await close();
  }
}

async function open(target: pg.Pool | string): Promise<{ client: ClientBase; close: () => Promise<void> }> {
  let lost: Error | undefined;
  // The statement that runs fails, too; an event without a listener would end the process.
  const onLoss = (error: Error) => {
    lost = error;
  };
  if (typeof target === 'string') {
    const client = new pg.Client(target).on('error', onLoss);
    await client.connect();
    return { client, close: () => client.end() };
  }
  const client = (await target.connect()).on('error', onLoss);
  return {
    client,
    close: async () => {
      client.off('error', onLoss);
      client.release(lost);
    },
  };
}

async function readSchemaChanges(): Promise<SchemaChange[]> {
  const files = (await readdir(DIRECTORY)).filter((name) => /^\d{4}_.*\.sql$/.test(name)).sort();
  return Promise.all(
    files.map(async (file) => {
      // A checkout on Windows has other line ends and is the same change.
      const sql = (await readFile(new URL(file, DIRECTORY), 'utf8')).replaceAll('\r\n', '\n');
      return { version: file.slice(0, -'.sql'.length), sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

/** The changes that the ledger lacks, once the two agree on everything that it has. */
function findPending(changes: SchemaChange[], ledger: LedgerRow[]): SchemaChange[] {
  for (const { version, checksum } of ledger) {
    const change = changes.find((candidate) => candidate.version === version);
    if (!change) {
      throw new SchemaChangeError(
        `The database has the schema change ${version}, which this version of gatehouse does not know: start a newer gatehouse.`,
      );
    }
    if (change.checksum !== checksum) {
      throw new SchemaChangeError(
        `drizzle/${version}.sql is not what was applied to this database: restore the file, and put what is new into a file of its own.`,
      );
    }
  }
  return changes.filter(({ version }) => !ledger.some((row) => row.version === version));
}

/** One transaction: the first pending change, if there still is one, and after the last of them the rights. */
async function applyNext(
  client: ClientBase,
  changes: SchemaChange[],
): Promise<{ version: string; differences: Difference[] } | undefined> {
  let change: SchemaChange | undefined;
  try {
    await beginLocked(client);
    const pending = findPending(changes, await findLedger(client));
    change = pending[0];
    let differences: Difference[] = [];
    if (change) {
      if (change.version === AUTH_SCHEMA && (await schemaAuthExists(client)))
        differences = await adoptAuthSchema(client);
      else await client.query(change.sql);
      await insertLedgerRow(client, change);
    }
    if (pending.length <= 1) await client.query(await readFile(new URL('grants.sql', DIRECTORY), 'utf8'));
    for (const row of await findUnrecordedChanges(client)) await insertSchemaChanged(client, randomUUIDv7(), row);
    await client.query('commit');
    return change && { version: change.version, differences };
  } catch (error) {
    await client.query('rollback').catch(() => {});
    if (error instanceof AdoptionError) throw new SchemaChangeError(error.message, { cause: error });
    if (!(error instanceof pg.DatabaseError)) throw error;
    const what = change ? `The schema change ${change.version}` : 'The schema';
    throw new SchemaChangeError(`${what} cannot be applied to this database: ${error.message}.`, { cause: error });
  }
}
