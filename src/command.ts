/** What every command of `gatehouse` is given, and how it ends. */
import { randomUUID } from 'node:crypto';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Actor } from './audit/events.ts';
import type { Connection } from './config/connection.ts';
import type { Secrets } from './config.ts';
import type { Database } from './db/database.ts';
import type { Occasion } from './http/caller.ts';

/** What a command is given instead of the process's own. */
export interface CommandIo {
  stdout: { write(text: string): unknown; isTTY?: boolean };
  stderr: { write(text: string): unknown };
  /** What gatehouse can decrypt. */
  secrets: Pick<Secrets, 'column_keys'>;
  /** Who runs it, for the audit log: the name of the account on this machine. */
  operator: string;
  clock: () => Date;
  /**
   * The database of gatehouse, its schema as this version needs it: the one that the settings name, else the one that
   * `npm start` keeps under `.gatehouse/`, started for the command where it is not running.
   *
   * @throws CommandFailure where there is none, or none that can be used
   */
  openDatabase(): Promise<OpenDatabase>;
  /**
   * How to connect to that database, whose schema is left as it is; undefined where there is none. What is started for the
   * command ends with it.
   *
   * @throws CommandFailure where there is one that cannot be used
   */
  findDatabase(): Promise<Connection | undefined>;
}

export interface OpenDatabase {
  db: Database;
  /** Ends the connections, and what was started for them. */
  close(): Promise<void>;
}

/** Exit codes of a command that has none of its own. */
export const exitCodes = { done: 0, fault: 1, usage: 2, refused: 3, database: 4 } as const;

/** A command that did not happen: one sentence that says what to do, and the exit code that a script can act on. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: number;

  constructor(kind: Exclude<keyof typeof exitCodes, 'done'>, message: string) {
    super(message);
    this.exitCode = exitCodes[kind];
  }
}

/**
 * A command's options, and its other words in order.
 *
 * @param command its name, as `roles`
 * @throws CommandFailure `usage`
 */
export function parseWords<const T extends NonNullable<ParseArgsConfig['options']>>(
  command: string,
  args: string[],
  options: T,
) {
  try {
    return parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    throw misuse(command, mistakeInWords(error));
  }
}

/** Of a sentence that may have its full stop or not. */
export function misuse(command: string, sentence: string): CommandFailure {
  return new CommandFailure('usage', `${sentence.replace(/\.$/, '')}. See gatehouse ${command} --help.`);
}

/** What is wrong with a command's words, without what node says next of words that begin with `-`: no command takes any. */
export function mistakeInWords(error: unknown): string {
  return (error as Error).message.replace(/\. To specify a positional argument .*$/s, '');
}

/** What the audit log says of a command instead of a request: which one, on this machine. */
export function occasionOfCommand(name: string, now: Date, request_id: string = randomUUID()): Occasion {
  const caller = { request_id, ip: '127.0.0.1', user_agent: undefined, method: 'COMMAND', path: name };
  return { caller, now };
}

/** Who runs the command, as the audit log names whoever acts. */
export function operatorOf({ operator }: Pick<CommandIo, 'operator'>): Actor {
  return { role: 'operator', username: operator };
}
