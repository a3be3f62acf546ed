/** A migration in words: the plan, what happened, what differs. Plain text, one line per fact, never a secret. */
import type { Census, Tally } from './census.sql.ts';
import { onOneLine } from './on-one-line.ts';
import type { Finding, MigrationPlan } from './plan.ts';
import type { DifferingRow, TableProof } from './proof.ts';
import type { MigrationReport, TableOutcome } from './run.ts';

/** So many rows are listed on a screen; `--json` has them all. */
const LISTED_ROWS = 20;

const TITLE_WIDTH = 16;
const LINE_WIDTH = 100;

const number = (value: number) => value.toLocaleString('en-US');
const marks: Record<Finding['level'], string> = { stop: 'STOP', warning: 'warning', note: 'note' };

export function describePlan({ source, target, tables, not_carried, census, findings }: MigrationPlan): string {
  const width = Math.max(...tables.map(({ table }) => table.length));
  const auth = source.gotrue_schema ? `, Supabase Auth schema ${source.gotrue_schema}` : '';
  return [
    `from  ${source.address} as ${source.role}, PostgreSQL ${source.server_version}${auth}`,
    `to    ${target.address} as ${target.role}, PostgreSQL ${target.server_version}`,
    '',
    `${'table'.padEnd(width)}  ${'source'.padStart(12)}  ${'target'.padStart(12)}`,
    ...tables.map(
      ({ table, source_rows, target_rows }) =>
        `${table.padEnd(width)}  ${number(source_rows).padStart(12)}  ${number(target_rows).padStart(12)}`,
    ),
    ...not_carried.map(
      ({ table, estimated_rows, fleeting }) =>
        `${table.padEnd(width)}  ${`~${number(estimated_rows)}`.padStart(12)}  ${'stays'.padStart(12)}${fleeting ? '  (lives for minutes, or is bookkeeping)' : ''}`,
    ),
    '',
    ...describeCensus(census),
    '',
    ...findings.map(({ level, message }) => `${marks[level]}: ${message}`),
  ]
    .map(onOneLine)
    .join('\n');
}

/** Who is there, a line for each kind of thing. */
export function describeCensus(census: Census): string[] {
  const line = (title: string, tallies: readonly Tally[]) =>
    tallies.length === 0
      ? []
      : wrapped(
          title.padEnd(TITLE_WIDTH),
          tallies.map(({ what, count }) => `${number(count)} ${what}`),
        );
  const encrypted = census.encrypted.map(({ what, key_id, count }) => ({ what: `${what} (key ${key_id})`, count }));
  return [
    ...line('users', census.users),
    ...line('passwords', census.password_formats),
    ...line('encrypted', encrypted),
    ...line('NULL in', census.null_columns),
    ...line('identities', census.identities),
    ...line('second factors', census.factors),
    ...line('sessions', census.sessions),
    ...line('refresh tokens', census.refresh_tokens),
    ...line('mailed tokens', census.one_time_tokens),
  ];
}

/** What became of one table, in one line. */
export function describeOutcome(outcome: TableOutcome): string {
  const changes = (['inserted', 'updated', 'deleted', 'unchanged', 'kept', 'conflicts'] as const)
    .filter((change) => outcome[change] > 0)
    .map((change) => `${number(outcome[change])} ${change}`);
  return `${outcome.table}: ${number(outcome.rows)} rows${changes.length > 0 ? `, ${changes.join(', ')}` : ''}`;
}

/** The proof, in one line when all is equal, else with the rows that differ. */
export function describeProofs(proofs: readonly TableProof[]): string {
  const unequal = proofs.filter(({ equal }) => !equal);
  if (unequal.length > 0) {
    const rows = unequal.flatMap(({ differing }) => differing);
    return listed(
      `not equal: ${unequal.map(({ table }) => `auth.${table}`).join(', ')}; ${number(rows.length)} rows differ`,
      rows.map(describeDifference),
    );
  }
  const rows = proofs.reduce((sum, proof) => sum + proof.rows, 0);
  const columns = proofs.reduce((sum, { source }) => sum + source.columns.length, 0);
  return `equal: ${number(rows)} rows of ${proofs.length} tables; count and checksum of all ${columns} columns are the same on both sides`;
}

export function describeDifference({ table, key, difference, columns }: DifferingRow): string {
  return onOneLine(`auth.${table} ${key}: ${difference}${columns.length > 0 ? ` (${columns.join(', ')})` : ''}`);
}

export function describeReport({ conflicts, proofs, ledger_hash }: MigrationReport): string {
  const kept = listed(
    `${number(conflicts.length)} rows were changed on both sides since the last run and stay as they are here; look at them`,
    conflicts.map(({ table, key }) => `auth.${table} ${key}`),
  );
  return [
    ...(conflicts.length > 0 ? [kept] : []),
    describeProofs(proofs),
    `done; the ledger ends in ${ledger_hash}`,
  ].join('\n');
}

function listed(title: string, rows: readonly string[]): string {
  const more = rows.length > LISTED_ROWS ? [`  … and ${number(rows.length - LISTED_ROWS)} more: see --json`] : [];
  return [`${title}:`, ...rows.slice(0, LISTED_ROWS).map((row) => `  ${onOneLine(row)}`), ...more].join('\n');
}

/** A title and what belongs to it, broken into lines between two items. */
function wrapped(title: string, items: readonly string[]): string[] {
  const lines = [title];
  for (const [n, item] of items.entries()) {
    const text = n < items.length - 1 ? `${item}, ` : item;
    const last = lines.at(-1) ?? '';
    if (last.length + text.length > LINE_WIDTH) lines.push(`${' '.repeat(title.length)}${text}`);
    else lines[lines.length - 1] = last + text;
  }
  return lines.map((line) => line.trimEnd());
}
