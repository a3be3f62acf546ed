/** `npm run rehearse` makes, moves and proves a whole project, and leaves nothing behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

vi.setConfig({ testTimeout: 180_000 });

let TMPDIR: string;
beforeEach(async () => {
  TMPDIR = await mkdtemp(join(tmpdir(), 'gatehouse-rehearse-test-'));
  await chmod(TMPDIR, 0o711);
});
afterEach(() => rm(TMPDIR, { recursive: true, force: true }));

async function rehearse(...args: string[]) {
  const script = join(import.meta.dirname, 'rehearse.ts');
  const child = spawn(process.execPath, [script, ...args], { env: { ...process.env, TMPDIR, FORCE_COLOR: '0' } });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code, stdout, stderr };
}

test('every step holds, with its time, and of all of it only the report stays', async () => {
  const { code, stdout, stderr } = await rehearse('--users', '150', '--out', join(TMPDIR, 'report'));

  expect([code, stderr]).toEqual([0, '']);
  expect([...stdout.matchAll(/^ +✓ (.+?) {2,}.*$/gm)].map(([, step]) => step)).toEqual([
    ...['the project', 'the PostgreSQL', 'scratch database', 'plan', 'copy', 'verify', 'report', 'clean-up'],
  ]);
  expect(stdout).toMatch(/^ {2}Everything held, in [\d.]+ s\./m);
  expect(stdout).not.toContain('\u001b');
  expect(await readdir(TMPDIR)).toEqual(['report']);
  expect(await readdir(join(TMPDIR, 'report'))).toEqual(['migration-report.html', 'migration-report.json']);
});

test('what does not hold is crossed out, and it ends with 1', async () => {
  const { code, stdout, stderr } = await rehearse('--users', '1');

  expect(code).toBe(1);
  expect(stdout).toMatch(/✗ the project\n$/);
  expect(stderr).toMatch(/This is not as promised: a source has at least \d+ users/);
  expect(await readdir(TMPDIR)).toEqual([]);
});
