import { expect, test } from 'vitest';
import { createPace } from '../../src/users/pace.ts';

const elapsed = async (work: () => Promise<void>) => {
  const began = performance.now();
  await work();
  return performance.now() - began;
};

test('the shorter way takes as long as one of the longer ones took', async () => {
  const pace = createPace();
  pace.observe(40);
  expect(await elapsed(() => pace.hold(10))).toBeGreaterThan(25);
});

test('what took longer anyhow is not held', async () => {
  const pace = createPace();
  pace.observe(60_000);
  await pace.hold(60_001);
});

test('nobody is held who has gone', async () => {
  const pace = createPace();
  pace.observe(60_000);
  const gone = new AbortController();
  gone.abort();
  await pace.hold(0, gone.signal);
});
