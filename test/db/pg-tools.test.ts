/** PostgreSQL's programs: found by version, connected by their environment, quoted by their first error. */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findPgTools, PgToolFailed, pgToolEnvironment, runPgTool, stopAtErrors } from '../../src/db/pg-tools.ts';
import { adminUrl } from '../harness/postgres.ts';
import { majorOfTheRun } from '../harness/server.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-tools-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** A directory with programs that say they are of this version. */
async function installation(major: number, programs = ['pg_dump', 'pg_restore']): Promise<string> {
  const bin = join(directory, `${major}-${programs.length}`);
  await mkdir(bin, { recursive: true });
  for (const program of programs) {
    await writeFile(join(bin, program), `#!/bin/sh\necho "${program} (PostgreSQL) ${major}.3 (Debian)"\n`);
    await chmod(join(bin, program), 0o755);
  }
  return bin;
}

test('the oldest installation that can read the server is taken, and only a whole one', async () => {
  const [old, fitting, newer, half] = await Promise.all([
    installation(90),
    installation(92),
    installation(93),
    installation(91, ['pg_dump']),
  ]);
  const PATH = [newer, half, old, fitting].join(':');
  expect(await findPgTools(91, { PATH })).toEqual({
    pg_dump: join(fitting, 'pg_dump'),
    pg_restore: join(fitting, 'pg_restore'),
    major: 92,
  });
});

test('where all are too old, one sentence says what to install', async () => {
  await expect(findPgTools(99, { PATH: await installation(90) })).rejects.toThrow(
    /^pg_dump 90 is too old for a server of PostgreSQL 99: install the client programs of PostgreSQL 99 or newer \(.*\)\.$/,
  );
});

test('a program connects as the URL says, and its password is in its environment alone', async () => {
  const { pg_dump, major } = await findPgTools(15, { PATH: process.env.PATH });
  await using connection = await pgToolEnvironment({ connectionString: adminUrl() }, 'gatehouse test', process.env);
  expect(connection.env).toMatchObject({ PGHOST: '127.0.0.1', PGSSLMODE: 'disable', PGAPPNAME: 'gatehouse test' });
  const dumped = runPgTool(pg_dump, ['--schema-only'], connection.env);
  // One that is too old says so of the server that it has connected to.
  if (major < majorOfTheRun) await expect(dumped).rejects.toThrow(/server version mismatch/);
  else expect((await dumped).stdout).toContain('PostgreSQL database dump complete');
});

test('a program that fails is quoted by its first error', async () => {
  const { pg_dump } = await findPgTools(15, { PATH: process.env.PATH });
  const refused = runPgTool(pg_dump, ['-d', 'x', '-h', '127.0.0.1', '-p', '1'], { LC_ALL: 'C' });
  await expect(refused).rejects.toThrow(PgToolFailed);
  await expect(refused).rejects.toThrow(/^connection to server .* refused/);
});

test('that an older server does not know transaction_timeout is no failure; whatever else is said beside it is', async () => {
  const unknown =
    'pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"';
  const saying = async (...lines: string[]) => {
    const program = join(directory, 'saying');
    const ignored = `pg_restore: warning: errors ignored on restore: ${lines.length}`;
    const script = [...lines, ignored].map((line) => `echo '${line}' >&2`).join('\n');
    await writeFile(program, `#!/bin/sh\n${script}\nexit 1\n`);
    await chmod(program, 0o755);
    return runPgTool(program, [], {});
  };
  await expect(saying(unknown, unknown)).resolves.toMatchObject({ stdout: '' });
  await expect(
    saying(unknown, 'pg_restore: error: could not execute query: ERROR:  relation "x" does not exist', unknown),
  ).rejects.toThrow(/^relation "x" does not exist$/);
  await expect(saying()).rejects.toThrow(PgToolFailed);
  expect([stopAtErrors({ major: 17 }, 16), stopAtErrors({ major: 17 }, 17), stopAtErrors({ major: 16 }, 15)]).toEqual([
    [],
    ['--exit-on-error'],
    ['--exit-on-error'],
  ]);
});

test.each([
  ['verify-full', {}, 'verify-full'],
  ['verify-ca', { ca: 'AUTHORITY', checkServerIdentity: () => undefined }, 'verify-ca'],
  ['require', { rejectUnauthorized: false }, 'require'],
])('TLS is as strict as in node-postgres: %s', async (_, ssl, mode) => {
  const connection = await pgToolEnvironment({ host: 'db.example', ssl }, 'gatehouse test', {});
  expect(connection.env.PGSSLMODE).toBe(mode);
  const { PGSSLROOTCERT: root } = connection.env;
  if (mode === 'require') expect(root).toBeUndefined();
  else expect(await readFile(root ?? '', 'utf8')).toContain('ca' in ssl ? 'AUTHORITY' : 'BEGIN CERTIFICATE');
  await connection[Symbol.asyncDispose]();
  if (root) await expect(readFile(root)).rejects.toThrow(/ENOENT/);
});
