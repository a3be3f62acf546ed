/**
 * Admission control for password hashing, the one thing here that costs milliseconds of a core and megabytes on purpose
 * (ASVS 5.0, 15.1.3 and 15.2.2). At most `concurrency` hashes run at once, others wait in order, and whoever would wait
 * longer than the budget is refused at once: a flood of sign-ins costs itself, not the refreshes and validations beside it.
 */
import { AuthError } from '../errors.ts';

/** How much the newest hash counts in the moving mean of how long one takes. */
const WEIGHT_OF_LATEST = 0.1;

export interface HashQueueSettings {
  /** Slots. */
  concurrency: number;
  /** How many more may be given over before their turn, so that whoever does them need not wait for us; none unless given. */
  ahead?: number;
  /** The longest wait that a newcomer may expect before the hash begins; more than 0. */
  budget_ms: number;
  /** How long one hash takes, until enough were measured. */
  expected_ms: number;
}

export interface HashJob {
  /** Gives up while waiting. A hash given over is finished and its result delivered: an attempt made is an attempt counted. */
  signal?: AbortSignal | undefined;
  /** More than one for work that uses several threads or much memory; more than there are means all of them. */
  slots?: number;
}

export interface HashQueue {
  /**
   * Gives the work over once slots are free, or before, first come, first served. What comes of it says how long it ran.
   *
   * @throws AuthError `service_overloaded` when the expected wait is over budget; the signal's reason when it fired first
   */
  run<T extends { worked_ms: number }>(work: () => Promise<T>, job?: HashJob): Promise<T>;
  /** @throws AuthError `service_overloaded` when a hash would be refused now: to be asked before any query. */
  refuseWhenFull(): void;
  /** Slots in use. */
  readonly running: number;
  /** Hashes that have not begun. */
  readonly waiting: number;
}

export function createHashQueue({ concurrency, ahead = 0, budget_ms, expected_ms }: HashQueueSettings): HashQueue {
  interface Waiting {
    slots: number;
    begin: () => Promise<{ worked_ms: number } | undefined>;
  }
  const waiting = new Set<Waiting>();
  /** Slots of all that was given over: more than there are, where some of it is ahead of its turn. */
  let taken = 0;
  let wide = 0;
  let mean_ms = expected_ms;

  const running = () => Math.min(taken, concurrency);
  const waitingJobs = () => waiting.size + taken - running();
  const expectedWaitMs = () => (waitingJobs() * mean_ms) / concurrency;

  function refuseWhenFull(): void {
    if (expectedWaitMs() < budget_ms) return;
    throw new AuthError('service_overloaded', {
      reason: 'hash queue full',
      retry_after_seconds: Math.ceil(expectedWaitMs() / 1000),
    });
  }

  /** Work of several slots never goes ahead, and nothing goes ahead beside it: who does the work knows of no slots. */
  const fits = ({ slots }: Waiting) => taken + slots <= (slots === 1 && wide === 0 ? concurrency + ahead : concurrency);

  /** Gives over what fits, in order: a job that needs more slots than are free holds up those behind it. */
  function advance(): void {
    for (const job of waiting) {
      if (!fits(job)) return;
      waiting.delete(job);
      taken += job.slots;
      if (job.slots > 1) wide += 1;
      void job.begin().then((done) => {
        if (done) mean_ms += WEIGHT_OF_LATEST * (done.worked_ms * job.slots - mean_ms);
        taken -= job.slots;
        if (job.slots > 1) wide -= 1;
        advance();
      });
    }
  }

  return {
    async run<T extends { worked_ms: number }>(
      work: () => Promise<T>,
      { signal, slots = 1 }: HashJob = {},
    ): Promise<T> {
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
              const done = await work();
              resolve(done);
              return done;
            } catch (error) {
              reject(error);
              return undefined;
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
      return running();
    },
    get waiting() {
      return waitingJobs();
    },
  };
}
