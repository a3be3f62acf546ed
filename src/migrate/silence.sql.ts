/**
 * A server that is at work for hours is told from one that hangs, and from one whose answer is lost on the way: of a statement
 * that has had no answer for a while, another connection asks whether it is at work. What breaks openly, and a host that is gone
 * (TCP keep-alive), fail by themselves.
 */
import { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { Silence } from './failure.ts';

/** So long nothing has to come before the server is asked, and so long it may take to answer then. */
export const SILENCE_SECONDS = 60;

interface Watched {
  client: pg.Client;
  /** What the client's connection is made of. */
  socket: Socket;
  config: pg.ClientConfig;
  seconds: number;
}

/**
 * From now on a statement whose answer is not to be expected any more fails with `Silence`, and the connection with it. COPY
 * has a limit of its own.
 */
export async function watchForSilence({ client, socket, config, seconds }: Watched): Promise<void> {
  const pid = await backendOf(client, seconds);
  const ask = client.query.bind(client) as (...args: unknown[]) => unknown;
  client.query = ((...args: unknown[]) => {
    const asked = ask(...args);
    return asked instanceof Promise ? watched(asked) : asked;
  }) as typeof client.query;

  async function watched<T>(asked: Promise<T>): Promise<T> {
    const over = new AbortController();
    watch(over.signal).catch(() => {});
    try {
      return await asked;
    } finally {
      over.abort();
    }
  }

  async function watch(signal: AbortSignal): Promise<void> {
    for (;;) {
      const heard = socket.bytesRead;
      await setTimeout(seconds * 1000, undefined, { signal, ref: false });
      if (socket.bytesRead !== heard) continue;
      const state = await stateOf(config, pid, seconds);
      if (state === 'at work' || signal.aborted || socket.bytesRead !== heard) continue;
      // Over TLS it is another one than the socket, and the client hears of this one's end.
      const { connection } = client as unknown as { connection: { stream: Socket } };
      connection.stream.destroy(new Silence(seconds, state));
      return;
    }
  }
}

/** The process at the server. A pooler answers for itself when a connection begins. */
async function backendOf(client: pg.Client, seconds: number): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>(
    limited({ text: 'select pg_backend_pid() as pid', seconds, values: [] }),
  );
  return rows[0]?.pid;
}

async function stateOf(
  config: pg.ClientConfig,
  pid: number | undefined,
  seconds: number,
): Promise<'at work' | 'not at work' | 'silent'> {
  const socket = new Socket();
  const client = new pg.Client({
    ...config,
    application_name: 'gatehouse migrate',
    connectionTimeoutMillis: seconds * 1000,
    stream: () => socket,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    // Who waits for the client has nothing to do, or sends what does not arrive.
    const { rows } = await client.query(
      limited({
        text: `select from pg_stat_activity where pid = $1 and wait_event_type is distinct from 'Client'`,
        values: [pid],
        seconds,
      }),
    );
    return rows.length > 0 ? 'at work' : 'not at work';
  } catch (error) {
    // One that has no connection left, or does not let us in twice, is there.
    return error instanceof pg.DatabaseError ? 'at work' : 'silent';
  } finally {
    socket.destroy();
  }
}

/** node-postgres takes the limit of a single statement so; its types do not know it. */
const limited = ({ seconds, ...query }: pg.QueryConfig & { seconds: number }): pg.QueryConfig =>
  ({ ...query, query_timeout: seconds * 1000 }) as pg.QueryConfig;
