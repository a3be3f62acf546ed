/** Signals that ask for an end. */
import { afterEach, expect, it } from 'vitest';
import { listenToStopSignals } from '../../src/service/stop-signals.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const former = signals.map((signal) => [signal, process.listeners(signal)] as const);
afterEach(() => {
  for (const [signal, listeners] of former) {
    for (const listener of process.listeners(signal)) if (!listeners.includes(listener)) process.off(signal, listener);
  }
});

it.each(signals)('%s asks for an orderly end', async (signal) => {
  const heard = listenToStopSignals();
  expect(heard.wasRequested).toBe(false);
  process.emit(signal, signal);
  await heard.requested;
  expect(heard.wasRequested).toBe(true);
});

// A terminal sends Ctrl-C to all of its programs, and npm passes on what it got as well: process.exit would end this test.
it('one Ctrl-C that arrives twice is one', async () => {
  let ended = false;
  const heard = listenToStopSignals(() => {
    ended = true;
  });
  process.emit('SIGINT', 'SIGINT');
  process.emit('SIGINT', 'SIGINT');
  await heard.requested;
  expect(ended).toBe(false);
});
