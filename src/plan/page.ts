/** A plan on one screen: what there is at the left, what becomes of it beside it, what must be done at the end. */
import { styleText } from 'node:util';
import type { Kind } from '../catalogue/kinds.ts';
import { sizeOf } from '../copy/words.ts';
import { onOneLine } from '../migrate/on-one-line.ts';
import type { Finding } from '../migrate/plan.ts';
import { describeCensus } from '../migrate/report.ts';
import { knownSchemas, type Treatment } from '../portal/scope.ts';
import type { InventoryLine } from './inventory.ts';
import type { Server } from './plan.sql.ts';
import type { PortalPlan } from './plan.ts';

const WIDTH = 110;
const INDENT = 20;
/** What a census is indented by. */
const CENSUS_INDENT = 16;
/** Kinds that a line each is spent on, the rest come together at the end. */
const TOLD_APART = new Set<Kind>([
  'table',
  'column',
  'constraint',
  'index',
  'policy',
  'trigger',
  'function',
  'view',
  'materialized view',
  'type',
]);

const number = (value: number) => Math.round(value).toLocaleString('en-US');
const bold = (text: string) => styleText('bold', text);

const levels = [
  { level: 'stop', title: 'Must be mended first', style: 'red' },
  { level: 'warning', title: 'Decide, or know what will happen', style: 'yellow' },
  { level: 'note', title: 'Good to know', style: 'cyan' },
] as const;

export function describePortalPlan(plan: PortalPlan): string {
  const { source, target, scope, inventory, census, sizes, findings } = plan;
  const beside = (fate: InventoryLine['becomes']) =>
    inventory
      .filter(({ kind, becomes }) => becomes === fate && !TOLD_APART.has(kind))
      .map(({ kind, title, count }) => `${number(count)} ${count === 1 ? kind : title}`);
  return [
    ...describeServer('from', source.address, source),
    ...(target ? describeServer('to', target.address, target) : [row('to', 'not named: say it with --to')]),
    ...(plan.clock_skew_seconds === undefined ? [] : [row('clocks', `${apart(plan.clock_skew_seconds)} apart`)]),
    '',
    bold('The portal'),
    row('schemas', scope.schemas.join(', ')),
    row(
      'rows',
      `about ${number(sizes.estimated_rows)}, ${sizeOf(sizes.table_bytes)} and ${sizeOf(sizes.index_bytes)} of indexes`,
    ),
    ...list(
      'largest',
      sizes.largest.map(({ table, bytes }) => `${table} ${sizeOf(bytes)}`),
    ),
    ...(sizes.large_objects > 0 ? [row('large objects', number(sizes.large_objects))] : []),
    ...inventory
      .filter(({ kind }) => TOLD_APART.has(kind))
      .flatMap(({ title, count, details }) => {
        const among = details.map(({ what, count: n }) => `${number(n)} ${what}`).join(', ');
        return list(title, [among === '' ? number(count) : `${number(count)} (${among})`]);
      }),
    ...list('and', beside('moves')),
    ...list('does not move', beside('by hand')),
    '',
    bold('Its users'),
    ...describeCensus(census).map((line) => row(line.slice(0, CENSUS_INDENT), line.slice(CENSUS_INDENT))),
    '',
    bold('What Supabase made'),
    ...treatments(
      'schemas',
      scope.treatments.filter(({ name, treatment }) => treatment !== 'moves' || Object.hasOwn(knownSchemas, name)),
    ),
    ...treatments(
      'extensions',
      scope.extensions.filter(({ name }) => name !== 'plpgsql'),
    ),
    ...list(
      'roles',
      [
        ...named(
          'made without login',
          scope.roles.filter(({ becomes }) => becomes === 'itself'),
        ),
        ...named(
          'replaced by the role of --to',
          scope.roles.filter(({ becomes }) => becomes === 'owner'),
        ),
        ...named(
          'stay',
          scope.roles.filter(({ becomes }) => becomes === 'nobody'),
        ),
      ],
      '; ',
    ),
    ...levels.flatMap(({ level, title, style }) => {
      const of = findings.filter((finding) => finding.level === level);
      if (of.length === 0) return [];
      return [
        '',
        styleText([style, 'bold'], `${title} (${of.length})`),
        ...of.flatMap(({ message }) => wrapped(message, '• ')),
      ];
    }),
    '',
    ...describeEstimate(plan),
    verdict(findings),
  ].join('\n');
}

