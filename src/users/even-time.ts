/**
 * What the time of an answer tells is how much was done for it, and with that whether an address has an account (OWASP ASVS
 * 5.0, 6.3.8). Where two outcomes differ by a few statements, both leave at the next whole step: the difference shows only
 * when it carries one of them across, which is as rare as it is short beside the step.
 */
import { setTimeout } from 'node:timers/promises';

/**
 * Holds an answer until a whole number of steps has gone by since it was begun. No connection is held meanwhile. Ends early
 * where there is nobody left to answer.
 *
 * @param began of `performance.now()`
 */
export async function evenOut(began: number, step_ms: number, signal?: AbortSignal): Promise<void> {
  const due = began + Math.ceil((performance.now() - began) / step_ms) * step_ms;
  // Timers count whole milliseconds and may fire within the one before.
  for (let left = due - performance.now(); left > 0 && !signal?.aborted; left = due - performance.now()) {
    await setTimeout(Math.ceil(left), undefined, signal && { signal }).catch(() => {});
  }
}
