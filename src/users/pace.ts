/**
 * Two outcomes in one time: the shorter one is held for as long as the longer one took lately. What it tells otherwise is
 * whether an address has an account (OWASP ASVS 5.0, 6.3.8).
 */
import { setTimeout } from 'node:timers/promises';

export interface Pace {
  /** Learns how long the longer way took. */
  observe(ms: number): void;
  /** Holds the shorter one, which took this long. Ends early when there is nobody left to answer. */
  hold(ms: number, signal?: AbortSignal): Promise<void>;
}

/** As many as show how the times vary, and few enough to follow the load. */
const REMEMBERED = 64;
/** Before anything was observed. */
const FIRST_MS = 6;

const paces = new WeakMap<object, Pace>();

/** One per process: the times are those of its machine. */
export function paceOf(gatehouse: object): Pace {
  const pace = paces.get(gatehouse) ?? createPace();
  paces.set(gatehouse, pace);
  return pace;
}

export function createPace(): Pace {
  const observed: number[] = [];
  let next = 0;
  return {
    observe(ms) {
      observed[next] = ms;
      next = (next + 1) % REMEMBERED;
    },
    async hold(ms, signal) {
      // One of them, not their mean: so the times vary alike, too.
      const like = observed[Math.floor(Math.random() * observed.length)] ?? FIRST_MS;
      if (like > ms) await setTimeout(like - ms, undefined, signal && { signal }).catch(() => {});
    },
  };
}
