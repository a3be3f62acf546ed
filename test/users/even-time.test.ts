import { expect, test } from 'vitest';
import { evenOut } from '../../src/users/even-time.ts';

// Measured falls 10, CVE class 36: what a known address costs beyond an unknown one. Medians are in the bench.
test('an answer leaves when its step is over, not before', async () => {
  const began = performance.now();
  await evenOut(began, 40);
  expect(performance.now() - began).toBeGreaterThanOrEqual(40);
});

test('one that took a step and a bit leaves after two', async () => {
  const began = performance.now() - 45;
  await evenOut(began, 40);
  expect(performance.now() - began).toBeGreaterThanOrEqual(80);
});

test('nobody is held who has gone', async () => {
  await evenOut(performance.now(), 60_000, AbortSignal.abort());
});