function describeServer(title: string, address: string, server: Server): string[] {
  const facts = [
    `PostgreSQL ${server.version}`,
    server.tls ?? 'in the clear',
    server.direct ? 'direct' : 'through a pooler in session mode',
    server.superuser ? 'superuser' : server.bypasses_rls ? 'passes row level security' : 'under row level security',
    `${server.encoding}, ${server.collation}`,
  ];
  return [row(title, `${address} as ${server.role}`), row('', facts.join(' · '))];
}

function treatments(title: string, things: readonly { name: string; treatment: Treatment }[]): string[] {
  const order: Treatment[] = ['moves', 'made here', 'stays', 'decide'];
  const words: Record<Treatment, string> = {
    moves: 'move',
    'made here': 'made here',
    stays: 'stay',
    decide: 'for you to decide',
  };
  return list(
    title,
    order.flatMap((treatment) =>
      named(
        words[treatment],
        things.filter((thing) => thing.treatment === treatment),
      ),
    ),
    '; ',
  );
}

const named = (what: string, things: readonly { name: string }[]) =>
  things.length === 0 ? [] : [`${what}: ${things.map(({ name }) => name).join(', ')}`];

function describeEstimate({ estimate, target }: PortalPlan): string[] {
  const { copy_seconds, verify_seconds, disk_bytes } = estimate;
  return [
    bold('What it takes'),
    row(
      'time',
      `copy ${duration(copy_seconds.near)} with both servers near, ${duration(copy_seconds.far)} over 100 Mbit/s; verify ${duration(verify_seconds.near)}`,
    ),
    ...wrapped(
      `${sizeOf(disk_bytes)} at ${target ? 'the target' : 'a target'} while it copies, half of it after. PostgreSQL does not say how much is free: look there (df).`,
      'disk'.padEnd(INDENT),
    ),
    '',
  ];
}

function verdict(findings: readonly Finding[]): string {
  const stops = findings.filter(({ level }) => level === 'stop').length;
  if (stops === 0) {
    return `${bold('Nothing stands in the way. Nothing was changed.')} To practise the move: gatehouse migrate rehearse`;
  }
  return bold(`${stops} ${stops === 1 ? 'thing stands' : 'things stand'} in the way. Nothing was changed.`);
}

const row = (title: string, text: string) => `${title.padEnd(INDENT)}${onOneLine(text)}`;

/** A title and items, broken into lines between two of them. */
function list(title: string, items: readonly string[], separator = ', '): string[] {
  if (items.length === 0) return [];
  return wrapped(items.join(separator), title.padEnd(INDENT));
}

/** Words in lines, after a first word; further lines begin where the first one's text does. */
function wrapped(text: string, first: string): string[] {
  const indent = ' '.repeat(first.length);
  const lines = [first];
  for (const word of onOneLine(text).split(' ')) {
    const last = lines.at(-1) ?? '';
    const isEmpty = last.trim() === '' || (lines.length === 1 && last === first);
    if (!isEmpty && last.length + word.length + 1 > WIDTH) lines.push(`${indent}${word}`);
    else lines[lines.length - 1] = isEmpty ? `${last}${word}` : `${last} ${word}`;
  }
  return lines;
}

function apart(seconds: number): string {
  const distance = Math.abs(seconds);
  return distance < 1 ? `${Math.round(distance * 1000)} ms` : `${distance.toFixed(1)} s`;
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
