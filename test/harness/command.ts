/** A command run in this process: what it writes, and the code that it ends with. */
import type { CommandIo } from '../../src/command.ts';

type Streams = Pick<CommandIo, 'stdout' | 'stderr'>;

export async function outcomeOf(command: (streams: Streams) => Promise<number>, { isTTY = false } = {}) {
  let stdout = '';
  let stderr = '';
  const code = await command({
    stdout: { write: (text) => (stdout += text), isTTY },
    stderr: { write: (text) => (stderr += text) },
  });
  return { code, stdout, stderr };
}
