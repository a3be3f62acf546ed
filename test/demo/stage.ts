/** Where `npm run demo` and `npm run rehearse` play: a screen, a temporary directory, and whatever has to end with them. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createScreen, type Screen } from './screen.ts';

export interface Stage {
  screen: Screen;
  directory: string;
  /** Ended after the play, and by a signal. */
  ends: AsyncDisposableStack;
  /** Plays, ends everything, and says that it held, given the seconds it took; otherwise what did not, and exit code 1. */
  perform(play: () => Promise<void>, held: (seconds: string) => string): Promise<void>;
}

export async function setStage(name: string): Promise<Stage> {
  const screen = createScreen(process.stdout);
  const began = performance.now();
  const directory = await mkdtemp(join(tmpdir(), `gatehouse-${name}-`));
  // As root the databases are another account's, which has to get through here.
  await chmod(directory, 0o711);
  const ends = new AsyncDisposableStack();
  ends.defer(() => rm(directory, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => ends.disposeAsync().finally(() => process.exit(1)));
  }

  async function perform(play: () => Promise<void>, held: (seconds: string) => string): Promise<void> {
    try {
      await play();
    } catch (error) {
      process.stderr.write(`\n  This is not as promised: ${error instanceof Error ? error.message : error}\n`);
      process.exitCode = 1;
    } finally {
      await ends.disposeAsync();
    }
    if (process.exitCode) return;
    screen.note(held(((performance.now() - began) / 1000).toFixed(1)));
    screen.note('With a project of your own: docs/leaving-supabase.md\n');
  }

  return { screen, directory, ends, perform };
}
