/** What a process says: log lines, and before them, to somebody who reads along, a screen. */
import { createLog, type Log, standardOutput } from '../http/log.ts';
import { exitCodes, failureOf } from './start-failure.ts';

export interface Output {
  log: Log;
  screen(text: string): void;
  /** Writes the lines that were held back, and holds back no more. */
  release(): void;
}

/** Lines of the log are held back where a screen is to be read first. */
export function createOutput(level: string, { held: holds }: { held: boolean }): Output {
  const destination = standardOutput();
  let held: string[] | undefined = holds ? [] : undefined;
  const write = (line: string) => (held ? held.push(line) : destination.write(line));
  return {
    log: createLog({ level, destination: { ...destination, write } }),
    screen: (text) => process.stdout.write(text),
    release() {
      for (const line of held ?? []) destination.write(line);
      held = undefined;
    },
  };
}

/** Says on standard error why we end: a sentence, or of a fault that the log has it. Returns the exit code. */
export function complain(error: unknown, log: Log | undefined): number {
  const failure = failureOf(error);
  if (!failure) log?.fatal({ error }, 'fault');
  process.stderr.write(`${failure?.message ?? 'gatehouse ended on a fault of its own: the log has it.'}\n`);
  return exitCodes[failure?.kind ?? 'fault'];
}

/** What nobody caught leaves a process in a state that nobody knows: it ends. */
export function endOnFault(log: Log): void {
  process.on('uncaughtException', async (error) => {
    const exitCode = complain(error, log);
    await log.finish();
    process.exit(exitCode);
  });
}
