/**
 * The report as one page of HTML that needs nothing else: no script, nothing from anywhere, every value escaped; made to be
 * printed. On top what it comes to, then the evidence.
 */
import { sizeOf } from '../copy/words.ts';
import { type Criterion, duration } from './criteria.ts';
import type { MigrationRecord } from './report.ts';
import type { ReportedRun } from './runs.ts';

/** Text that is HTML already. */
class Markup {
  readonly html: string;
  constructor(html: string) {
    this.html = html;
  }
}

type Value = string | number | Markup | readonly Markup[] | undefined;

/** HTML with every value escaped that is not HTML itself. */
function html(parts: TemplateStringsArray, ...values: Value[]): Markup {
  const written = values.map((value) => {
    if (value === undefined) return '';
    if (value instanceof Markup) return value.html;
    if (Array.isArray(value)) return value.map((of: Markup) => of.html).join('\n');
    return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  });
  return new Markup(String.raw({ raw: parts }, ...written));
}

/** So many differences of a run are on paper; the JSON has them all. */
const LISTED = 100;

const marks = { shown: '✓', 'in part': '◐', 'not shown': '–', 'not met': '✗' } as const;
const words = { shown: 'shown', 'in part': 'in part', 'not shown': 'not shown', 'not met': 'not met' } as const;

const number = (value: number) => value.toLocaleString('en-US');
const time = (iso: string | undefined) =>
  iso === undefined ? html`–` : html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)}</time>`;
const slug = (verdict: Criterion['verdict']) => verdict.replace(' ', '-');

export function reportPage(record: MigrationRecord): string {
  const { made, target, criteria, runs, ledger } = record;
  const last = runs.find(({ run_id }) => run_id === record.last_comparison);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Migration report: ${target.address}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<header>
<p class="over">Migration report</p>
<h1>${headline(record)}</h1>
<p class="lead">${lead(last, record)}</p>
<dl class="facts">
<div><dt>From</dt><dd>${sources(runs)}</dd></div>
<div><dt>To</dt><dd>${target.address}<small>PostgreSQL ${target.server_version}, ${sizeOf(target.size_bytes)}</small></dd></div>
<div><dt>Made</dt><dd>${time(made.at)} UTC<small>by ${made.by}, gatehouse ${made.gatehouse}</small></dd></div>
<div><dt>Ledger</dt><dd>${ledger.intact ? 'intact' : html`<b class="bad">broken</b>`}<small>${number(ledger.entries)} entries${ledger.head ? html`, head <code>${ledger.head.slice(0, 16)}…</code>` : ''}</small></dd></div>
</dl>
</header>
<main>
${ledger.fault ? html`<p class="alarm"><b>Do not rely on what follows.</b> ${ledger.fault}</p>` : undefined}
<section>
<h2>Success criteria</h2>
<p class="tally">${tally(criteria)}</p>
<ol class="criteria">
${criteria.map(criterion)}
</ol>
</section>
<section>
<h2>What differs</h2>
${differences(last)}
</section>
<section>
<h2>What was done</h2>
${runsTable(runs)}
${notes(runs)}
</section>
${runs.filter(({ moved, checks }) => moved.length + checks.length > 0).map(runDetails)}
<section>
<h2>What is there now</h2>
${objectsTable(record)}
</section>
<section class="sign">
<h2>Seen and approved</h2>
<div><p>Name, function</p><p>Date</p><p>Signature</p></div>
</section>
</main>
<footer>Every line comes from the ledger or from the database at ${target.address}. “Not shown” means that nothing here shows it, not that it does not hold. Head of the ledger: <code>${ledger.head ?? 'none'}</code></footer>
</body>
</html>
`.html;
}

