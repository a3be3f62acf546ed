/** `gatehouse migrate report`: the record of a migration as a document. */
import { resolve } from 'node:path';
import type { CommandIo } from '../command.ts';
import { flag, parseStep, runStep, sourceSide, targetSide, text } from '../migrate/command-line.ts';
import { exitCodes } from '../migrate/failure.ts';
import { jsonLine, onOneLine } from '../migrate/on-one-line.ts';
import { headline } from './page.ts';
import { type MigrationRecord, makeReport, writeReport } from './report.ts';

const name = 'migrate report';

export const help = `gatehouse migrate report [--from URL] [--to URL] [--out DIRECTORY] [--json]

  Writes migration-report.html and migration-report.json: what was moved, what was compared, by whom, when and how long,
  what differs, and each success criterion of a migration with what shows it, or that nothing does. Walks the chain of the
  ledger first. Changes nothing; the files are for nobody else on this machine to read.

  --from URL       as at the other steps, and not connected to: refused where nothing came from there
  --to URL         the database of gatehouse; DATABASE_URL, or that of "npm start", when left out
  --out DIRECTORY  where the two files go; this directory when left out
  --json           the report on standard output instead, and no files

  Exit codes: 0 written, 1 fault, 2 usage, 4 target, 5 the target went away, 6 written, and the ledger is broken or a
  criterion is not met.`;

type ReportIo = Pick<CommandIo, 'stdout' | 'stderr' | 'operator' | 'clock' | 'findDatabase'>;

/** Runs the command and resolves to its exit code. */
export async function run(args: string[], io: ReportIo): Promise<number> {
  const say = (line: string) => io.stdout.write(`${line}\n`);
  return runStep(io, async () => {
    const values = parseStep(name, args, { from: text, to: text, json: flag, help: flag, out: text });
    if (values.help) {
      say(help);
      return exitCodes.done;
    }
    const target = await targetSide(values, io, 'Say which database it is about');
    const from = values.from === undefined ? undefined : sourceSide(values, io, 'it is about');
    const record = await makeReport(target, { now: io.clock(), operator: io.operator, from });
    if (values.json) say(jsonLine(record));
    else {
      const paths = await writeReport(record, resolve(values.out ?? '.'));
      say([...summary(record), '', ...paths].join('\n'));
    }
    const held = record.ledger.intact && record.criteria.every(({ verdict }) => verdict !== 'not met');
    return held ? exitCodes.done : exitCodes.unequal;
  });
}

const marks = { shown: '✓', 'in part': '◐', 'not shown': '–', 'not met': '✗' } as const;

function summary(record: MigrationRecord): string[] {
  const { criteria, ledger } = record;
  const width = Math.max(...criteria.map(({ name }) => name.length));
  return [
    ledger.fault ? `The ledger is broken. ${ledger.fault}` : `${headline(record)}.`,
    '',
    ...criteria.map(({ name, verdict, evidence }) =>
      onOneLine(`${marks[verdict]} ${name.padEnd(width)}  ${verdict.padEnd(9)}  ${evidence[0] ?? ''}`),
    ),
  ];
}
