/** `gatehouse migrate verify`: proves that a portal arrived, or names what did not. */
import type { CommandIo } from '../command.ts';
import { bothSides, jsonLines, parseStep, runStep, sharedOptions, text } from '../migrate/command-line.ts';
import { exitCodes } from '../migrate/failure.ts';
import { createTerminal } from '../migrate/progress.ts';
import { COMMAND } from './record.ts';
import { type VerifyEvent, verifyPortal } from './verify.ts';
import { describeTable, describeVerification } from './words.ts';

const name = COMMAND;

export const help = `gatehouse migrate verify --from URL [--to URL] [--snapshot NAME] [--json]

  Compares a whole portal with its source: every kind of definition, every row and column, users and sessions, sequences,
  large objects; names what differs, down to row and column, and says what it did not compare. The source lives
  on meanwhile: it is compared as it was at one moment. No value of a row is shown but its key.
  Both databases are only read, and a role that may only read is enough; what was found is added to the ledger and the
  audit log at the target where the role may write there, and nothing else is written.

  --from URL       the Supabase database (postgres://postgres:…@db.….supabase.co:5432/postgres)
  --to URL         the database of gatehouse; DATABASE_URL, or that of "npm start", when left out
  --snapshot NAME  compare the source as it was in this snapshot (pg_export_snapshot()), whose transaction is still open
  --json           one JSON object per line instead of text

  Exit codes: 0 equal, 1 fault, 2 usage, 3 source, 4 target, 5 a side went away, 6 not equal, or a copy is not complete,
  8 another migration is at work.`;

type VerifyIo = Pick<CommandIo, 'stdout' | 'stderr' | 'operator' | 'findDatabase'>;

/** Runs the command and resolves to its exit code. */
export function run(args: string[], io: VerifyIo): Promise<number> {
  return runStep(io, async () => {
    const { from, to, json, help: wanted } = sharedOptions;
    const values = parseStep(name, args, { from, to, json, help: wanted, snapshot: text });
    if (values.help) {
      io.stdout.write(`${help}\n`);
      return exitCodes.done;
    }
    const { source, target } = await bothSides(values, io, 'the portal is');
    const { equal } = await verifyPortal(source, target, {
      onEvent: values.json ? jsonLines(io) : textLines(io.stdout),
      operator: io.operator,
      ...(values.snapshot === undefined ? {} : { snapshot: values.snapshot }),
    });
    return equal ? exitCodes.done : exitCodes.unequal;
  });
}

function textLines(stdout: VerifyIo['stdout']) {
  const { bar, say, isTerminal } = createTerminal(stdout);
  let of = 0;
  let bytes = 0;
  let rows = 0;
  // Bytes tell how much is left, rows how fast it goes.
  const rate = (perSecond: number) =>
    `${Math.round((perSecond * rows) / Math.max(1, bytes)).toLocaleString('en-US')} rows/s`;
  return (event: VerifyEvent) => {
    if (event.event === 'started') say(`${event.source.address} against ${event.target.address}`);
    if (event.event === 'comparing' && isTerminal) bar.say(`${event.what} …`);
    if (event.event === 'rows_begin') {
      of = event.bytes;
      bar.start();
    }
    if (event.event === 'rows_read') {
      bytes += event.bytes;
      rows += event.rows;
      bar.draw(event.table, bytes, of, rate);
    }
    if (event.event === 'table' && !event.comparison.equal) say(describeTable(event.comparison));
    if (event.event === 'finished') say(describeVerification(event.verification));
  };
}
