import { expect, test } from 'vitest';
import { evenOut } from '../../src/users/even-time.ts';

test('an answer leaves when its step is over, not before', async () => {
  const began = performance.now();
  await evenOut(began, 40);
  // Timers may fire within the millisecond before.
  expect(performance.now() - began).toBeGreaterThan(39);
});

test('one that took a step and a bit leaves after two', async () => {
  const began = performance.now() - 45;
  await evenOut(began, 40);
  expect(performance.now() - began).toBeGreaterThan(79);
});

test('nobody is held who has gone', async () => {
  await evenOut(performance.now(), 60_000, AbortSignal.abort());
});