/** What there is to know, in one sentence without its full stop. */
export function headline({ criteria, ledger, runs, last_comparison }: MigrationRecord): string {
  if (!ledger.intact) return 'The record of this migration was changed';
  if (runs.length === 0) return 'Nothing has been moved yet';
  if (!last_comparison) return 'Moved or not, nothing was compared';
  const loss = criteria[0]?.verdict;
  if (criteria.slice(0, 3).some(({ verdict }) => verdict === 'not met')) return 'The two sides are not equal';
  return loss === 'shown'
    ? 'Everything that was moved is equal on both sides'
    : 'The users are moved, and equal on both sides';
}

function lead(last: ReportedRun | undefined, { criteria }: MigrationRecord): Markup {
  const open = criteria.filter(({ verdict }) => verdict === 'not shown').length;
  const rest = `${open} of ${criteria.length} criteria cannot be shown from here; what would show them is said with each.`;
  if (!last) return html`${rest}`;
  const rows = last.checks.reduce((sum, check) => sum + (check.rows ?? 0), 0);
  return html`${number(rows)} rows were compared, every column of them, by <code>${last.command}</code>${last.operator ? ` under ${last.operator}` : ''} on ${time(last.ended_at)} UTC. ${rest}`;
}

function sources(runs: readonly ReportedRun[]): Markup {
  const bySource = Map.groupBy(
    runs.flatMap(({ source }) => source ?? []),
    ({ address }) => address,
  );
  if (bySource.size === 0) return html`–`;
  return html`${[...bySource].map(([address, said]) => {
    const version = said.find(({ server_version }) => server_version)?.server_version;
    const role = said.find((side) => side.role)?.role;
    const facts = [...(version ? [`PostgreSQL ${version}`] : []), ...(role ? [`as ${role}`] : [])];
    return html`${address}<small>${facts.join(', ')}</small>`;
  })}`;
}

function tally(criteria: readonly Criterion[]): Markup {
  const verdicts = ['shown', 'in part', 'not shown', 'not met'] as const;
  return html`${verdicts.flatMap((verdict) => {
    const count = criteria.filter((of) => of.verdict === verdict).length;
    return count > 0 ? [html`<span class="${slug(verdict)}"><b>${count}</b> ${words[verdict]}</span>`] : [];
  })}`;
}

function criterion({ name, asked, verdict, evidence }: Criterion): Markup {
  return html`<li class="${slug(verdict)}">
<span class="mark" aria-hidden="true">${marks[verdict]}</span>
<div><h3>${name}</h3><p class="asked">${asked}</p></div>
<div class="evidence">${evidence.map((sentence) => html`<p>${sentence}</p>`)}</div>
<span class="verdict">${words[verdict]}</span>
</li>`;
}

function differences(last: ReportedRun | undefined): Markup {
  if (!last) return html`<p>Nothing was compared.</p>`;
  const { differences: found, not_checked } = last;
  const shown = found.slice(0, LISTED);
  return html`${
    found.length === 0
      ? html`<p>Nothing, as of ${time(last.ended_at)} UTC (<code>${last.command}</code>).</p>`
      : html`<ol class="lines">${shown.map((line) => html`<li>${line}</li>`)}</ol>${
          found.length > LISTED ? html`<p>… and ${number(found.length - LISTED)} more, in the JSON.</p>` : undefined
        }`
  }${
    not_checked.length > 0
      ? html`<h3>Not compared</h3><ul class="lines">${not_checked.map((line) => html`<li>${line}</li>`)}</ul>`
      : undefined
  }`;
}

