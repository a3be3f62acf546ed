/**
 * The ceiling of a portal's move, a process of its own: `pg_dump -Fd -j` into a directory and `pg_restore -j` out of it, and
 * nothing compared. Environment: SOURCE_URL, TARGET_URL.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPgTools, pgToolEnvironment, runPgTool } from '../src/db/pg-tools.ts';

const JOBS = '2';

const { SOURCE_URL, TARGET_URL } = process.env;
const { pg_dump, pg_restore } = await findPgTools(15, process.env);
const directory = await mkdtemp(join(tmpdir(), 'gatehouse-bench-dump-'));
try {
  const dumped = join(directory, 'dump');
  const source = await pgToolEnvironment({ connectionString: SOURCE_URL }, 'bench', process.env);
  await runPgTool(pg_dump, ['-Fd', '-j', JOBS, '-n', 'public', '-f', dumped], source.env);
  const target = await pgToolEnvironment({ connectionString: TARGET_URL }, 'bench', process.env);
  const { PGDATABASE = '' } = target.env;
  await runPgTool(
    pg_restore,
    ['-j', JOBS, '-n', 'public', '--no-owner', '--no-acl', '-d', PGDATABASE, dumped],
    target.env,
  );
} finally {
  await rm(directory, { recursive: true, force: true });
}
