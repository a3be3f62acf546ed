/** The time that a gatehouse of a test believes in. It stands still until the test moves it. */

export interface TestClock {
  now: () => Date;
  set(date: Date | string): void;
  advance(seconds: number): void;
}

/** A clock that shows `start`, the present unless given: the log's partitions and the database's own `now()` are there. */
export function createClock(start: Date | string = new Date()): TestClock {
  let time = new Date(start).getTime();
  return {
    now: () => new Date(time),
    set(date) {
      time = new Date(date).getTime();
    },
    advance(seconds) {
      time += seconds * 1000;
    },
  };
}

/** A time as the wire and the database write it: RFC 3339, no trailing zeros. */
export function rfc3339(date: Date): string {
  return date.toISOString().replace(/\.?0+Z$/, 'Z');
}
