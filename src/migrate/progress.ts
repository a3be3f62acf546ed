/** How far a migration is: a bar that redraws itself on a terminal, a line now and then elsewhere. */
import { onOneLine } from './on-one-line.ts';
import type { MigrationEvent } from './run.ts';

const BAR_WIDTH = 24;
const REDRAW_MS = 100;
const LINE_MS = 10_000;
const CLEAR_LINE = '\r\u001b[2K';

export interface Bar {
  /** The work begins now. */
  start(): void;
  /** Draws how much of all is done, unless that was drawn a moment ago; `rate` is said of what is done in a second. */
  draw(label: string, done: number, total: number, rate: (perSecond: number) => string): void;
  /** On a terminal, words in place of the bar. */
  say(words: string): void;
  clear(): void;
}

/**
 * @param write Where to draw.
 * @param isTerminal Whether lines can be redrawn.
 * @param now A clock in milliseconds that only moves forward.
 */
export function createBar(write: (text: string) => void, isTerminal: boolean, now: () => number): Bar {
  let began = 0;
  let drawn = 0;
  return {
    start() {
      began = now();
      drawn = isTerminal ? began - REDRAW_MS : began;
    },
    draw(label, done, total, rate) {
      const at = now();
      if (at - drawn < (isTerminal ? REDRAW_MS : LINE_MS)) return;
      drawn = at;
      const perSecond = done / Math.max(0.001, (at - began) / 1000);
      const filled = Math.min(BAR_WIDTH, Math.floor((done / Math.max(1, total)) * BAR_WIDTH));
      const percent = Math.min(100, Math.floor((done / Math.max(1, total)) * 100));
      const left = `${clockTime((total - done) / Math.max(1, perSecond))} left`;
      const facts = `${percent} %  ${onOneLine(label)}  ${rate(perSecond)}  ${left}`;
      const bar = `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}]`;
      write(isTerminal ? `${CLEAR_LINE}${bar} ${facts}` : `${facts}\n`);
    },
    say(words) {
      if (isTerminal) write(`${CLEAR_LINE}${onOneLine(words)}`);
    },
    clear() {
      if (isTerminal) write(CLEAR_LINE);
    },
  };
}

/** What a command writes to: a bar, words that stay above it, and whether a line can be redrawn. */
export function createTerminal(stdout: { write(text: string): unknown; isTTY?: boolean }) {
  const isTerminal = stdout.isTTY ?? false;
  const bar = createBar(
    (text) => stdout.write(text),
    isTerminal,
    () => performance.now(),
  );
  const say = (text: string) => {
    bar.clear();
    stdout.write(`${text}\n`);
  };
  return { bar, say, isTerminal };
}

const rowsPerSecond = (rate: number) => `${Math.round(rate).toLocaleString('en-US')} rows/s`;

/** What hears of the events of a migration of users, and draws how far it is. */
export function createProgress(bar: Bar): (event: MigrationEvent) => void {
  let total = 0;
  let finished = 0;
  return (event) => {
    if (event.event === 'plan') total = event.plan.tables.reduce((sum, { source_rows }) => sum + source_rows, 0);
    if (event.event === 'started') bar.start();
    if (event.event === 'progress') bar.draw(event.table, finished + event.rows, total, rowsPerSecond);
    if (event.event === 'indexing') bar.say(`indexing ${event.table}`);
    if (event.event === 'remembering') bar.say(`remembering ${event.table}`);
    if (event.event === 'table') finished += event.outcome.rows;
    if (event.event === 'proving') bar.say(`proving ${event.table}`);
  };
}

/** Seconds as m:ss. */
function clockTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
