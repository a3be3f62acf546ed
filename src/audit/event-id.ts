/** Ids of events: UUIDv7, in the order in which this process made them. */
import { randomUUID } from 'node:crypto';

const COUNTER_MAX = 0xfff;

let lastMilliseconds = 0;
let counter = 0;

/**
 * A UUIDv7 that is greater than every one before it in this process (RFC 9562 §6.2, method 1: the twelve bits after the
 * time count; 62 random bits follow). node's own are in no order within a millisecond, and one request writes several
 * events in that time. The time is the machine's, for order and uniqueness alone: when an event occurred is its
 * `occurred_at`.
 */
export function nextEventId(): string {
  const now = Date.now();
  if (now > lastMilliseconds) {
    lastMilliseconds = now;
    counter = 0;
  } else if (counter < COUNTER_MAX) {
    counter++;
  } else {
    // More than 4,096 in one millisecond, or a clock that went back: the next one is borrowed.
    lastMilliseconds++;
    counter = 0;
  }
  const time = lastMilliseconds.toString(16).padStart(12, '0');
  // The last 64 bits of a version 4, variant and 62 random ones, are those of a version 7; node makes them in store.
  const tail = randomUUID().slice(19);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${tail}`;
}
