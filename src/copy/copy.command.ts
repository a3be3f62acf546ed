/** `gatehouse migrate copy`: copies a whole portal, definitions, rows and users, from a Supabase database. */
import type { CommandIo } from '../command.ts';
import { bothSides, jsonLines, parseStep, runStep, sharedOptions } from '../migrate/command-line.ts';
import { exitCodes } from '../migrate/failure.ts';
import { createTerminal } from '../migrate/progress.ts';
import { type CopyEvent, copyPortal } from './copy.ts';
import type { CopyPlan } from './plan.ts';
import { describeCopy, describeCopyPlan, describeTable, sizeOf } from './words.ts';

const name = 'migrate copy';

export const help = `gatehouse migrate copy --from URL [--to URL] [--apply] [--json]

  Copies a whole portal from a Supabase database, as its role "postgres" may read it: roles, schemas, rows, large objects,
  and users with hashes, factors and live sessions, all as they were at one moment. Without --apply it only looks and says
  what it would do. Needs pg_dump and pg_restore, as new as the source's PostgreSQL. Copy while the portal is stopped or
  read-only: what is written at the source meanwhile does not come along.

  --from URL   the Supabase database (postgres://postgres:…@db.….supabase.co:5432/postgres), not its pooler in
               transaction mode
  --to URL     the database of gatehouse, without a portal; DATABASE_URL, or that of "npm start", when left out
  --apply      do it. A run that was broken off is run again, and goes on where it stopped.
  --json       one JSON object per line instead of text

  Exit codes: 0 done, or there was nothing to do, or without --apply: nothing stands in the way; 1 fault, 2 usage or pg_dump,
  3 source, 4 target, 5 a side went away, 6 not equal, 8 another copy is at work, 9 something must be mended first (a line
  with STOP), with --apply or without, and nothing was changed. Unless it is 0, the copy is not complete and does not say
  that it is: mend what the sentence names and run again.`;

const MEND = 'Mend what STOP names, then run again.';

type CopyIo = Pick<CommandIo, 'stdout' | 'stderr' | 'secrets' | 'operator' | 'findDatabase'> & {
  env: NodeJS.ProcessEnv;
};

/** Runs the command and resolves to its exit code. */
export function run(args: string[], io: CopyIo): Promise<number> {
  return runStep(io, async () => {
    const values = parseStep(name, args, sharedOptions);
    if (values.help) {
      io.stdout.write(`${help}\n`);
      return exitCodes.done;
    }
    const { source, target } = await bothSides(values, io, 'the portal is');
    const { applied, plan } = await copyPortal(source, target, {
      apply: values.apply,
      onEvent: values.json ? jsonLines(io) : textLines(io.stdout, values.apply),
      decryption_key_ids: new Set(io.secrets.column_keys.keys()),
      operator: io.operator,
      env: io.env,
    });
    return applied || isClear(plan) ? exitCodes.done : exitCodes.obstacle;
  });
}

/** Nothing stands in the way, or there is nothing to do. */
const isClear = ({ complete_since, findings }: CopyPlan) =>
  complete_since !== undefined || findings.every(({ level }) => level !== 'stop');

const perSecond = (bytes: number) => `${sizeOf(bytes)}/s`;

function textLines(stdout: CopyIo['stdout'], apply: boolean) {
  const { bar, say, isTerminal } = createTerminal(stdout);
  return (event: CopyEvent) => {
    if (event.event === 'plan') {
      say(describeCopyPlan(event.plan));
      if (!apply && !event.plan.complete_since)
        say(`\nNothing was changed. ${isClear(event.plan) ? 'Add --apply to do it.' : MEND}`);
    }
    if (event.event === 'step') {
      if (event.step === 'rows') bar.start();
      if (isTerminal) bar.say(`${event.step} …`);
      else say(event.step);
    }
    if (event.event === 'progress') bar.draw('rows', event.bytes, event.of, perSecond);
    if (event.event === 'users' && event.users.event === 'progress') {
      const { table, rows } = event.users;
      bar.say(`${table}: ${rows.toLocaleString('en-US')} rows …`);
    }
    if (event.event === 'users' && event.users.event === 'remark') say(event.users.message);
    if (event.event === 'table') say(describeTable(event.table));
    if (event.event === 'finished') say(describeCopy(event.report));
  };
}
