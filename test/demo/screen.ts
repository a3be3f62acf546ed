/** How the demo looks: chapters, and a line for everything that was checked, within a hundred columns. */
import { styleText } from 'node:util';

const WIDTH = 100;
/** Before what is ticked off: blanks, the tick, a blank. */
const MARGIN = 7;
const NAME = 39;
const TIME = 8;
const CLEAR_LINE = '\r\u001b[2K';

type Style = Parameters<typeof styleText>[0];

export interface Cell {
  text: string;
  width: number;
  style?: Style;
}

export interface Screen {
  title(text: string, under: string): void;
  chapter(text: string): void;
  /** Does the work, then ticks it off with what the work says it has seen, and how long that took. */
  step(name: string, work: () => Promise<string>): Promise<void>;
  /** The same of what takes no time. */
  check(name: string, work: () => Promise<string>): Promise<void>;
  table(rows: readonly Cell[][]): void;
  note(text: string): void;
  /** Lines that were ticked off. */
  readonly held: number;
}

/** Colours, and the line that says what is going on, are for a terminal. */
export function createScreen(output: NodeJS.WriteStream): Screen {
  const isTerminal = output.isTTY;
  const paint = (style: Style, text: string) => styleText(style, text, { stream: output });
  const line = (text = '') => output.write(`${text.trimEnd()}\n`);
  let chapters = 0;
  let held = 0;

  async function tickOff(name: string, work: () => Promise<string>, isTimed: boolean): Promise<void> {
    if (isTerminal) output.write(paint('dim', `     … ${name}`));
    const began = performance.now();
    let seen: string;
    try {
      seen = await work();
    } catch (error) {
      if (isTerminal) output.write(CLEAR_LINE);
      line(`     ${paint('red', `✗ ${name}`)}`);
      throw error;
    }
    if (isTerminal) output.write(CLEAR_LINE);
    held += 1;
    const time = isTimed ? duration(performance.now() - began).padStart(TIME) : '';
    const room = isTimed ? WIDTH - MARGIN - NAME - TIME : 0;
    line(`     ${paint('green', '✓')} ${name.padEnd(NAME)}${seen.padEnd(room)}${paint('dim', time)}`);
  }

  return {
    title(text, under) {
      line();
      line(`  ${paint('bold', text)}`);
      line(`  ${paint('dim', under)}`);
    },
    chapter(text) {
      chapters += 1;
      line();
      line(`  ${paint(['bold', 'cyan'], String(chapters))}  ${paint('bold', text)}`);
    },
    step: (name, work) => tickOff(name, work, true),
    check: (name, work) => tickOff(name, work, false),
    table(rows) {
      for (const row of rows) {
        const cells = row.map(({ text, width, style = 'reset' }) => paint(style, padded(text, width)));
        line(`       ${cells.join('')}`);
      }
    },
    note(text) {
      line();
      line(`  ${text}`);
    },
    get held() {
      return held;
    },
  };
}

/** To the width of a column: what is longer ends in an ellipsis, and a blank stays behind it. */
function padded(text: string, width: number): string {
  return text.length < width ? text.padEnd(width) : `${text.slice(0, width - 2)}… `;
}

function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
