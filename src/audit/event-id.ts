/** Ids of events: UUIDv7, in the order in which this process made them. */
import { randomBytes } from 'node:crypto';

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
  const random = randomBytes(8);
  random.writeUInt8((random.readUInt8(0) & 0x3f) | 0x80, 0);
  const time = lastMilliseconds.toString(16).padStart(12, '0');
  const tail = random.toString('hex');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${tail.slice(0, 4)}-${tail.slice(4)}`;
}
