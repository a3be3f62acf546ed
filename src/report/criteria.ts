/**
 * The success criteria of a migration, each with what shows it. What nothing here can show is said to be not shown, with what
 * would: a report that claims more than it saw is worth nothing.
 */
import type { LedgerVerdict } from '../migrate/ledger.ts';
import type { BackupOnRecord, SinceTheMove, TargetFacts } from './report.sql.ts';
import type { Check, ReportedRun } from './runs.ts';

export interface Criterion {
  name: string;
  /** What is asked, in the words of a migration plan. */
  asked: string;
  verdict: 'shown' | 'in part' | 'not shown' | 'not met';
  /** What shows it, or what would; a sentence each. */
  evidence: string[];
}

/** How the connection to the target is secured: what was seen of it, and whether the server's certificate was verified. */
export interface Transport {
  local: boolean;
  verified: boolean;
}

/** What is on record of backups. */
export interface Backups {
  /** That were not removed since, newest first. */
  made: readonly BackupOnRecord[];
  last_expiry: string | undefined;
}

export interface Facts {
  runs: readonly ReportedRun[];
  ledger: LedgerVerdict;
  target: TargetFacts;
  transport: Transport;
  since: SinceTheMove | undefined;
  backups: Backups;
}

/** Longest downtime that a migration plan of a portal allows, hours. */
const LONGEST_DOWNTIME_HOURS = 4;

