/** The one table of a run, for somebody who sees it for the first time. */
import { styleText } from 'node:util';
import type { Line } from './lines.ts';

export interface Measured {
  line: Line;
  /** Medians over the rounds. */
  ceiling: number;
  ours: number;
  ratio: number;
  lowest: number;
  highest: number;
}

export interface Facts {
  title: string;
  rounds: number;
  seconds: number;
}

export function table(
  measured: readonly Measured[],
  beside: readonly string[],
  { title, rounds, seconds }: Facts,
): string {
  const names = measured.map(({ line }) => line);
  const [first, second] = [
    Math.max(...names.map(({ name }) => name.length), 4),
    Math.max(...names.map(({ ceiling }) => ceiling.length), 9),
  ];
  const row = (cells: string[]) =>
    [
      cells[0]?.padEnd(first),
      cells[1]?.padStart(9),
      cells[2]?.padEnd(second),
      cells[3]?.padStart(9),
      cells[4]?.padStart(6),
      cells[5]?.padStart(11),
      cells[6]?.padStart(8),
      cells[7],
    ].join('  ');
  const rows = measured.map(({ line, ceiling, ours, ratio, lowest, highest }) =>
    row([
      line.name,
      rate(ours),
      line.ceiling,
      rate(ceiling),
      ratio.toFixed(2),
      `${lowest.toFixed(2)}–${highest.toFixed(2)}`,
      `≥ ${line.target.toFixed(2)}`,
      ratio >= line.target ? styleText('green', 'PASS') : styleText('yellow', 'below'),
    ]),
  );
  return [
    '',
    styleText('bold', 'gatehouse bench'),
    title,
    '',
    styleText('bold', row(['what', 'gatehouse', 'ceiling', 'ceiling', 'ratio', 'lowest–', 'asked', ''])),
    styleText('dim', row(['', 'per s', '', 'per s', '', 'highest', 'for', ''])),
    ...rows,
    '',
    ...(beside.length > 0 ? ['Beside the table, without a ceiling:', ...beside.map((text) => `  ${text}`), ''] : []),
    'ratio: gatehouse ÷ ceiling, the median of ' +
      `${rounds} rounds. Each round measures both for ${seconds} s one after the other (an import: all of it).`,
    'ceiling: what the machine does at best, taken in the same rounds:',
    ...measured.map(({ line }) => `  ${line.name}: ${line.explained}`),
    '',
  ].join('\n');
}

function rate(perSecond: number): string {
  return Math.round(perSecond).toLocaleString('en-US');
}
