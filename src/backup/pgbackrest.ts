/** pgBackRest as a program: what it is told, and what it answers in JSON. Never a shell. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { z } from 'zod';
import { BackupFailure } from './failure.ts';

export interface Stanza {
  name: string;
  /** Its configuration, where it is not in pgBackRest's usual place. */
  config: string | undefined;
  env: NodeJS.ProcessEnv;
}

const backup = z.object({
  label: z.string(),
  type: z.enum(['full', 'diff', 'incr']),
  error: z.boolean().nullish(),
  annotation: z.record(z.string(), z.string()).optional(),
  database: z.object({ id: z.number(), 'repo-key': z.number() }),
  info: z.object({ size: z.number(), repository: z.object({ delta: z.number().optional() }) }),
  timestamp: z.object({ start: z.number(), stop: z.number() }),
});
const stanzas = z.array(
  z.object({
    name: z.string(),
    cipher: z.string(),
    backup: z.array(backup),
    db: z.array(z.object({ id: z.number(), 'repo-key': z.number(), version: z.string() })),
    status: z.object({ code: z.number(), message: z.string() }),
  }),
);

export type PgBackRestInfo = z.infer<typeof stanzas>[number];
export type PgBackRestBackup = z.infer<typeof backup>;

/** pgBackRest's own number for "unable to acquire lock". */
const LOCKED = 50;

/**
 * What pgBackRest knows of the stanza.
 *
 * @see https://pgbackrest.org/command.html#command-info
 * @throws BackupFailure
 */
export async function readInfo(stanza: Stanza): Promise<PgBackRestInfo> {
  const text = await pgbackrest(stanza, 'info', ['--output=json']);
  const info = answerOf(text)?.find(({ name }) => name === stanza.name);
  if (!info)
    throw new BackupFailure('failed', `pgBackRest says nothing of the stanza ${stanza.name} that we understand.`);
  return info;
}

function answerOf(text: string): PgBackRestInfo[] | undefined {
  try {
    return stanzas.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The backups that pgBackRest would remove, by its own retention. */
export async function listExpiring(stanza: Stanza): Promise<string[]> {
  const said = await pgbackrest(stanza, 'expire', ['--dry-run', '--log-level-console=info']);
  return [...said.matchAll(/remove expired backup (\d{8}-\d{6}F(?:_\d{8}-\d{6}[DI])?)$/gm)].map(
    ([, label = '']) => label,
  );
}

/**
 * Runs one of its commands and resolves to what it wrote.
 *
 * @throws BackupFailure with its first error
 */
export async function pgbackrest(stanza: Stanza, command: string, options: readonly string[]): Promise<string> {
  const { name, config, env } = stanza;
  const quiet = options.some((option) => option.startsWith('--log-level-console')) ? [] : ['--log-level-console=off'];
  const args = [
    ...(config === undefined ? [] : [`--config=${config}`]),
    `--stanza=${name}`,
    '--log-level-stderr=error',
    ...quiet,
    ...options,
    command,
  ];
  // Its variables PGBACKREST_… belong to its configuration.
  const own = Object.entries(env).filter(([variable]) => variable === 'PATH' || variable.startsWith('PGBACKREST_'));
  const child = spawn('pgbackrest', args, { env: Object.fromEntries(own), stdio: ['ignore', 'pipe', 'pipe'] });
  let [said, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (code === 0) return said;
    const reason = /ERROR: (.*)/.exec(errors)?.[1] ?? `it ended with ${code ?? signal}`;
    throw new BackupFailure(
      code === LOCKED ? 'busy' : 'failed',
      `pgBackRest ${command}: ${reason.replace(/[.:]$/, '')}.`,
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new BackupFailure(
      'failed',
      'pgbackrest is not on the PATH: install it (on Debian: pgbackrest), or set GATEHOUSE_BACKUP_DRIVER to pg_dump.',
    );
  }
}