const number = (value: number) => value.toLocaleString('en-US');
const day = (iso: string) => `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;

/** In the order in which somebody asks about them. */
export function judge(facts: Facts): Criterion[] {
  return [
    dataLoss(facts),
    integrity(facts),
    signIn(facts),
    downtime(facts),
    performance(),
    features(facts),
    backups(facts),
    retention(facts),
    encryption(facts),
    exposure(facts),
    audit(facts),
    record(facts),
    wayBack(facts),
    quiet(facts),
  ];
}

const finished = (runs: readonly ReportedRun[]) => runs.filter(({ outcome }) => outcome === 'finished');

/**
 * The newest run that compared both sides before anybody used the target: the last word on whether what was moved arrived.
 * Once people write here, the two sides differ as they should.
 */
export function lastComparison({ runs, since }: Pick<Facts, 'runs' | 'since'>): ReportedRun | undefined {
  return lastBeforeUse(comparisons(runs), since);
}

function lastBeforeUse(runs: readonly ReportedRun[], since: Facts['since']): ReportedRun | undefined {
  return runs.findLast((run) => !isLater(run, since)) ?? runs.at(-1);
}

function comparisons(runs: readonly ReportedRun[]): ReportedRun[] {
  const compared = runs.filter(({ outcome, checks }) => outcome !== 'broken off' && checks.length > 0);
  const ofPortals = compared.filter(({ command }) => command !== 'migrate users');
  return ofPortals.length > 0 ? ofPortals : compared;
}

const isLater = ({ ended_at }: ReportedRun, since: Facts['since']) =>
  Boolean(since?.first_use && ended_at && Date.parse(ended_at) > Date.parse(since.first_use));

/** What was compared again, when people had worked here already. */
function comparedLater({ runs, since }: Pick<Facts, 'runs' | 'since'>, last: ReportedRun): string[] {
  const later = comparisons(runs).at(-1);
  if (!later || later === last || !isLater(later, since)) return [];
  const unequal = later.checks.filter(({ equal }) => !equal).length + (later.definitions?.equal === false ? 1 : 0);
  const found = unequal === 0 ? 'all equal' : 'not all equal, as is to be expected; the differences are in the JSON';
  return [`Compared again when people had signed in here: ${found} (${by(later)}).`];
}

const isAuth = ({ what }: Check) => what.startsWith('auth.');
const sum = (checks: readonly Check[]) => checks.reduce((rows, check) => rows + (check.rows ?? 0), 0);
const by = ({ operator, ended_at, run_id, command }: ReportedRun) =>
  `${command}, ${day(ended_at ?? '')}${operator ? `, by ${operator}` : ''} (run ${run_id.slice(0, 8)})`;

function dataLoss(facts: Facts): Criterion {
  const asked = 'Zero data loss: every row arrives, with every value.';
  const name = 'No data lost';
  const last = lastComparison(facts);
  if (!last) return { name, asked, verdict: 'not shown', evidence: ['No run on record has compared rows.'] };
  const unequal = last.checks.filter(({ equal }) => !equal);
  const seen = `${number(sum(last.checks))} rows compared in ${number(last.checks.length)} comparisons, every column: ${by(last)}.`;
  if (unequal.length > 0) {
    const named = unequal.slice(0, 5).map(({ what }) => what);
    const evidence = [
      `${number(unequal.length)} are not equal: ${named.join(', ')}${unequal.length > 5 ? ' …' : ''}.`,
      seen,
    ];
    return { name, asked, verdict: 'not met', evidence };
  }
  const usersAlone = last.checks.every(isAuth);
  return usersAlone
    ? {
        name,
        asked,
        verdict: 'in part',
        evidence: [`The users: ${seen}`, "The portal's own tables have not been compared."],
      }
    : {
        name,
        asked,
        verdict: 'shown',
        evidence: [`All equal: ${seen}`, ...unseen(last), ...comparedLater(facts, last)],
      };
}

function unseen({ not_checked }: ReportedRun): string[] {
  const count = not_checked.length;
  if (count === 0) return [];
  return [
    count === 1
      ? 'One thing was not compared: it is named below.'
      : `${number(count)} things were not compared: they are named below.`,
  ];
}

function integrity({ runs, since }: Facts): Criterion {
  const name = 'Integrity and completeness';
  const asked = 'Tables, keys, checks, policies, rights, functions and triggers are what they were.';
  const ended = runs.filter(({ definitions, outcome }) => definitions && outcome !== 'broken off');
  const last = lastBeforeUse(ended, since);
  if (!last?.definitions) {
    return { name, asked, verdict: 'not shown', evidence: ['No run on record has compared the definitions.'] };
  }
  const { compared, equal } = last.definitions;
  const what = compared === undefined ? 'Definitions' : `${number(compared)} definitions`;
  return equal
    ? { name, asked, verdict: 'shown', evidence: [`${what} compared, all equal: ${by(last)}.`] }
    : { name, asked, verdict: 'not met', evidence: [`${what} compared, not all equal: ${by(last)}.`] };
}

function signIn({ runs, target, since }: Facts): Criterion {
  const name = 'Nobody is signed out';
  const asked = 'Users keep their id, password, second factor and session.';
  const compared = finished(runs).filter(({ checks }) => checks.some(isAuth));
  const last = lastBeforeUse(compared, since);
  if (!last) return { name, asked, verdict: 'not shown', evidence: ['No run on record has carried users over.'] };
  const checks = last.checks.filter(isAuth);
  const equal = checks.every((check) => check.equal);
  const evidence = [
    `${number(sum(checks))} rows of ${checks.length} tables of auth, ${equal ? 'all equal' : 'not all equal'}: ${by(last)}.`,
    `Here now: ${number(target.users)} users, ${number(target.sessions)} sessions, ${number(target.factors)} second factors.`,
  ];
  return { name, asked, verdict: equal ? 'shown' : 'not met', evidence };
}

function downtime({ runs, since }: Facts): Criterion {
  const name = 'Downtime';
  const asked = `Less than ${LONGEST_DOWNTIME_HOURS} hours.`;
  const steps = finished(runs);
  const copied =
    steps.findLast(({ command }) => command === 'migrate copy') ?? steps.findLast(({ moved }) => moved.length > 0);
  if (!copied?.ended_at) return { name, asked, verdict: 'not shown', evidence: ['No finished run is on record.'] };
  const verified = steps.filter(
    ({ command, started_at }) => command === 'migrate verify' && started_at >= copied.started_at,
  );
  const proved = lastBeforeUse(verified, since);
  const work = (copied.seconds ?? 0) + (proved?.seconds ?? 0);
  const evidence = [
    `${proved ? 'Copy and verification' : 'The copy'} took ${duration(work)}, from ${day(copied.started_at)} to ${day((proved ?? copied).ended_at ?? '')}.`,
  ];
  const unknown = 'When the portal was closed and opened is known to those who did it, and not on record here.';
  const first = since?.first_use;
  if (!first) return { name, asked, verdict: 'not shown', evidence: [...evidence, unknown] };
  const closed = (Date.parse(first) - Date.parse(copied.started_at)) / 1000;
  evidence.push(
    `The first sign-in or refresh here was at ${day(first)}, ${duration(closed)} after the copy had begun.`,
    unknown,
  );
  return { name, asked, verdict: closed < LONGEST_DOWNTIME_HOURS * 3600 ? 'in part' : 'not met', evidence };
}

function performance(): Criterion {
  return {
    name: 'Performance',
    asked: 'The portal is at least as fast as before.',
    verdict: 'not shown',
    evidence: [
      'Nothing here measures the portal: compare its own response times of the week before and the week after.',
    ],
  };
}

function features({ target: { schemas } }: Facts): Criterion {
  const total = (key: 'functions' | 'policies' | 'triggers' | 'tables') =>
    number(schemas.reduce((all, of) => all + of[key], 0));
  return {
    name: 'All features work',
    asked: 'The portal does everything that it did.',
    verdict: 'not shown',
    evidence: [
      `Here now: ${total('tables')} tables, ${total('functions')} functions, ${total('policies')} policies, ${total('triggers')} triggers. That they are there does not show that each does its work.`,
      "What would show it: the portal's own acceptance tests against this database.",
    ],
  };
}

function backups({ backups: { made }, runs }: Facts): Criterion {
  const name = 'Backup and restore';
  const asked = 'Backups are made, and restoring one succeeds.';
  const [newest] = made;
  if (!newest) {
    const evidence = ['No backup is on record: gatehouse backup run, then gatehouse backup verify.'];
    return { name, asked, verdict: 'not shown', evidence };
  }
  const evidence = [`${number(made.length)} on record, the newest of ${day(newest.snapshot_at)}.`];
  const tried = made.find(({ proof }) => proof);
  if (!tried?.proof) {
    evidence.push('None has been restored yet: gatehouse backup verify.');
    return { name, asked, verdict: 'in part', evidence };
  }
  const { at, equal, restore_seconds } = tried.proof;
  const took = restore_seconds === null ? '' : ` in ${duration(restore_seconds)}`;
  evidence.push(
    `That of ${day(tried.snapshot_at)} was restored${took} and compared on ${day(at)}: ${equal ? 'equal' : 'not equal'}.`,
  );
  if (!equal) return { name, asked, verdict: 'not met', evidence };
  const moved = finished(runs).findLast((run) => run.moved.length > 0)?.ended_at;
  if (moved && Date.parse(tried.snapshot_at) < Date.parse(moved)) {
    evidence.push('It is of a moment before the move had ended: prove one that was made since.');
    return { name, asked, verdict: 'in part', evidence };
  }
  return { name, asked, verdict: 'shown', evidence };
}

function retention({ backups: { last_expiry } }: Facts): Criterion {
  return {
    name: 'Retention',
    asked: 'There is a rule for how long backups are kept.',
    verdict: last_expiry ? 'shown' : 'not shown',
    evidence: last_expiry
      ? [
          `Backups whose time was over were last removed on ${day(last_expiry)}, by the rule in GATEHOUSE_BACKUP_RETENTION.`,
        ]
      : ['No backup was removed yet: GATEHOUSE_BACKUP_RETENTION is the rule, and gatehouse backup expire goes by it.'],
  };
}

function encryption({ target: { tls }, transport: { local, verified } }: Facts): Criterion {
  const name = 'Encrypted connections';
  const asked = 'TLS to the database.';
  if (tls) {
    const seen = `The connection of this report: ${tls.version}, ${tls.cipher}.`;
    return verified
      ? {
          name,
          asked,
          verdict: 'shown',
          evidence: [seen, 'The certificate was verified, and belongs to the server that was asked for.'],
        }
      : {
          name,
          asked,
          verdict: 'in part',
          evidence: [seen, "The server's certificate was not verified: use sslmode=verify-full."],
        };
  }
  return {
    name,
    asked,
    verdict: local ? 'not shown' : 'not met',
    evidence: [
      local
        ? "The connection of this report does not leave the machine, and is not encrypted. What the portal's servers use is not seen from here."
        : 'The connection of this report crosses the network without TLS.',
    ],
  };
}

function exposure({ target: { listen_addresses } }: Facts): Criterion {
  const open = listen_addresses.split(',').some((of) => ['*', '0.0.0.0', '::'].includes(of.trim()));
  const here = listen_addresses === '' ? 'no network at all' : listen_addresses;
  return {
    name: 'Not on the internet',
    asked: 'The database server cannot be reached from outside.',
    verdict: 'not shown',
    evidence: [
      `PostgreSQL listens on ${open ? `${here}: on every address that the machine has` : here}.`,
      "What would show it: the firewall's rules, and an attempt from outside.",
    ],
  };
}

function audit({ target: { audit_guarded, ledger_guarded } }: Facts): Criterion {
  const line = (what: string, guarded: boolean) =>
    guarded ? `${what} refuses every change of what was written.` : `The guard of ${what} is switched off.`;
  return {
    name: 'Audit log',
    asked: 'Who did what is on record, and the record cannot be edited.',
    verdict: audit_guarded && ledger_guarded ? 'shown' : 'not met',
    evidence: [line('audit.events', audit_guarded), line('gatehouse.migration_ledger', ledger_guarded)],
  };
}

function record({ ledger: { intact, entries, head, recorded_heads, fault } }: Facts): Criterion {
  const name = 'This record itself';
  const asked = 'What this report says is what was written at the time.';
  if (!intact) return { name, asked, verdict: 'not met', evidence: [fault ?? ''] };
  if (entries === 0) return { name, asked, verdict: 'not shown', evidence: ['The ledger is empty.'] };
  return {
    name,
    asked,
    verdict: 'shown',
    evidence: [
      `The ledger's ${number(entries)} entries were walked: each hashes to what it says and follows the one before it. The chain ends in ${head}.`,
      `The audit log has the chain's head as it was at the end of each finished run: ${number(recorded_heads)} of ${number(recorded_heads)} are in the chain.`,
    ],
  };
}

function wayBack({ runs }: Facts): Criterion {
  const from = [...new Set(runs.flatMap(({ source }) => source?.address ?? []))];
  return {
    name: 'A way back',
    asked: 'There is a procedure to return, and it was rehearsed.',
    verdict: 'not shown',
    evidence: [
      from.length > 0
        ? `No step writes to the source: until the portal is opened here, going back is to open it there again (${from.join(', ')}).`
        : 'No run is on record.',
      'What is written here afterwards does not flow back by itself, and no rehearsal of going back is on record.',
    ],
  };
}

function quiet({ since }: Facts): Criterion {
  return {
    name: 'Quiet afterwards',
    asked: 'No issue reported by a user within 48 hours.',
    verdict: 'not shown',
    evidence: [
      ...(since
        ? [
            `Since the last run that moved something: ${number(since.sign_ins)} sign-ins, ${number(since.refused_sign_ins)} refused, ${number(since.refreshes)} sessions refreshed, ${number(since.faults)} faults of the service.`,
          ]
        : []),
      'What users report is not on record here.',
    ],
  };
}

/** So that a person reads it: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
