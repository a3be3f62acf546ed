/**
 * The portal's definitions as pg_dump writes them: one archive of the snapshot, from which pg_restore takes what is wanted by
 * its table of contents. No SQL is rewritten: owners and rights, which name roles, come by themselves (rights.sql.ts).
 */
import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { type PgTools, pgToolEnvironment, runPgTool, stopAtErrors, withoutTimeouts } from '../db/pg-tools.ts';

/** One line of an archive's table of contents. */
export interface Entry {
  /** As pg_restore lists it, and takes it in a list. */
  line: string;
  /** The object's address in the source's catalogue; 0 and 0 for what has none. */
  classid: number;
  objid: number;
  /** What it is, and how it is called, as the line has both in one: `FK CONSTRAINT public people people_fkey`. */
  title: string;
  when: 'before the rows' | 'after the rows';
}

export interface Archive {
  entries: Entry[];
  /** SHA-256 of everything that is defined, hex. */
  hash: string;
  /** The SQL of some entries, in their order, without owners and rights. */
  sqlOf(entries: readonly Entry[]): Promise<string>;
  /** Makes entries at a target, several at once, and resolves when all are there. */
  restore(entries: readonly Entry[], target: pg.ClientConfig, jobs: number, signal: AbortSignal): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface DumpOptions {
  tools: PgTools;
  /** Of the process: its PATH is passed on. */
  env: NodeJS.ProcessEnv;
  application_name: string;
  snapshot: string;
  /** Schemas that are not dumped. */
  leave: readonly string[];
  /** Of the server that the definitions are made on. */
  target_major: number;
  signal: AbortSignal;
}

/** Dumps the definitions of all schemas but some, as they are in the snapshot. */
export async function dumpDefinitions(
  source: pg.ClientConfig,
  { tools, env, application_name, snapshot, leave, target_major, signal }: DumpOptions,
): Promise<Archive> {
  await removeLeft();
  const directory = await mkdtemp(join(tmpdir(), `gatehouse-copy-${process.pid}-`));
  const dispose = () => rm(directory, { recursive: true, force: true });
  try {
    const file = join(directory, 'definitions');
    await using connection = await pgToolEnvironment(source, application_name, env);
    const unwanted = ['--no-subscriptions', '--no-security-labels', '--no-tablespaces', '--no-sync'];
    const left = leave.map((schema) => `--exclude-schema=${patternOf(schema)}`);
    const args = ['--format=custom', '--compress=0', '--schema-only', `--snapshot=${snapshot}`, `--file=${file}`];
    // A word that only the target's PostgreSQL reserves is in quotes already.
    const quoted = '--quote-all-identifiers';
    await runPgTool(tools.pg_dump, [...args, quoted, ...unwanted, ...left], connection.env, { signal });

    // Reading an archive asks no server.
    const read = async (...options: string[]) => {
      const { stdout } = await runPgTool(
        tools.pg_restore,
        [...options, file],
        { PATH: env.PATH, LC_ALL: 'C' },
        { signal },
      );
      return stdout;
    };
    const listOf = async (entries: readonly Entry[]) => {
      const list = join(directory, 'list');
      await writeFile(list, entries.map(({ line }) => line).join('\n'));
      return `--use-list=${list}`;
    };
    const plain = ['--no-owner', '--no-privileges'];
    const early = await read('--list', '--section=pre-data');
    const late = await read('--list', '--section=post-data');
    return {
      entries: [...readList(early, 'before the rows'), ...readList(late, 'after the rows')],
      hash: createHash('sha256')
        .update(definitionsOf(await read('--file=-')))
        .digest('hex'),
      sqlOf: async (entries) =>
        entries.length === 0
          ? ''
          : withoutTimeouts(withoutPsql(await read('--file=-', ...plain, await listOf(entries))), tools),
      restore: async (entries, target, jobs, signal) => {
        if (entries.length === 0) return;
        await using to = await pgToolEnvironment(target, application_name, env);
        const how = [
          ...stopAtErrors(tools, target_major),
          `--jobs=${jobs}`,
          `--dbname=${to.env.PGDATABASE}`,
          await listOf(entries),
        ];
        await runPgTool(tools.pg_restore, [...plain, ...how, file], to.env, { signal });
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Removes what copies have left that were killed: the definitions may say more than others on this machine should read. */
async function removeLeft(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(/^gatehouse-copy-(\d+)-/.exec(name)?.[1]);
    const path = join(tmpdir(), name);
    if (!pid || isAlive(pid) || !(await isOurs(path))) continue;
    await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

/** In a directory of somebody else's, who may exchange what is in it meanwhile, root would remove what that leads to. */
async function isOurs(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === process.getuid?.();
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's, and so not ours to clear away.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A schema's name as pg_dump's patterns know it: quoted, so that it means itself. */
const patternOf = (schema: string) => `"${schema.replaceAll('"', '""')}"`;

// A name may have what JavaScript takes for the end of a line.
const LINE = /^\d+; (\d+) (\d+) (.*)$/s;

function readList(list: string, when: Entry['when']): Entry[] {
  return list.split('\n').flatMap((line) => {
    const [, classid, objid, title] = LINE.exec(line) ?? [];
    return title === undefined ? [] : [{ line, classid: Number(classid), objid: Number(objid), title, when }];
  });
}

/** Newer programs frame their SQL in two commands for psql, each with a key of that run; a server does not know them. */
const withoutPsql = (sql: string) =>
  sql.replace(/^\\restrict \w+$/m, '').replace(/^\\unrestrict \w+$(?![\s\S]*^\\unrestrict)/m, '');

/** What is defined, without what two dumps of the same differ in: numbers and times in comments, keys. */
const definitionsOf = (sql: string) =>
  sql
    .split('\n')
    .filter((line) => !/^(?:--|\\(?:un)?restrict )/.test(line))
    .join('\n');
