/** Where a backup is restored to as files: in the temporary directory, for as long as a verification takes. */
import { existsSync, lstatSync, mkdtempSync, rmSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from './alive.ts';

const PREFIX = 'gatehouse-verify-';
const ATTEMPTS = 200;
const PAUSE_MS = 50;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface ScratchDirectory {
  path: string;
  remove(): Promise<void>;
}

/**
 * A new one, for this account alone. It holds a database in the clear, so it goes with this process, also when that is told
 * to end; those of processes that were killed are gone.
 */
export async function makeScratchDirectory(): Promise<ScratchDirectory> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]);
    const path = join(tmpdir(), name);
    if (pid && !isAlive(pid) && isOurs(path)) await rm(path, { recursive: true, force: true }).catch(() => {});
  }
  let path: string | undefined;
  const exit = (signal: NodeJS.Signals) => {
    // Last of all that happens at the exit: what runs in there has been told to end by then.
    process.on('exit', () => path && removeNow(path));
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of SIGNALS) process.on(signal, exit);
  const made = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  path = made;
  return {
    path: made,
    remove: async () => {
      for (const signal of SIGNALS) process.off(signal, exit);
      await rm(made, { recursive: true, force: true });
    },
  };
}

/** In a directory of somebody else's, who may exchange what is in it meanwhile, root would remove what that leads to. */
function isOurs(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.getuid?.();
}

/** A server that is ending still writes for a moment: what it makes meanwhile is removed again. */
function removeNow(path: string): void {
  for (let attempt = 1; attempt <= ATTEMPTS && existsSync(path); attempt++) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // Tried again.
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  }
}
