/** Where a backup is restored to as files: in the temporary directory, for as long as a verification takes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from './alive.ts';

const PREFIX = 'gatehouse-verify-';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface ScratchDirectory {
  path: string;
  remove(): Promise<void>;
}

/**
 * A new one, for this account alone. It holds a database in the clear, so it goes with this process, however that ends;
 * those of processes that were killed are gone.
 */
export async function makeScratchDirectory(): Promise<ScratchDirectory> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]);
    // What cannot be removed is another account's.
    if (pid && !isAlive(pid)) await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => {});
  }
  let path: string | undefined;
  const removeNow = () => path && rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  const exit = (signal: NodeJS.Signals) => process.exit(128 + constants.signals[signal]);
  process.on('exit', removeNow);
  for (const signal of SIGNALS) process.on(signal, exit);
  const made = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  path = made;
  return {
    path: made,
    remove: async () => {
      process.off('exit', removeNow);
      for (const signal of SIGNALS) process.off(signal, exit);
      await rm(made, { recursive: true, force: true });
    },
  };
}
