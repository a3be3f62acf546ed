/** A copy in words: the plan, each table, what came of it. One line per fact, never a secret. */
import { onOneLine } from '../migrate/on-one-line.ts';
import type { Finding } from '../migrate/plan.ts';
import type { CopyReport } from './copy.ts';
import type { CopyPlan } from './plan.ts';
import type { TableCopy } from './rows.ts';

/** So many tables are listed on a screen, the greatest first; `--json` has them all. */
const LISTED_TABLES = 20;

const marks: Record<Finding['level'], string> = { stop: 'STOP', warning: 'warning', note: 'note' };
const number = (value: number) => value.toLocaleString('en-US');
const plural = (count: number, noun: string) => `${number(count)} ${noun}${count === 1 ? '' : 's'}`;

/** In the unit in which it is short: `3.4 GB`. */
export function sizeOf(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const unit = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** unit;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

export function describeCopyPlan({
  source,
  target,
  schemas,
  tables,
  bytes,
  large_objects,
  complete_since,
  findings,
}: CopyPlan) {
  const listed = tables.slice(0, LISTED_TABLES).map((of) => ({ ...of, table: onOneLine(of.table) }));
  const width = Math.max(0, ...listed.map(({ table }) => table.length));
  const more = tables.length - listed.length;
  return [
    `from  ${source.address} as ${source.role}, PostgreSQL ${source.version}`,
    `to    ${target.address} as ${target.role}, PostgreSQL ${target.version}`,
    '',
    `${plural(schemas.length, 'schema')} (${schemas.join(', ')}), ${plural(tables.length, 'table')}, ${sizeOf(bytes)}, ${plural(large_objects, 'large object')}; and all users`,
    ...listed.map((table) => `  ${table.table.padEnd(width)}  ${sizeOf(table.bytes).padStart(10)}`),
    ...(more > 0 ? [`  … and ${number(more)} smaller ones: see --json`] : []),
    ...(findings.length > 0 ? ['', ...findings.map(({ level, message }) => `${marks[level]}: ${message}`)] : []),
    ...(complete_since
      ? [
          '',
          `The copy is complete since ${complete_since}; there is nothing to do. To copy anew, drop what it made (schemas ${schemas.join(', ')}) and run again.`,
        ]
      : []),
  ]
    .map(onOneLine)
    .join('\n');
}

export function describeTable({ table, rows, bytes, seconds, kept }: TableCopy): string {
  const name = onOneLine(table);
  if (kept) return `${name}: ${plural(rows, 'row')}, copied before and unchanged`;
  return `${name}: ${plural(rows, 'row')}, ${sizeOf(bytes)} in ${seconds.toFixed(1)} s`;
}

export function describeCopy({
  tables,
  rows,
  bytes,
  users,
  sequences,
  large_objects,
  history,
  notes,
  seconds,
  ledger_hash,
}: CopyReport) {
  const people = users?.tables.find(({ table }) => table === 'users')?.rows ?? 0;
  return [
    `${plural(rows, 'row')} of ${plural(tables.length, 'table')} (${sizeOf(bytes)}), ${plural(people, 'user')}, ${plural(sequences, 'sequence')}, ${plural(large_objects, 'large object')}, ${plural(history, 'old audit entry').replace(/entrys$/, 'entries')}`,
    ...notes.map((note) => `note: ${onOneLine(note)}`),
    `complete after ${seconds.toFixed(0)} s; the ledger ends in ${ledger_hash}. To prove it equal: gatehouse migrate verify`,
  ].join('\n');
}
