/** People who come over from Supabase: all of an import against bare copies, and its largest table by itself. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { MigrationEvent } from '../src/migrate/run.ts';
import { createSupabaseSource } from '../test/harness/supabase-source.ts';
import type { Line } from './lines.ts';
import { type Rig, startProcess } from './rig.ts';

const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));

/** Every measurement imports all users into an empty database. */
export async function importLines(rig: Rig, resources: AsyncDisposableStack, users: number): Promise<Line[]> {
  const source = await createSupabaseSource(rig.adminUrl, { users, portal: false });
  resources.defer(source.drop);

  /** Users per second of the seconds that `timed` finds in the process. */
  const measure = async (script: string, argsFor: (target: string) => string[], timed: typeof lifetime) => {
    const target = await rig.freshDatabase();
    await using process_ = new AsyncDisposableStack();
    process_.defer(target.drop);
    const child = startProcess(process_, script, argsFor(target.url), {
      env: { ...process.env, SOURCE_URL: source.url, TARGET_URL: target.url },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    const ended = once(child, 'exit');
    const seconds = timed(child);
    const [code] = await ended;
    if (code !== 0) throw new Error(`${script} ended with exit code ${code}`);
    return users / (await seconds);
  };
  const migrate = (target: string) => ['migrate', 'users', '--from', source.url, '--to', target, '--apply', '--json'];
  const people = `${users.toLocaleString('en-US')} users`;
  return [
    {
      name: 'users imported',
      ceiling: 'bare COPY | COPY',
      explained: `the same rows of the same ${people} from COPY into COPY, the same indexes, which are on, foreign keys off; nothing counted, remembered or proven`,
      target: 0.6,
      measureCeiling: () => measure('bare-copy.ts', () => [], lifetime),
      measureOurs: () => measure(CLI, migrate, lifetime),
    },
    {
      name: 'auth.users filled',
      ceiling: 'COPY, indexes on',
      explained: `auth.users of ${people} from COPY into COPY, its indexes on. Ours is that table's part of an import: its indexes dropped, its rows copied and indexed, while the source sums them up`,
      target: 1.2,
      measureCeiling: () => measure('bare-copy.ts', () => ['users'], between('began', 'copied')),
      measureOurs: () => measure(CLI, migrate, between('started', 'remembering')),
    },
  ];
}

async function lifetime(child: ChildProcess): Promise<number> {
  const began = performance.now();
  child.stdout?.resume();
  await once(child, 'exit');
  return (performance.now() - began) / 1000;
}

type Told = MigrationEvent | { event: 'began' | 'copied' };

/** Seconds between the first lines of JSON that tell of two events. */
function between(first: Told['event'], second: Told['event']): typeof lifetime {
  return async ({ stdout }) => {
    const times = new Map<string, number>();
    if (!stdout) throw new Error('the process has no output');
    for await (const line of createInterface(stdout)) {
      const { event } = JSON.parse(line) as Told;
      if (!times.has(event)) times.set(event, performance.now());
    }
    return ((times.get(second) ?? Number.NaN) - (times.get(first) ?? Number.NaN)) / 1000;
  };
}
