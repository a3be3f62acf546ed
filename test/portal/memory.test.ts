/** How much memory moving a portal takes, of the command as an operator runs it from a checkout: an installed one takes less. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { emptyDatabase } from '../harness/postgres.ts';
import { runCommand } from '../harness/program.ts';
import type { SupabaseSource } from '../harness/supabase-source.ts';
import { createPortalSource } from './portal-source.ts';

const BOUND_MB = 150;

let source: SupabaseSource;
let target: Awaited<ReturnType<typeof emptyDatabase>>;

beforeAll(async () => {
  source = await createPortalSource({ users: 200, portal: 'at scale' });
  target = await emptyDatabase();
}, 180_000);

afterAll(async () => {
  await target?.drop();
  await source?.drop();
});

test('a portal of 550 tables is planned, copied and verified in 150 MB', async () => {
  const peaks = {
    plan: await peakMb('plan'),
    copy: await peakMb('copy', '--apply'),
    verify: await peakMb('verify'),
  };
  const tooMuch = Object.entries(peaks).filter(([, mb]) => mb > BOUND_MB);
  expect(tooMuch).toEqual([]);
}, 300_000);

/** The most that the process of a step held, as Linux counts it; nothing that an earlier start has compiled is at hand. */
async function peakMb(step: string, ...args: string[]): Promise<number> {
  const atExit = `process.on('exit', () => process.stderr.write(fs.readFileSync('/proc/self/status', 'utf8')))`;
  const preload = `data:text/javascript,${encodeURIComponent(`import fs from 'node:fs'; ${atExit}`)}`;
  const { code, stdout, stderr } = await runCommand(
    ['migrate', step, '--from', source.url, '--to', target.url, ...args],
    { NODE_OPTIONS: `--import=${preload}`, NODE_DISABLE_COMPILE_CACHE: '1' },
  );
  expect({ code, stdout: code === 0 ? '' : stdout }).toEqual({ code: 0, stdout: '' });
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(stderr)?.[1]) / 1024;
}
