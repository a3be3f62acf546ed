/** One of the threads that hash: one job after the other, in the order they come. The side that gives them is hash-threads.ts. */
import { constants, getPriority, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { anyMatches, loadArgon2 } from './engines.ts';
import type { Done, Job, Ready, ThreadData } from './hash-threads.ts';

/** So much nicer than the process: a third of its share, where both want the core. */
const NICENESS = 5;

giveWay();
const argon2 = await loadArgon2((workerData as ThreadData).engine);
let last: Promise<void> = Promise.resolve();
parentPort?.on('message', (job: Job) => {
  // One package computes in libuv's pool: without this the next job would begin beside it.
  last = last.then(async () => parentPort?.postMessage(await done(job)));
});
parentPort?.postMessage({ engine: argon2.package } satisfies Ready);

async function done(job: Job): Promise<Done> {
  const began = performance.now();
  try {
    const value =
      'hash' in job ? await anyMatches(job.hash, job.passwords, argon2) : await argon2.digest(job.password, job.input);
    return { value, worked_ms: performance.now() - began };
  } catch (error) {
    return { failure: String(error) };
  }
}

/**
 * Requests that need no hash, and a database on the same machine, go first. On Linux alone: elsewhere a priority is the
 * whole process's. Where it may not be set, nobody is worse off than before.
 */
function giveWay(): void {
  try {
    if (process.platform === 'linux') setPriority(Math.min(getPriority() + NICENESS, constants.priority.PRIORITY_LOW));
  } catch {}
}