function runsTable(runs: readonly ReportedRun[]): Markup {
  if (runs.length === 0) return html`<p>The ledger is empty.</p>`;
  return html`<table>
<thead><tr><th>Step</th><th>By</th><th>Began (UTC)</th><th class="number">Took</th><th class="number">Rows moved</th><th class="number">Rows compared</th><th>End</th></tr></thead>
<tbody>
${runs.map((run) => {
  const moved = run.moved.reduce((sum, { rows }) => sum + rows, 0);
  const compared = run.checks.reduce((sum, { rows }) => sum + (rows ?? 0), 0);
  const end = run.outcome === 'failed' ? html`<b class="bad">failed</b> ${run.reason}` : html`${run.outcome}`;
  return html`<tr><td><b>${run.command}</b><small><code>${run.run_id.slice(0, 8)}</code></small></td><td>${run.operator ?? '–'}</td><td>${time(run.started_at)}</td><td class="number">${run.seconds === undefined ? '–' : duration(run.seconds)}</td><td class="number">${run.moved.length > 0 ? number(moved) : '–'}</td><td class="number">${run.checks.length > 0 ? number(compared) : '–'}</td><td>${end}</td></tr>`;
})}
</tbody>
</table>`;
}

function notes(runs: readonly ReportedRun[]): Markup | undefined {
  const said = [...new Set(runs.flatMap((run) => run.notes))];
  if (said.length === 0) return undefined;
  return html`<h3>What could not be given as it was</h3><ul class="lines">${said.map((line) => html`<li>${line}</li>`)}</ul>`;
}

function runDetails({ command, run_id, started_at, moved, checks }: ReportedRun): Markup {
  const compared = new Map(checks.map((check) => [check.what, check]));
  const remarks = new Map(moved.map((table) => [table.table, table]));
  const names = [...new Set([...remarks.keys(), ...compared.keys()])];
  return html`<section>
<h2><code>${command}</code>, table by table <small>${time(started_at)} UTC, run ${run_id}</small></h2>
<table class="dense">
<thead><tr><th>Table</th><th class="number">Rows</th><th>${moved.length > 0 ? 'Moved' : ''}</th><th>Compared</th></tr></thead>
<tbody>
${names.map((name) => {
  const check = compared.get(name);
  const verdict =
    check === undefined
      ? html`–`
      : check.equal
        ? html`<span class="good">equal</span>`
        : html`<b class="bad">not equal</b>`;
  const rows = remarks.get(name)?.rows ?? check?.rows;
  return html`<tr><td><code>${name}</code></td><td class="number">${rows === undefined ? '' : number(rows)}</td><td>${remarks.get(name)?.remarks}</td><td>${verdict}</td></tr>`;
})}
</tbody>
</table>
</section>`;
}

function objectsTable({ target: { schemas } }: MigrationRecord): Markup {
  const columns = ['tables', 'views', 'foreign_keys', 'functions', 'policies', 'triggers'] as const;
  return html`<table>
<thead><tr><th>Schema</th>${columns.map((of) => html`<th class="number">${of.replace('_', ' ')}</th>`)}</tr></thead>
<tbody>
${schemas.map((schema) => html`<tr><td><code>${schema.schema}</code></td>${columns.map((of) => html`<td class="number">${number(schema[of])}</td>`)}</tr>`)}
</tbody>
</table>`;
}

