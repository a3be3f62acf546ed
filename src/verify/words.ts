/** A verification in words, for a terminal. */

import { onOneLine } from '../migrate/on-one-line.ts';
import { describeDifference } from '../migrate/report.ts';
import type { TableComparison } from '../rows/compare-rows.ts';
import type { Verification } from './verify.ts';

/** So many lines of one kind are listed. */
const LISTED = 20;

const number = (count: number) => count.toLocaleString('en-US');
const counted = (count: number, noun: string) => `${number(count)} ${noun}${count === 1 ? '' : 's'}`;

/** What differs in a table, a line each. */
export function describeTable({ table, shape, differing, more, source, target }: TableComparison): string {
  const rows = differing.map(
    ({ row, difference, columns }) =>
      `${table} ${row}: ${difference}${columns.length > 0 ? ` (${columns.join(', ')})` : ''}`,
  );
  const counts =
    source.rows === target.rows
      ? []
      : [`${number(source.rows)} rows at the source, ${number(target.rows)} at the target`];
  const all = [...shape, ...counts].map((sentence) => `${table}: ${sentence}`);
  return [...all.map(onOneLine), ...listed(rows, more)].join('\n');
}

/** The verdict, part by part, and what no verdict was reached on. */
export function describeVerification(verification: Verification): string {
  const { catalogue, substitutes, tables, users, sequences, large_objects, not_checked, rows, seconds } = verification;
  const columns = tables.reduce((sum, table) => sum + table.columns, 0);
  const wrongSequences = sequences.flatMap(({ sequence, differences }) =>
    differences.map((difference) => `sequence ${sequence}: ${difference}`),
  );
  const unequalTables = tables.filter(({ equal }) => !equal).length;
  const unequalUsers = users.filter(({ equal }) => !equal);
  return [
    part(
      'definitions',
      counted(catalogue.objects, 'object'),
      catalogue.drift.map(({ sentence }) => sentence),
    ),
    ...(substitutes.length === 0 ? [] : [onOneLine(`owners: ${owners(substitutes)}`)]),
    `rows: ${number(tables.reduce((sum, { source }) => sum + source.rows, 0))} in ${counted(tables.length, 'table')} with ${number(columns)} columns, ${
      unequalTables === 0 ? 'equal' : `${counted(unequalTables, 'table')} not equal`
    }`,
    ...(users.length === 0
      ? []
      : [
          part(
            'users and sessions',
            `${number(users.reduce((sum, proof) => sum + proof.rows, 0))} rows in ${counted(users.length, 'table')}`,
            unequalUsers.flatMap(({ differing }) => differing.map(describeDifference)),
          ),
        ]),
    part('sequences', number(sequences.length), wrongSequences),
    part(
      'large objects',
      number(large_objects.count),
      large_objects.differing.map(({ row, difference }) => `large object ${row}: ${difference}`),
    ),
    ...(not_checked.length === 0
      ? []
      : ['not compared:', ...not_checked.map(({ what, why }) => onOneLine(`  ${what}: ${why}`))]),
    '',
    `${verification.equal ? 'equal' : 'not equal'}: ${number(rows)} rows compared in ${seconds.toFixed(1)} s; ${record(verification)}`,
  ].join('\n');
}

/** `operator in place of postgres, supabase_admin` */
function owners(substitutes: Verification['substitutes']): string {
  const byTarget = Map.groupBy(substitutes, ({ target }) => target);
  return [...byTarget]
    .map(([target, of]) => `${target} in place of ${of.map(({ source }) => source).join(', ')}`)
    .join('; ');
}

function part(what: string, count: string, differences: readonly string[]): string {
  if (differences.length === 0) return `${what}: ${count}, equal`;
  return [`${what}: ${count}, ${counted(differences.length, 'difference')}:`, ...listed(differences)].join('\n');
}

function record({ ledger_hash, not_recorded }: Verification): string {
  return ledger_hash === undefined ? `not on record: ${not_recorded}` : `the ledger ends in ${ledger_hash}`;
}

function listed(lines: readonly string[], more = false): string[] {
  const rest = lines.length - LISTED;
  const end =
    rest > 0 || more
      ? [`  … and ${rest > 0 ? number(rest) : 'more'}${rest > 0 && more ? ' or more' : ''}: see --json`]
      : [];
  return [...lines.slice(0, LISTED).map((line) => `  ${onOneLine(line)}`), ...end];
}
