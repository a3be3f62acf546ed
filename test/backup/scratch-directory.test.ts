import { chown, lstat, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { makeScratchDirectory } from '../../src/backup/scratch-directory.ts';

/** Of no process. */
const GONE = 2 ** 31 - 1;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-scratch-'));
  vi.stubEnv('TMPDIR', directory);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true });
});

it('is for this account alone; what killed processes left is gone, and what others put there under their names is not', async () => {
  const [left, foreign, leading] = ['a', 'b', 'c'].map((name) => join(directory, `gatehouse-verify-${GONE}-${name}`));
  await mkdir(left ?? '');
  await symlink(tmpdir(), leading ?? '');
  const isRoot = process.getuid?.() === 0;
  if (isRoot) {
    await mkdir(foreign ?? '');
    await chown(foreign ?? '', 65_534, 65_534);
  }
  const made = await makeScratchDirectory();
  expect((await lstat(made.path)).mode & 0o777).toBe(0o700);
  await expect(lstat(left ?? '')).rejects.toThrow(/ENOENT/);
  for (const stays of [leading, ...(isRoot ? [foreign] : [])]) await lstat(stays ?? '');
  await made.remove();
  await expect(lstat(made.path)).rejects.toThrow(/ENOENT/);
});
