/** A command run in this process: what it is given, what it writes, and the code that it ends with. */
import type { CommandIo } from '../../src/command.ts';
import { connectionFromUrl } from '../../src/config/connection.ts';

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

/** What an operator has whose DATABASE_URL is this. */
export const operatorAt = (url: string) => ({
  operator: 'ops@example.com',
  clock: () => new Date(),
  secrets: { column_keys: new Map<string, Buffer>() },
  env: process.env,
  findDatabase: async () => connectionFromUrl(url),
});
