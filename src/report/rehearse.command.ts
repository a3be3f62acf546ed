/** `gatehouse migrate rehearse`: the whole move for practice, into a scratch database. */
import { resolve } from 'node:path';
import type { CommandIo } from '../command.ts';
import { bothSides, flag, jsonLines, parseStep, runStep, sharedOptions, text } from '../migrate/command-line.ts';
import { exitCodes } from '../migrate/failure.ts';
import { duration } from './criteria.ts';
import { describeRehearsal, type RehearsalStep, rehearse } from './rehearse.ts';

const name = 'migrate rehearse';

export const help = `gatehouse migrate rehearse --from URL [--to URL] [--out DIRECTORY] [--keep] [--json]

  Practises the move: makes a scratch database on the target's server, copies the portal and its users into it, verifies
  every definition and row, makes the report, and removes the scratch database again. The source is only read, the target's
  own database is not touched. Roles that the portal names belong to the whole server: they are made where they are missing,
  without the right to sign in, and stay. Needs the right to create databases, and room for the portal once more. What a
  rehearsal that was broken off has left, the next one removes.

  --from URL       the Supabase database, as for "migrate copy"
  --to URL         a database on the target's server; DATABASE_URL, or that of "npm start", when left out
  --out DIRECTORY  writes the rehearsal's report there
  --keep           leaves the scratch database, for the portal's own tests, or to look at what is not equal
  --json           one JSON object per line instead of text

  Exit codes: 0 everything held, 1 fault, 2 usage, 3 source, 4 target, 5 a side went away, 6 not equal, 8 another migration
  is at work, 9 something must be mended first. It ends at the first step that does not hold.`;

type RehearseIo = Pick<CommandIo, 'stdout' | 'stderr' | 'secrets' | 'operator' | 'clock' | 'findDatabase'> & {
  env: NodeJS.ProcessEnv;
};

const CLEAR_LINE = '\r\u001b[2K';
const STEP_WIDTH = 18;
const TIME_WIDTH = 9;

/** Runs the command and resolves to its exit code. */
export async function run(args: string[], io: RehearseIo): Promise<number> {
  const isTerminal = io.stdout.isTTY ?? false;
  return runStep(io, async () => {
    const { from, to, json, help: wanted } = sharedOptions;
    const values = parseStep(name, args, { from, to, out: text, keep: flag, json, help: wanted });
    if (values.help) {
      io.stdout.write(`${help}\n`);
      return exitCodes.done;
    }
    const { source, target } = await bothSides(values, io, 'the portal is');
    const say = values.json ? jsonLines(io) : undefined;
    let under: string | undefined;
    try {
      const rehearsal = await rehearse(source, target, {
        keep: values.keep,
        out: values.out === undefined ? undefined : resolve(values.out),
        operator: io.operator,
        clock: io.clock,
        env: io.env,
        decryption_key_ids: new Set(io.secrets.column_keys.keys()),
        onBegin: (step) => {
          under = step;
          if (isTerminal && !say) io.stdout.write(`  … ${step}`);
        },
        onStep: (step) => {
          under = undefined;
          if (say) say({ event: 'step', ...step });
          else io.stdout.write(`${isTerminal ? CLEAR_LINE : ''}${describeStep(step)}\n`);
        },
      });
      if (say) say({ event: 'finished', ...rehearsal });
      else {
        const files = rehearsal.reports.map((path) => `  ${path}`);
        const kept = rehearsal.kept === undefined ? [] : [`  The scratch database stays: ${rehearsal.kept}`];
        io.stdout.write(`\n${[`  ${describeRehearsal(rehearsal)}`, ...kept, ...files].join('\n')}\n`);
      }
      return exitCodes.done;
    } catch (error) {
      if (under !== undefined && !say) io.stdout.write(`${isTerminal ? CLEAR_LINE : ''}  ✗ ${under}\n`);
      throw error;
    }
  });
}

function describeStep({ step, seconds, seen }: RehearsalStep): string {
  return `  ✓ ${step.padEnd(STEP_WIDTH)}${duration(seconds).padStart(TIME_WIDTH)}  ${seen}`;
}
