/** `gatehouse migrate users`: carries users, hashes and live sessions over from a Supabase database. */
import type { CommandIo } from '../command.ts';
import { bothSides, flag, jsonLines, parseStep, runStep, sharedOptions } from './command-line.ts';
import { exitCodes, MigrationFailure } from './failure.ts';
import type { MigrationPlan } from './plan.ts';
import { createProgress, createTerminal } from './progress.ts';
import { describeDifference, describeOutcome, describePlan, describeProofs, describeReport } from './report.ts';
import type { MigrationEvent } from './run.ts';
import { migrateUsers, verifyUsers } from './users.ts';

const name = 'migrate users';

export const help = `gatehouse migrate users --from URL [--to URL] [--apply | --verify] [--json]

  Carries users, identities, password hashes, second factors and live sessions over from a Supabase database, as its
  role "postgres" may read them. Without --apply it only looks and says what it would do.

  --from URL   the Supabase database (postgres://postgres:…@db.….supabase.co:5432/postgres)
  --to URL     the database of gatehouse; DATABASE_URL, or that of "npm start", when left out
  --apply      do it: in one transaction, proven equal before it is committed. Run it again to follow the source.
  --verify     compare every row and column again, and name what differs; changes nothing
  --json       one JSON object per line instead of text

  Exit codes: 0 done, 1 fault, 2 usage, 3 source, 4 target, 5 a side went away, 6 not equal, 7 done but rows were changed
  on both sides, 8 another migration is at work, 9 something must be mended first (a line with STOP), with --apply or
  without. Unless it is 0 or 7, nothing was changed.`;

const MEND = 'Mend what STOP names, then run again.';

type MigrateIo = Pick<CommandIo, 'stdout' | 'stderr' | 'secrets' | 'operator' | 'findDatabase'>;

/** Runs the command and resolves to its exit code. */
export function run(args: string[], io: MigrateIo): Promise<number> {
  return runStep(io, async () => {
    const say = (text: string) => io.stdout.write(`${text}\n`);
    const values = parseStep(name, args, { ...sharedOptions, verify: flag });
    if (values.help) {
      say(help);
      return exitCodes.done;
    }
    if (values.from && values.apply && values.verify) {
      throw new MigrationFailure('usage', 'Choose one of --apply and --verify.');
    }
    const { source, target } = await bothSides(values, io, 'the users are');

    if (values.verify) {
      const proofs = await verifyUsers(source, target, values.json ? { onEvent: jsonLines(io) } : {});
      if (!values.json) say(describeProofs(proofs));
      return proofs.every(({ equal }) => equal) ? exitCodes.done : exitCodes.unequal;
    }
    const { apply } = values;
    const onEvent = values.json ? jsonLines(io) : textLines(io.stdout, apply);
    const decryption_key_ids = new Set(io.secrets.column_keys.keys());
    const report = await migrateUsers(source, target, { apply, onEvent, decryption_key_ids, operator: io.operator });
    if (!report.applied && hasObstacle(report.plan)) return exitCodes.obstacle;
    return report.conflicts.length > 0 ? exitCodes.conflicts : exitCodes.done;
  });
}

const hasObstacle = ({ findings }: MigrationPlan) => findings.some(({ level }) => level === 'stop');

function textLines(stdout: MigrateIo['stdout'], apply: boolean) {
  const { bar, say } = createTerminal(stdout);
  const draw = createProgress(bar);
  return (event: MigrationEvent) => {
    draw(event);
    if (event.event === 'plan') {
      say(describePlan(event.plan));
      if (!apply) say(`Nothing was changed. ${hasObstacle(event.plan) ? MEND : 'Add --apply to do it.'}`);
    }
    if (event.event === 'remark') say(event.message);
    if (event.event === 'table') say(describeOutcome(event.outcome));
    if (event.event === 'proof') for (const row of event.proof.differing) say(describeDifference(row));
    if (event.event === 'finished') say(describeReport(event.report));
  };
}
