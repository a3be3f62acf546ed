/** `npm run demo` and `npm run rehearse` tell their whole story, end well only if every line held, and leave nothing behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

vi.setConfig({ testTimeout: 180_000 });

let TMPDIR: string;
beforeEach(async () => {
  TMPDIR = await mkdtemp(join(tmpdir(), 'gatehouse-demo-test-'));
  await chmod(TMPDIR, 0o711);
});
afterEach(() => rm(TMPDIR, { recursive: true, force: true }));

async function run(script: string, ...args: string[]) {
  const file = join(import.meta.dirname, script);
  const child = spawn(process.execPath, [file, ...args], { env: { ...process.env, TMPDIR, FORCE_COLOR: '0' } });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code, stdout, stderr };
}

/** Programs that were started with something in that directory, where there is a /proc to ask. */
async function programsIn(directory: string): Promise<string[]> {
  const processes = await readdir('/proc').catch(() => []);
  const commands = await Promise.all(
    processes
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return commands.filter((command) => command.includes(directory));
}

describe('npm run demo', () => {
  test('every line holds, the audit log has the ten things that were done, and nothing is left behind', async () => {
    const { code, stdout, stderr } = await run('demo.ts', '--users', '200');

    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.match(/✓/g)).toHaveLength(22);
    expect(stdout).toMatch(/^ {2}All 22 lines held, in [\d.]+ s\./m);
    expect([...stdout.matchAll(/^ +[\d:]{8}\.\d{3} {2}(\w+)/gm)].map(([, event]) => event)).toEqual([
      ...['login', 'token_introspected', 'token_refreshed', 'logout', 'token_introspected', 'token_refresh_failed'],
      ...['token_refreshed', 'token_refreshed', 'refresh_token_reused', 'token_refresh_failed'],
    ]);
    expect(stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(stdout).not.toContain('\u001b');
    expect([await readdir(TMPDIR), await programsIn(TMPDIR)]).toEqual([[], []]);
  });

  test('what does not hold is crossed out, the demo ends with 1, and nothing is left behind', async () => {
    const { code, stdout, stderr } = await run('demo.ts', '--users', '1');

    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ schemas, roles, a portal, its users\n$/);
    expect(stderr).toMatch(/This is not as promised: a source has at least \d+ users/);
    expect([await readdir(TMPDIR), await programsIn(TMPDIR)]).toEqual([[], []]);
  });
});

describe('npm run rehearse', () => {
  test('every step holds, with its time, and of all of it only the report stays', async () => {
    const { code, stdout, stderr } = await run('rehearse.ts', '--users', '150', '--out', join(TMPDIR, 'report'));

    expect([code, stderr]).toEqual([0, '']);
    expect([...stdout.matchAll(/^ +✓ (.+?) {2,}.*$/gm)].map(([, step]) => step)).toEqual([
      ...['the project', 'the PostgreSQL', 'scratch database', 'plan', 'copy', 'verify', 'report', 'clean-up'],
    ]);
    expect(stdout).toMatch(/^ {2}Everything held, in [\d.]+ s\./m);
    expect(stdout).not.toContain('\u001b');
    expect([await readdir(TMPDIR), await programsIn(TMPDIR)]).toEqual([['report'], []]);
    expect(await readdir(join(TMPDIR, 'report'))).toEqual(['migration-report.html', 'migration-report.json']);
  });

  test('what does not hold is crossed out, it ends with 1, and nothing is left behind', async () => {
    const { code, stdout, stderr } = await run('rehearse.ts', '--users', '1');

    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ the project\n$/);
    expect(stderr).toMatch(/This is not as promised: a source has at least \d+ users/);
    expect([await readdir(TMPDIR), await programsIn(TMPDIR)]).toEqual([[], []]);
  });
});
