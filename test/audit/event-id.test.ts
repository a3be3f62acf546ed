/** Ids of events: UUIDv7, unique, and in the order in which they were made. */
import { expect, it } from 'vitest';
import { nextEventId } from '../../src/audit/event-id.ts';

const ids = Array.from({ length: 20_000 }, nextEventId);

it('is a UUIDv7 of the present', () => {
  for (const id of ids.slice(0, 100))
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const milliseconds = Number.parseInt((ids[0] ?? '').replace('-', '').slice(0, 12), 16);
  expect(Math.abs(milliseconds - Date.now())).toBeLessThan(60_000);
});

it('is greater than every one before it, however many in one millisecond', () => {
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});
