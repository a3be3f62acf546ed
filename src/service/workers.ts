/**
 * Several processes that serve one port (WEB_CONCURRENCY): node:cluster hands each connection to one of them. This is the
 * side that serves nothing itself; it starts them, puts another in the place of one that dies, and ends them.
 */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../http/log.ts';
import { type Failure, StartFailure } from './start-failure.ts';

/** What a worker that cannot start says before it ends. */
export interface CannotStart {
  cannotStart: Failure;
}

/** What a worker is told when it shall end. */
export const STOP = 'stop';

/** A worker that dies younger than this has failed, and after the second one in a row the next waits. */
const YOUNG_MS = 10_000;
const BACKOFF_MS = { first: 200, most: 10_000 };

export interface WorkersOptions {
  count: number;
  /** Beside our own environment. */
  env: Record<string, string>;
  log: Log;
}

export interface Workers {
  /** Asks each to finish what is under way, and resolves when all are gone; what is left after that time is killed. */
  stop(seconds: number): Promise<void>;
  /** Ends all of them now. */
  kill(): void;
}

interface Start {
  worker: Worker;
  listening: Promise<unknown>;
  end: Promise<WorkerEnd>;
}

interface WorkerEnd {
  exit_code: number | null;
  signal: string | null;
  lived_ms: number;
  reason: Failure | undefined;
}

/**
 * Resolves when all of them listen.
 *
 * @throws StartFailure with the sentence of the first one that could not start; the others are gone then
 */
export async function startWorkers({ count, env, log }: WorkersOptions): Promise<Workers> {
  const running = new Set<Start>();
  let stopping = false;

  function start(): Start {
    const worker = cluster.fork(env);
    const listening = new Promise((resolve) => worker.once('listening', resolve));
    const started = { worker, listening, end: endOf(worker) };
    running.add(started);
    void started.end.then(() => running.delete(started));
    void listening.then(() => log.info({ worker: worker.id, pid: worker.process.pid }, 'worker listens'));
    return started;
  }

  /** Keeps one place filled, until we stop. */
  async function keepFilled({ worker, end }: Start, failures = 0): Promise<void> {
    const { exit_code, signal, lived_ms, reason } = await end;
    if (stopping) return;
    const inRow = lived_ms < YOUNG_MS ? failures + 1 : 0;
    const wait_ms = inRow < 2 ? 0 : Math.min(BACKOFF_MS.first * 2 ** (inRow - 2), BACKOFF_MS.most);
    const why = reason?.message;
    log.error({ worker: worker.id, pid: worker.process.pid, exit_code, signal, why, wait_ms }, 'worker died');
    await delay(wait_ms, undefined, { ref: false });
    if (!stopping) return keepFilled(start(), inRow);
  }

  async function stop(seconds: number): Promise<void> {
    stopping = true;
    const gone = Promise.all([...running].map(({ end }) => end));
    for (const { worker } of running) if (worker.isConnected()) worker.send(STOP);
    const late = await Promise.race([gone, delay(seconds * 1000, 'late' as const, { ref: false })]);
    if (late === 'late') log.warn({ workers: running.size, seconds }, 'workers killed');
    kill();
    await gone;
  }

  function kill(): void {
    stopping = true;
    for (const { worker } of running) worker.process.kill('SIGKILL');
  }

  const first = Array.from({ length: count }, start);
  try {
    await Promise.all(first.map(({ listening, end }) => Promise.race([listening, end.then(refuse)])));
  } catch (error) {
    await stop(0);
    throw error;
  }
  for (const started of first) void keepFilled(started);
  return { stop, kill };
}

async function endOf(worker: Worker): Promise<WorkerEnd> {
  const began = performance.now();
  let reason: Failure | undefined;
  worker.on('message', (message: Partial<CannotStart>) => {
    reason = message?.cannotStart;
  });
  const [exit_code, signal] = await once(worker, 'exit').catch((error) => [null, error.code]);
  return { exit_code, signal, lived_ms: performance.now() - began, reason };
}

function refuse({ exit_code, signal, reason }: WorkerEnd): never {
  const how = signal ?? `exit code ${exit_code}`;
  throw new StartFailure(reason ?? { kind: 'fault', message: `A worker ended while it started (${how}).` });
}
