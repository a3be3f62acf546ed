/**
 * Admission control for password hashing, the one thing here that costs milliseconds of a core and megabytes on purpose
 * (ASVS 5.0, 15.1.3 and 15.2.2). At most `concurrency` hashes run at once, others wait in order, and whoever would wait
 * longer than the budget is refused at once: a flood of sign-ins costs itself, not the refreshes and validations beside it.
 */
import { AuthError } from '../errors.ts';

/** How much the newest hash counts in the moving mean of how long one takes. */
const WEIGHT_OF_LATEST = 0.1;

export interface HashQueueSettings {
  /** Slots: see {@link hashConcurrency}. */
  concurrency: number;
  /** The longest wait that a newcomer may expect before the hash begins; more than 0. */
  budget_ms: number;
  /** How long one hash takes, until enough were measured. */
  expected_ms: number;
}

export interface HashJob {
  /** Gives up while waiting. A hash that has begun is finished and its result delivered: an attempt made is an attempt counted. */
  signal?: AbortSignal | undefined;
  /** More than one for work that uses several threads or much memory; more than there are means all of them. */
  slots?: number;
}

export interface HashQueue {
  /**
   * Does the work once slots are free, first come, first served.
   *
   * @throws AuthError `service_overloaded` when the expected wait is over budget; the signal's reason when it fired first
   */
  run<T>(work: () => Promise<T>, job?: HashJob): Promise<T>;
  /** @throws AuthError `service_overloaded` when a hash would be refused now: to be asked before any query. */
  refuseWhenFull(): void;
  /** Slots in use. */
  readonly running: number;
  /** Hashes that have not begun. */
  readonly waiting: number;
}

/**
 * Hashes at once: one per core, and one thread fewer than libuv's pool has, because DNS, file system and zlib share that
 * pool with every hash and would otherwise stand behind the queue.
 *
 * @param cores that this process may use; where several workers share them, this worker's part
 * @param threadpool_size `UV_THREADPOOL_SIZE`, 4 unless set
 */
export function hashConcurrency(cores: number, threadpool_size: number): number {
  return Math.max(1, Math.min(cores, threadpool_size - 1));
}

export function createHashQueue({ concurrency, budget_ms, expected_ms }: HashQueueSettings): HashQueue {
  interface Waiting {
    slots: number;
    begin: () => Promise<void>;
  }
  const waiting = new Set<Waiting>();
  let free = concurrency;
  let mean_ms = expected_ms;

  const expectedWaitMs = () => (waiting.size * mean_ms) / concurrency;

  function refuseWhenFull(): void {
    if (expectedWaitMs() < budget_ms) return;
    throw new AuthError('service_overloaded', {
      reason: 'hash queue full',
      retry_after_seconds: Math.ceil(expectedWaitMs() / 1000),
    });
  }

  /** Begins what fits, in order: a job that needs more slots than are free holds up those behind it. */
  function advance(): void {
    for (const job of waiting) {
      if (job.slots > free) return;
      waiting.delete(job);
      free -= job.slots;
      const began = performance.now();
      void job.begin().then(() => {
        mean_ms += WEIGHT_OF_LATEST * ((performance.now() - began) * job.slots - mean_ms);
        free += job.slots;
        advance();
      });
    }
  }

  return {
    async run<T>(work: () => Promise<T>, { signal, slots = 1 }: HashJob = {}): Promise<T> {
      signal?.throwIfAborted();
      refuseWhenFull();
      return new Promise<T>((resolve, reject) => {
        const abandon = () => {
          waiting.delete(job);
          reject(signal?.reason);
          advance();
        };
        const job: Waiting = {
          slots: Math.min(slots, concurrency),
          begin: async () => {
            signal?.removeEventListener('abort', abandon);
            try {
              resolve(await work());
            } catch (error) {
              reject(error);
            }
          },
        };
        signal?.addEventListener('abort', abandon, { once: true });
        waiting.add(job);
        advance();
      });
    },
    refuseWhenFull,
    get running() {
      return concurrency - free;
    },
    get waiting() {
      return waiting.size;
    },
  };
}
