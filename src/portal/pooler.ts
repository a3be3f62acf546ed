/** Poolers that hand a connection's transactions to one server process after another: a copy needs one that stays. */
import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import { MigrationFailure } from '../migrate/failure.ts';

const PATIENCE_MS = 3_000;

const backendOf = async (client: pg.ClientBase) => {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]?.pid;
};

/**
 * Lets pass who speaks with PostgreSQL itself or with a pooler that keeps the connection together.
 *
 * @throws MigrationFailure where a connection changes its server process as soon as somebody else is busy.
 */
export async function refuseSharedBackends(client: pg.Client, connect: () => Promise<pg.Client>): Promise<void> {
  const before = await backendOf(client);
  // A pooler answers for itself when it says which process one speaks with.
  if ((client as unknown as { processID: number }).processID === before) return;
  const other = await connect();
  await other.query('begin');
  const busy = await backendOf(other);
  const after = await Promise.race([backendOf(client), wait(PATIENCE_MS, undefined, { ref: false })]);
  await other.query('rollback');
  await other.end();
  if (before === after && before !== busy) return;
  throw new MigrationFailure(
    'source',
    'The source is reached through a pooler in transaction mode, which cannot hold a snapshot: use the direct connection, or the pooler in session mode (port 5432).',
  );
}
