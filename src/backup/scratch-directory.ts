/** Where a backup is restored to as files: in the temporary directory, for as long as a verification takes. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from './alive.ts';

const PREFIX = 'gatehouse-verify-';

/** A new one, for this account alone. Those of verifications that were killed are gone: they hold a database in the clear. */
export async function makeScratchDirectory(): Promise<string> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]);
    // What cannot be removed is another account's.
    if (pid && !isAlive(pid)) await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => {});
  }
  return mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
}
