/** What the steps of a migration have in common at the terminal: both databases, --apply, --json, and how they end. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { CommandFailure, type CommandIo } from '../command.ts';
import { type Connection, connectionFromUrl } from '../config/connection.ts';
import { Unfit } from '../config/values.ts';
import { exitCodes, MigrationFailure } from './failure.ts';
import { jsonLine, onOneLine } from './on-one-line.ts';

type Io = Pick<CommandIo, 'stdout' | 'stderr' | 'findDatabase'>;
type Options = NonNullable<ParseArgsConfig['options']>;

export const flag = { type: 'boolean', default: false } as const;
export const text = { type: 'string' } as const;

/** Every step has these. */
export const sharedOptions = { from: text, to: text, apply: flag, json: flag, help: flag } as const;

/**
 * A step's options, as they were given.
 *
 * @param step its name, as `migrate users`
 */
export function parseStep<const T extends Options>(step: string, args: string[], options: T) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    // What is no option could be a URL with its password: it is not repeated.
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL' ? 'Every URL belongs to an option' : message;
    throw new MigrationFailure('usage', `${reason}. See gatehouse ${step} --help.`);
  }
}

/**
 * The two databases, with a warning for each that somebody on the way could read.
 *
 * @param what what moves, as a sentence names it: "the users are"
 */
export async function bothSides(
  { from, to }: { from?: string | undefined; to?: string | undefined },
  io: Io,
  what: string,
): Promise<{ source: Connection; target: Connection }> {
  const source = sourceSide({ from }, io, what);
  return { source, target: await targetSide({ to }, io, 'Say where they go') };
}

/** The database that is left, with a warning where somebody on the way could read. */
export function sourceSide({ from }: { from?: string | undefined }, io: Io, what: string): Connection {
  if (!from) throw new MigrationFailure('usage', `Say where ${what}: --from postgres://…`);
  const source = connection('--from', from);
  warn(source, io);
  return source;
}

/**
 * The database of gatehouse, with a warning where somebody on the way could read.
 *
 * @param demand what to say where there is none
 */
export async function targetSide({ to }: { to?: string | undefined }, io: Io, demand: string): Promise<Connection> {
  const target = await findTarget({ to }, io);
  if (!target) throw new MigrationFailure('usage', `${demand}: --to postgres://… or DATABASE_URL.`);
  return target;
}

/** The same, or undefined where there is none. */
export async function findTarget({ to }: { to?: string | undefined }, io: Io): Promise<Connection | undefined> {
  const target = to ? connection('--to', to) : await io.findDatabase();
  if (target) warn(target, io);
  return target;
}

function warn({ weakness }: Connection, { stderr }: Pick<Io, 'stderr'>): void {
  if (weakness) stderr.write(`warning: ${weakness}\n`);
}

/** The URL itself is never shown: it holds a password. */
function connection(option: string, url: string): Connection {
  try {
    return connectionFromUrl(url);
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    throw new MigrationFailure('usage', `${option} must be ${error.message}.`);
  }
}

/** Runs a step and resolves to its exit code; what stopped it is said in one sentence. */
export async function runStep(io: Io, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MigrationFailure || error instanceof CommandFailure)) throw error;
    if (error instanceof CommandFailure) {
      io.stderr.write(`${error.message}\n`);
      return error.exitCode;
    }
    io.stderr.write(`${onOneLine(error.message)}\n`);
    return exitCodes[error.kind];
  }
}

/** One JSON object per line, as things happen. */
export const jsonLines = (io: Pick<Io, 'stdout'>) => (event: object) => io.stdout.write(`${jsonLine(event)}\n`);
