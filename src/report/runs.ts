/**
 * The runs of a migration as its ledger tells them: which command, by whom, when, how long, what was moved, what was compared,
 * what differed. An entry's details are those of the command and the version that wrote it, so nothing is taken for granted.
 */
import type { WrittenEntry } from '../migrate/ledger.sql.ts';

export interface ReportedRun {
  run_id: string;
  /** `migrate users`, `migrate copy`, `migrate verify`. */
  command: string;
  operator: string | undefined;
  source: ReportedSide | undefined;
  target: ReportedSide | undefined;
  started_at: string;
  /** Undefined of a run that was broken off: it has no end on record. */
  ended_at: string | undefined;
  seconds: number | undefined;
  outcome: 'finished' | 'failed' | 'broken off';
  /** Why it failed. */
  reason: string | undefined;
  moved: MovedTable[];
  checks: Check[];
  /** How the definitions compare; undefined where none were compared. */
  definitions: { compared: number | undefined; equal: boolean } | undefined;
  /** What is not the same, a line each. */
  differences: string[];
  not_checked: string[];
  /** What could not be given as it was. */
  notes: string[];
}

export interface ReportedSide {
  address: string;
  role: string | undefined;
  server_version: string | undefined;
}

export interface MovedTable {
  table: string;
  rows: number;
  /** `5,000 inserted, 2 kept`. */
  remarks: string;
}

/** One thing that was compared on both sides. */
export interface Check {
  what: string;
  rows: number | undefined;
  equal: boolean;
}

/** In the order in which they began. */
export function readRuns(entries: readonly WrittenEntry[], operators: ReadonlyMap<string, string>): ReportedRun[] {
  const runs = Map.groupBy(entries, ({ run_id }) => run_id);
  return [...runs.values()].map((of) => readRun(of, operators));
}

function readRun(entries: readonly WrittenEntry[], operators: ReadonlyMap<string, string>): ReportedRun {
  const first = entries[0] as WrittenEntry;
  const details = (step: WrittenEntry['step']) =>
    entries.filter((entry) => entry.step === step).map((entry) => entry.details as Details);
  const end = entries.findLast(({ step }) => step === 'finished' || step === 'failed');
  // A run that is taken up again says so with another beginning; what holds is what was said last.
  const started = details('started').at(-1) ?? {};
  const said = [...details('proved'), ...details('finished')];
  return {
    run_id: first.run_id,
    command: text(started.command) ?? 'migrate users',
    operator: operators.get(first.run_id) ?? text(started.operator),
    source: side(started.source),
    target: side(started.target),
    started_at: first.at,
    ended_at: end?.at,
    seconds: end && (Date.parse(end.at) - Date.parse(first.at)) / 1000,
    outcome: end ? (end.step as 'finished' | 'failed') : 'broken off',
    reason: end?.step === 'failed' ? text((end.details as Details).reason) : undefined,
    moved: details('table_copied').map(movedTable),
    checks: said.flatMap(checksIn),
    definitions: definitionsIn(said),
    differences: said.flatMap(differencesIn),
    not_checked: said.flatMap(({ not_checked }) => list(not_checked).map(notChecked)),
    notes: said.flatMap(({ notes }) => texts(notes)),
  };
}

