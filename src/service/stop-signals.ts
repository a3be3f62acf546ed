/** Ctrl-C and its like: the first asks for an orderly end, a second one ends at once. */
import { constants } from 'node:os';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type StopSignal = (typeof signals)[number];

/** One Ctrl-C may arrive twice: from the terminal, and passed on by npm. */
const SAME_SIGNAL_MS = 250;

export interface StopSignals {
  /** Resolves at the first signal. */
  readonly requested: Promise<void>;
  readonly wasRequested: boolean;
}

/**
 * Listens to signals from now on. `endNow` runs before the process ends of a second one, with 128 and the signal's number,
 * as shells have it.
 */
export function listenToStopSignals(endNow: () => void = () => {}): StopSignals {
  const { promise, resolve } = Promise.withResolvers<void>();
  let first_ms: number | undefined;
  const hear = (signal: StopSignal) => {
    const now_ms = performance.now();
    if (first_ms === undefined) {
      first_ms = now_ms;
      resolve();
    } else if (now_ms - first_ms >= SAME_SIGNAL_MS) {
      endNow();
      process.exit(128 + constants.signals[signal]);
    }
  };
  for (const signal of signals) process.on(signal, hear);
  return {
    requested: promise,
    get wasRequested() {
      return first_ms !== undefined;
    },
  };
}