const STYLE = `
:root { --ink: #16202b; --quiet: #5b6875; --line: #dfe4ea; --paper: #fff; --good: #1a7f4b; --half: #9a6b00; --bad: #b3261e; }
* { box-sizing: border-box; }
body { margin: 0; background: #f2f4f7; color: var(--ink); font: 15px/1.5 -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif; }
header, main, footer { max-width: 1080px; margin: 0 auto; padding: 0 40px; background: var(--paper); }
header { padding-top: 48px; }
main { padding-top: 1px; }
.over { margin: 0 0 8px; color: var(--quiet); font-weight: 600; letter-spacing: .06em; text-transform: uppercase; font-size: 12px; }
h1 { margin: 0; font-size: 32px; line-height: 1.2; letter-spacing: -.01em; text-wrap: balance; }
.lead { margin: 14px 0 0; max-width: 70ch; font-size: 17px; color: var(--quiet); }
h2 { margin: 44px 0 14px; font-size: 20px; break-after: avoid; }
h2 small { font-weight: 400; font-size: 13px; color: var(--quiet); margin-left: 6px; }
h3 { margin: 0; font-size: 15px; }
section > h3 { margin: 22px 0 8px; }
small { display: block; color: var(--quiet); font-size: 12.5px; }
h2 small { display: inline; }
code { font: .92em ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; overflow-wrap: anywhere; }
time { white-space: nowrap; font-variant-numeric: tabular-nums; }
.facts { display: grid; grid-template-columns: repeat(4, 1fr); gap: 0; margin: 30px 0 0; border: 1px solid var(--line); border-radius: 10px; }
.facts div { padding: 14px 16px; border-left: 1px solid var(--line); overflow-wrap: anywhere; }
.facts div:first-child { border-left: 0; }
.facts dt { color: var(--quiet); font-size: 12.5px; }
.facts dd { margin: 2px 0 0; font-weight: 600; }
.facts dd small { font-weight: 400; }
.tally { display: flex; gap: 10px; margin: 0 0 14px; }
.tally span { padding: 3px 12px; border-radius: 99px; border: 1px solid var(--line); color: var(--quiet); }
.criteria { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line); }
.criteria li { display: grid; grid-template-columns: 26px minmax(190px, 1fr) 2.1fr 78px; gap: 14px; padding: 14px 0; border-bottom: 1px solid var(--line); break-inside: avoid; }
.criteria p { margin: 0; }
.asked { color: var(--quiet); font-size: 13.5px; }
.evidence { font-size: 14px; overflow-wrap: anywhere; }
.evidence p + p { margin-top: 4px; }
.mark { width: 24px; height: 24px; border-radius: 50%; display: grid; place-items: center; font-weight: 700; font-size: 14px; color: #fff; background: #97a3af; }
.verdict { text-align: right; white-space: nowrap; font-weight: 600; color: var(--quiet); font-size: 13.5px; }
.shown .mark { background: var(--good); } .shown .verdict, .good, .tally .shown b { color: var(--good); }
.in-part .mark { background: var(--half); } .in-part .verdict, .tally .in-part b { color: var(--half); }
.not-met .mark { background: var(--bad); } .not-met .verdict, .bad, .tally .not-met b { color: var(--bad); }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th { text-align: left; color: var(--quiet); font-weight: 600; font-size: 12.5px; border-bottom: 1px solid var(--ink); padding: 6px 10px 6px 0; vertical-align: bottom; }
td { border-bottom: 1px solid var(--line); padding: 7px 10px 7px 0; vertical-align: top; }
.dense td { padding: 3px 10px 3px 0; font-size: 13px; }
tr { break-inside: avoid; }
thead { display: table-header-group; }
.number { text-align: right; font-variant-numeric: tabular-nums; padding-right: 24px; white-space: nowrap; }
.lines { margin: 0; padding-left: 22px; font-size: 14px; overflow-wrap: anywhere; }
.alarm { margin: 28px 0 0; padding: 14px 18px; border: 2px solid var(--bad); border-radius: 10px; color: var(--bad); }
.sign { break-inside: avoid; }
.sign div { display: grid; grid-template-columns: 2fr 1fr 2fr; gap: 24px; margin-top: 44px; }
.sign p { margin: 0; padding-top: 6px; border-top: 1px solid var(--ink); color: var(--quiet); font-size: 12.5px; }
footer { padding-top: 36px; padding-bottom: 48px; color: var(--quiet); font-size: 12.5px; }
@page { margin: 16mm 14mm; }
@media print {
  body { background: #fff; font-size: 10.5pt; }
  header, main, footer { max-width: none; padding-left: 0; padding-right: 0; }
  header { padding-top: 0; }
  .mark { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
@media (max-width: 760px) {
  header, main, footer { padding-left: 18px; padding-right: 18px; }
  .facts { grid-template-columns: 1fr 1fr; }
  .criteria li { grid-template-columns: 26px 1fr; }
  .criteria .evidence, .criteria .verdict { grid-column: 2; text-align: left; }
}
`;