type Details = Record<string, unknown>;

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
const object = (value: unknown): Details => (value && typeof value === 'object' ? (value as Details) : {});
const list = (value: unknown): Details[] => (Array.isArray(value) ? value.map(object) : []);
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.flatMap((of) => text(of) ?? []) : []);
function count(value: unknown): number | undefined {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

function side(value: unknown): ReportedSide | undefined {
  const { address, role, server_version, version } = object(typeof value === 'string' ? { address: value } : value);
  const named = text(address);
  return named === undefined
    ? undefined
    : { address: named, role: text(role), server_version: text(server_version) ?? text(String(version ?? '')) };
}

const changes = ['inserted', 'updated', 'deleted', 'unchanged', 'kept', 'conflicts'] as const;

function movedTable(details: Details): MovedTable {
  const remarks = changes.flatMap((change) => {
    const rows = count(details[change]) ?? 0;
    return rows > 0 ? [`${rows.toLocaleString('en-US')} ${change}`] : [];
  });
  if (details.kept === true) remarks.push('copied by an earlier run');
  return { table: tableOf(details), rows: count(details.rows) ?? 0, remarks: remarks.join(', ') };
}

/** Tables of schema auth stand without it in what `migrate users` writes. */
function tableOf({ table }: Details): string {
  const name = text(table) ?? '?';
  return /^\w+$/.test(name) ? `auth.${name}` : name;
}

/** What was compared, and came out one way or the other. */
const comparisons = ['proofs', 'tables', 'sequences', 'large_objects'] as const;

/** Each thing that was compared, and what to call it. */
function comparedIn(details: Details): { what: string; of: Details }[] {
  return comparisons.flatMap((kind) => {
    const compared = Array.isArray(details[kind]) ? list(details[kind]) : [object(details[kind])];
    return compared.filter(({ equal }) => typeof equal === 'boolean').map((of) => ({ what: nameOf(kind, of), of }));
  });
}

function nameOf(kind: (typeof comparisons)[number], of: Details): string {
  if (kind === 'large_objects') return 'large objects';
  return kind === 'sequences' ? `sequence ${text(of.sequence) ?? '?'}` : tableOf(of);
}

function checksIn(details: Details): Check[] {
  return comparedIn(details).map(({ what, of }) => ({
    what,
    rows: count(object(of.source).rows) ?? count(of.rows),
    equal: of.equal === true,
  }));
}

function driftsIn(details: Details): Details[] | undefined {
  const { drift, catalogue } = details;
  if (Array.isArray(drift)) return list(drift);
  const nested = object(catalogue).drift ?? catalogue;
  return Array.isArray(nested) ? list(nested) : undefined;
}

function definitionsIn(said: readonly Details[]): ReportedRun['definitions'] {
  const compared = said.filter((details) => driftsIn(details) !== undefined);
  if (compared.length === 0) return undefined;
  const objects = compared.map((details) => count(details.objects) ?? count(object(details.catalogue).objects));
  return {
    compared: objects.find((of) => of !== undefined),
    equal: compared.every((of) => driftsIn(of)?.length === 0),
  };
}

function differencesIn(details: Details): string[] {
  const rows = comparedIn(details).flatMap(({ what, of }) => {
    if (of.equal === true) return [];
    const sentences = [...texts(of.shape), ...texts(of.differences)].map((sentence) => `${what}: ${sentence}`);
    const named = list(of.differing).map((row) => differingRow(what, row));
    const more = of.more === true ? [`${what}: and more than are named`] : [];
    const all = [...sentences, ...named, ...more];
    return all.length > 0 ? all : [`${what}: not equal`];
  });
  const conflicts = list(details.conflicts).map(
    (row) => `${tableOf(row)} ${text(row.key) ?? ''}: changed on both sides since the last run; stays as it is here`,
  );
  return [...(driftsIn(details) ?? []).map(drift), ...rows, ...conflicts];
}

function differingRow(table: string, { key, row, difference, columns }: Details): string {
  const names = texts(columns);
  return `${table} ${text(row) ?? text(key) ?? ''}: ${text(difference) ?? 'differs'}${names.length > 0 ? ` (${names.join(', ')})` : ''}`;
}

function drift(of: Details): string {
  const words = text(of.sentence) ?? text(of.difference) ?? 'differs';
  const named = text(of.object);
  return named && !words.includes(named) ? `${named}: ${words}` : words;
}

function notChecked(of: Details): string {
  const what = text(of.what) ?? '';
  const why = text(of.why)?.replace(/\.$/, '');
  return why ? `${what}: ${why}` : what;
}
