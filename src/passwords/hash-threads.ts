/**
 * Threads that do nothing but hash, each one hash at a time: of this process, as libuv's pool is, begun when they are first
 * needed and ended with it. In libuv's pool a name to resolve, a file to read and a token to sign with a private key would
 * stand behind hashes; and it wakes the thread that has slept longest, on whatever core that is free, which costs a tenth of
 * all hashes (bench). What is given to a thread ahead of its turn begins the moment that the hash before it ends, whatever
 * the event loop has to do just then.
 */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { EncodedHash } from './encoded-hash.ts';
import type { Argon2Engine, Argon2Input } from './engines.ts';

/** What came of a hash, and how long it ran, waiting not included. */
export interface Hashed<Value> {
  value: Value;
  worked_ms: number;
}

export interface HashThreads {
  /** The package that computes argon2. */
  readonly engine: Argon2Engine;
  digest(password: Uint8Array, input: Argon2Input): Promise<Hashed<Uint8Array>>;
  /** Whether one of the passwords, tried in this order, is the one that the hash was made of. */
  matches(hash: EncodedHash, passwords: readonly Uint8Array[]): Promise<Hashed<boolean>>;
}

/** What a thread is given, and what it says: first that it is ready, then what came of each job, in their order. */
export type Job =
  | { hash: EncodedHash; passwords: readonly Uint8Array[] }
  | { input: Argon2Input; password: Uint8Array };
export interface Ready {
  engine: Argon2Engine;
}
export type Done = Hashed<unknown> | { failure: string };
export interface ThreadData {
  engine: Argon2Engine | undefined;
}

interface Thread {
  ready: Promise<Ready>;
  /** Jobs that it has, the one that runs included. */
  readonly load: number;
  run(job: Job): Promise<Hashed<unknown>>;
}

/** TypeScript here, JavaScript where it was built. */
const SCRIPT = new URL(`hash-thread${extname(import.meta.url)}`, import.meta.url);

/** Nothing but jobs lives there: what a hash needs is memory of its engine. V8 would take three times as much. */
const HEAP = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 };

/** Of this process, by the engine that was asked for. */
const threadsOf = new Map<Argon2Engine | undefined, Thread[]>();

/**
 * So many threads of this process; who asks for as many gets the same ones.
 *
 * @param engine the faster one that loads unless given
 * @throws Error when no engine loads
 */
export async function hashThreads(count: number, engine?: Argon2Engine): Promise<HashThreads> {
  const threads = threadsOf.get(engine) ?? [];
  threadsOf.set(engine, threads);
  const thread = (n: number) => (threads[n] ??= startThread(engine, () => delete threads[n]));
  const [first] = await Promise.all(Array.from({ length: count }, (_, n) => thread(n).ready));
  if (!first) throw new RangeError('hashing takes a thread at least');

  /** The one that has least to do does it. */
  function run(job: Job): Promise<Hashed<unknown>> {
    let idlest = thread(0);
    for (let n = 1; n < count; n++) if (thread(n).load < idlest.load) idlest = thread(n);
    return idlest.run(job);
  }

  return {
    engine: first.engine,
    digest: (password, input) => run({ input, password }) as Promise<Hashed<Uint8Array>>,
    matches: (hash, passwords) => run({ hash, passwords }) as Promise<Hashed<boolean>>,
  };
}

/** A thread that ends by itself, as one does whose memory is at its end, fails what it has and is not given more. */
function startThread(engine: Argon2Engine | undefined, onEnd: () => void): Thread {
  const worker = new Worker(SCRIPT, {
    workerData: { engine } satisfies ThreadData,
    name: 'hash',
    // The environment holds our secrets, and no flag of ours is meant for it.
    env: {},
    execArgv: [],
    resourceLimits: HEAP,
  });
  const jobs: PromiseWithResolvers<Hashed<unknown>>[] = [];
  const ready = Promise.withResolvers<Ready>();
  // Who waits for a thread that takes another's place waits for a job of it, not for it.
  ready.promise.catch(() => {});
  let over = false;

  function end(error: Error): void {
    // A failure is told twice, as an error and as an exit, and by then another thread may stand here.
    if (over) return;
    over = true;
    onEnd();
    ready.reject(error);
    for (const job of jobs.splice(0)) job.reject(error);
  }
  worker.on('error', end);
  worker.on('exit', (code) => end(new Error(`a thread that hashes ended with ${code}`)));
  worker.once('message', (message: Ready) => {
    ready.resolve(message);
    worker.on('message', settle);
    if (jobs.length === 0) worker.unref();
  });

  function settle(done: Done): void {
    const job = jobs.shift();
    // Only work keeps the process up.
    if (jobs.length === 0) worker.unref();
    if ('failure' in done) job?.reject(new Error(done.failure));
    else job?.resolve(done);
  }

  return {
    ready: ready.promise,
    get load() {
      return jobs.length;
    },
    run(job) {
      const result = Promise.withResolvers<Hashed<unknown>>();
      if (jobs.push(result) === 1) worker.ref();
      worker.postMessage(job);
      return result.promise;
    },
  };
}
