/** `gatehouse backup run`, `verify`, `list`: what is said to be whole is whole, and what is said to be proven was restored. */
import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, watch, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { encrypt } from '../../src/backup/age.ts';
import { openDefinitions, writeDefinitions } from '../../src/backup/definitions.ts';
import { type Manifest, signed } from '../../src/backup/manifest.ts';
import type { TestDatabase } from '../harness/postgres.ts';
import { endPrograms, startCommand } from '../harness/program.ts';
import { startServer } from '../harness/server.ts';
import { IDENTITY, keyOf, OTHER_IDENTITY, openPortal, type Portal, refuseAtCommit } from './harness.ts';

let portal: Portal;
let database: TestDatabase;
let directory: string;
let copied: { id: string; copy: string } | undefined;

beforeAll(async () => {
  portal = await openPortal();
  ({ database, directory } = portal);
});
afterAll(async () => {
  await portal.end();
  if (copied) await rm(copied.copy, { recursive: true, force: true });
});
afterEach(endPrograms);
beforeEach(async () => {
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true, force: true });
  await portal.newEvents();
});

const scratch = () => ['--scratch', portal.server];
const stored = () => readdir(directory);

async function make(): Promise<string> {
  const { code, stdout } = await portal.gatehouse(['run', '--json']);
  expect(code).toBe(0);
  return JSON.parse(stdout).id;
}

/** One of the same for many tests: making it is not what they are about. */
async function aBackup(): Promise<string> {
  if (!copied) {
    copied = { id: await make(), copy: await mkdtemp(join(tmpdir(), 'gatehouse-backup-copy-')) };
    await cp(join(directory, copied.id), copied.copy, { recursive: true });
    await portal.newEvents();
  }
  await cp(copied.copy, join(directory, copied.id), { recursive: true });
  return copied.id;
}

async function manifestOf(id: string): Promise<{ statement: Manifest; hmac: string }> {
  return JSON.parse(await readFile(join(directory, id, 'manifest.json'), 'utf8'));
}

/** What the cluster has beside this file's own things. */
async function clusterOf() {
  const { rows } = await database.pool.query(
    `select array(select rolname::text from pg_roles order by 1) as roles,
            array(select datname::text from pg_database where datname like 'gatehouse_verify%') as scratch`,
  );
  return rows[0];
}

describe('a backup', () => {
  it('is made, shown as unproven, restored, found equal, and shown as proven, all of it on record', async () => {
    const ran = await portal.gatehouse(['run']);
    const [, id = ''] = /^backup (\S+) of test_\w+, as it was at /.exec(ran.stdout) ?? [];
    expect([ran.code, ran.stderr]).toEqual([0, '']);
    expect(ran.stdout).toMatch(/encrypted \(.* before\), \d+ rows of \d+ tables, in [\d.]+ s$/m);

    const before = await portal.gatehouse(['list']);
    expect(before.code).toBe(7);
    expect(before.stdout).toMatch(/^No backup is proven by a restore/);

    const proven = await portal.gatehouse(['verify', ...scratch()]);
    expect(proven).toMatchObject({ code: 0, stderr: '' });
    expect(proven.stdout).toMatch(
      new RegExp(`^proven: backup ${id} was restored: \\d+ rows of \\d+ tables, \\d+ sequences, 1 large objects`),
    );

    const after = await portal.gatehouse(['list', '--json']);
    const { newest_proven, overdue, backups } = JSON.parse(after.stdout);
    expect([after.code, overdue, newest_proven.id, backups.length]).toEqual([0, false, id, 1]);
    expect(backups[0]).toMatchObject({ kind: 'dump', kept: false, flaw: null, proof: { verdict: 'equal' } });

    const { statement } = await manifestOf(id);
    expect(await portal.newEvents()).toMatchObject([
      {
        action: 'backup_finished',
        outcome: 'success',
        path: 'backup run',
        details: { id, sha256: statement.dump.sha256, key_id: keyOf(IDENTITY).recipient },
      },
      { action: 'backup_verified', outcome: 'success', path: 'backup verify', details: { id, differences: [] } },
    ]);
  });

  it('is proven on a PostgreSQL that is started for it, with roles that are missing there, and none of it is left', async () => {
    const id = await make();
    const { code, stdout, stderr } = await portal.gatehouse(['verify', id, '--json']);
    expect([code, stderr]).toEqual([0, '']);
    const proof = JSON.parse(stdout);
    expect(proof).toMatchObject({ id, verdict: 'equal', differences: [] });
    expect(proof.scratch).toMatch(/started for it$/);
    expect((await manifestOf(id)).statement.roles.map(({ name }) => name)).toContain('gatehouse_app');
  });

  it('is for the eyes of its owner, whole in its file, and nothing in it is in the clear', async () => {
    const id = await make();
    const { statement } = await manifestOf(id);
    const file = await readFile(join(directory, id, 'database.dump.age'));
    expect(createHash('sha256').update(file).digest('hex')).toBe(statement.dump.sha256);
    expect([file.length, file.subarray(0, 22).toString()]).toEqual([statement.dump.bytes, 'age-encryption.org/v1\n']);
    for (const name of await readdir(join(directory, id))) {
      expect((await stat(join(directory, id, name))).mode & 0o077).toBe(0);
      expect(await readFile(join(directory, id, name), 'latin1')).not.toMatch(/PGDMP|AGE-SECRET|Client Files.*COLE/);
    }
    expect(await stored()).toEqual([id]);
  });

  it('holds what was committed at its snapshot, and is compared with that and not with what came later', async () => {
    const id = await make();
    await database.pool.query(`insert into public.measured values ('2026-06-06', 6)`);
    expect((await portal.gatehouse(['verify', id, ...scratch()])).code).toBe(0);
  });

  it('is of one moment, whatever is committed while it is made', async () => {
    const blocker = await database.pool.connect();
    await blocker.query('begin; lock table public.parent');
    const making = make();
    const waiting = `select from pg_locks where not granted and relation = 'public.parent'::regclass`;
    while ((await database.pool.query(waiting)).rows.length === 0);
    await database.pool.query(`insert into public.measured values ('2026-07-07', 7)`);
    await blocker.query('rollback');
    blocker.release();
    const id = await making;
    const { stdout } = await portal.gatehouse(['verify', id, '--json', ...scratch()]);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'equal', differences: [] });
  });

  it('goes back into a newer PostgreSQL, with definitions whose words are reserved there', async () => {
    const reserved = `create table public."json" ("text" text check ("text" in ('a', 'b')));
      create function public.of_json("json" text) returns table ("value" text) language sql as 'select $1';
      create view public.json_texts as select "text" from public."json" where "text" is not null`;
    await database.pool.query(reserved);
    const newest = await startServer(18);
    try {
      const { code, stdout } = await portal.gatehouse(['verify', await make(), '--scratch', newest.url]);
      expect(stdout).toMatch(/^proven: .* and what the schemas are made of are equal\nrestored in .*\(PostgreSQL 18/m);
      expect(code).toBe(0);
    } finally {
      await newest.stop();
      await database.pool.query('drop table public."json" cascade; drop function public.of_json');
    }
  });

  it('of the version before is proven by its rows, and what cannot be compared is said', async () => {
    const id = await aBackup();
    const { statement } = await manifestOf(id);
    const { definitions, contents, ...rest } = statement;
    expect(definitions).toMatchObject({ file: 'definitions.json.gz.age' });
    await rm(join(directory, id, 'definitions.json.gz.age'));
    const before = { ...rest, contents: { ...contents, kinds: { tables: { count: 7, hash: '1' } } } };
    await writeFile(join(directory, id, 'manifest.json'), signed(before as Manifest, keyOf(IDENTITY)));
    const { code, stdout } = await portal.gatehouse(['verify', id, ...scratch()]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^proven: backup \S+ was restored: .* large objects are equal$/m);
    expect(stdout).toMatch(
      /^ {2}what the schemas are made of: the version that made this backup recorded it in a form/m,
    );
  });

  it('leaves neither database nor role on a server that it was restored to', async () => {
    await database.pool.query('create role of_another_server');
    const id = await make();
    await database.pool.query('drop role of_another_server');
    // As a run that was killed leaves it.
    await database.pool.query('create database gatehouse_verify_abandoned');
    const before = await clusterOf();
    expect((await portal.gatehouse(['verify', id, ...scratch()])).code).toBe(0);
    expect(await clusterOf()).toEqual({ roles: before.roles, scratch: [] });
  });
});

it('a verification that is ended leaves nothing in the clear', async () => {
  await aBackup();
  const temporary = await mkdtemp(join(tmpdir(), 'gatehouse-tmp-'));
  await chmod(temporary, 0o711);
  const command = startCommand(['backup', 'verify'], { ...portal.env, TMPDIR: temporary });
  // Beside the three that every cluster has, there is a database.
  const holdsDatabase = async () => {
    const [name = ''] = await readdir(temporary);
    return (await readdir(join(temporary, name, 'data/base')).catch(() => [])).length > 3;
  };
  while (!(await holdsDatabase()));
  command.kill('SIGTERM');
  expect(await command.ended).toEqual({ code: 143, signal: null });
  expect(await readdir(temporary)).toEqual([]);
  await rm(temporary, { recursive: true });
});

describe('not proven is', () => {
  const file = (id: string) => join(directory, id, 'database.dump.age');

  async function unproven(id: string) {
    const { code, stdout } = await portal.gatehouse(['verify', id, ...scratch()]);
    const [event] = await portal.newEvents();
    expect([code, event]).toMatchObject([6, { action: 'backup_verified', outcome: 'failure', details: { id } }]);
    const listed = await portal.gatehouse(['list']);
    expect([listed.code, listed.stdout]).toEqual([7, expect.stringMatching(/^No backup is proven by a restore/)]);
    return stdout;
  }

  it('a file with one byte changed', async () => {
    const id = await aBackup();
    const bytes = await readFile(file(id));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(file(id), bytes);
    expect(await unproven(id)).toMatch(/^ {2}database\.dump\.age is not what was written: it was damaged or changed$/m);
  });

  it('a file that was cut short', async () => {
    const id = await aBackup();
    const { size } = await stat(file(id));
    await truncate(file(id), size - 100);
    expect(await unproven(id)).toMatch(/has \d+ bytes instead of \d+: it was cut short or written over$/m);
    expect((await portal.gatehouse(['list'])).stdout).toContain('NOT USABLE: its file is not as long as it was');
  });

  it('a file that is gone', async () => {
    const id = await aBackup();
    await rm(file(id));
    expect(await unproven(id)).toMatch(/^ {2}database\.dump\.age is missing$/m);
  });

  // Anybody who knows the public key can encrypt; what is restored runs as a superuser.
  it('a file that somebody else encrypted for the same key: it is not even restored', async () => {
    const id = await aBackup();
    const { dump } = (await manifestOf(id)).statement;
    const forged = await Readable.from(
      encrypt(Readable.from([Buffer.alloc(dump.plain_bytes)]), keyOf(IDENTITY)),
    ).toArray();
    await writeFile(file(id), Buffer.concat(forged).subarray(0, dump.bytes));
    expect(await unproven(id)).toMatch(/^found out in [\d.]+ s \(not restored\)$/m);
  });

  it('a restore that does not have what was recorded: rows, values, sequences and objects are named', async () => {
    const id = await aBackup();
    const { statement } = await manifestOf(id);
    const { tables, sequences } = statement.contents;
    const account = '"Client Files"."Account"';
    tables[account] = { count: 4, hash: tables[account]?.hash ?? '' };
    tables['public.parent'] = { count: tables['public.parent']?.count ?? 0, hash: '1' };
    tables['public.gone'] = { count: 0, hash: '0' };
    sequences['public.invoice_number'] = '101, used';
    await writeFile(join(directory, id, 'manifest.json'), signed(statement, keyOf(IDENTITY)));
    const said = await unproven(id);
    for (const sentence of [
      `${account} has 3 rows instead of 4`,
      'public.parent has as many rows, and not the same',
      'table public.gone is missing',
      'sequence public.invoice_number is at 100, used instead of 101, used',
    ]) {
      expect(said).toContain(`  ${sentence}\n`);
    }
  });

  it('a restore with another expression, right, owner or body than was recorded: what is named, and no word of it is said', async () => {
    const id = await aBackup();
    const { statement } = await manifestOf(id);
    const definitions = await openDefinitions(join(directory, id), [keyOf(IDENTITY)]);
    const was = (key: string, fact: string) => {
      const object = definitions.objects.get(key);
      expect(object?.facts, key).toHaveProperty(fact);
      Object.assign(object?.facts ?? {}, { [fact]: 'do-not-show-this' });
    };
    was('column "Client Files"."Account".risk', 'default');
    was('column "Client Files"."Account".lower_name', 'generated');
    was('constraint "Account_name_check" on "Client Files"."Account"', 'definition');
    was('policy own on "Client Files"."Account"', 'using');
    was('view public.names', 'definition');
    was('materialized view public.totals', 'definition');
    was('index public.measured_high', 'predicate');
    was('function public.touch()', 'body');
    was('trigger touched on "Client Files"."Account"', 'definition');
    was('type public.iban', 'definition');
    was('table public.parent', 'comment');
    was('table public.nothing', 'owner');
    (definitions.objects as Map<string, unknown>).delete('function public.on_ddl()');
    statement.definitions = await writeDefinitions(join(directory, id), definitions, keyOf(IDENTITY));
    await writeFile(join(directory, id, 'manifest.json'), signed(statement, keyOf(IDENTITY)));
    const said = await unproven(id);
    expect(said.match(/^ {2}\S.* (?:is not as it was: .*|was not there)$/gm)?.map((line) => line.trim())).toEqual([
      'type public.iban is not as it was: definition',
      'function public.touch() is not as it was: body',
      'table public.nothing is not as it was: owner',
      'table public.parent is not as it was: comment',
      'view public.names is not as it was: query',
      'materialized view public.totals is not as it was: query',
      'column "Client Files"."Account".lower_name is not as it was: GENERATED',
      'column "Client Files"."Account".risk is not as it was: default',
      'constraint "Account_name_check" on "Client Files"."Account" is not as it was: definition',
      'index public.measured_high is not as it was: predicate',
      'trigger touched on "Client Files"."Account" is not as it was: definition',
      'policy own on "Client Files"."Account" is not as it was: USING',
      'function public.on_ddl() was not there',
    ]);
    expect(said + (await readFile(join(directory, id, 'proof.json'), 'utf8'))).not.toMatch(/do-not-show-this|ÉCOLE/);
  });

  it('a backup whose definitions are not what was written', async () => {
    const id = await aBackup();
    const path = join(directory, id, 'definitions.json.gz.age');
    const bytes = await readFile(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(path, bytes);
    expect(await unproven(id)).toMatch(
      /^ {2}definitions\.json\.gz\.age is not what was written: it was damaged or changed$/m,
    );
    await rm(path);
    expect(await unproven(id)).toMatch(/^ {2}definitions\.json\.gz\.age is missing$/m);
  });

  it('a dump that cannot be restored: why is said, and nothing of a row', async () => {
    await database.pool.query('create role of_this_dump; create schema gone authorization of_this_dump');
    const id = await make();
    await portal.newEvents();
    await database.pool.query('drop schema gone; drop role of_this_dump');
    const { statement } = await manifestOf(id);
    statement.roles = statement.roles.filter(({ name }) => name !== 'of_this_dump');
    await writeFile(join(directory, id, 'manifest.json'), signed(statement, keyOf(IDENTITY)));
    expect(await unproven(id)).toMatch(
      /^ {2}pg_restore: could not execute query: ERROR: {2}role "of_this_dump" does not exist$/m,
    );
  });

  it('a backup whose manifest somebody changed, and its proof says nothing about another one', async () => {
    const [id, other] = [await aBackup(), await make()];
    await portal.gatehouse(['verify', id, ...scratch()]);
    const path = join(directory, id, 'manifest.json');
    const proof = await readFile(join(directory, id, 'proof.json'), 'utf8');
    await writeFile(join(directory, other, 'proof.json'), proof);
    await writeFile(path, (await readFile(path, 'utf8')).replace(/"rows?"|"count": 3/, '"count": 4'));

    const { code, stderr } = await portal.gatehouse(['verify', id, ...scratch()]);
    expect([code, stderr]).toEqual([
      6,
      `The manifest of backup ${id} is not what was written: do not trust this backup.\n`,
    ]);
    const listed = await portal.gatehouse(['list', '--json']);
    const { newest_proven, backups } = JSON.parse(listed.stdout);
    expect([listed.code, newest_proven]).toEqual([7, null]);
    expect(backups).toMatchObject([{ id: [id, other].sort()[1] }, { id: [id, other].sort()[0] }]);
    const flaws = new Map(backups.map((backup: { id: string; flaw: string }) => [backup.id, backup.flaw]));
    expect([flaws.get(id), flaws.get(other)]).toEqual(['its manifest is not what was written', null]);
  });

  it('older than the settings allow: the list ends with exit code 7', async () => {
    const id = await aBackup();
    await portal.gatehouse(['verify', id, ...scratch()]);
    const inDays = (days: number) => new Date(Date.now() + days * 24 * 3600 * 1000);
    const env = { GATEHOUSE_BACKUP_MAX_DAYS_UNPROVEN: '2' };
    expect((await portal.gatehouse(['list'], { env, now: inDays(1.9) })).code).toBe(0);
    const late = await portal.gatehouse(['list'], { env, now: inDays(2.1) });
    expect([late.code, late.stdout]).toEqual([
      7,
      expect.stringMatching(/^Newest backup proven by a restore: 2 days old/),
    ]);
  });
});

describe('a backup is not made, in a sentence, and nothing is left', () => {
  it('without a key, without a directory, with a mistyped key', async () => {
    for (const [variable, value, sentence] of [
      ['GATEHOUSE_BACKUP_KEY', '', /^GATEHOUSE_BACKUP_KEY is not set, and a backup is never in the clear: /],
      ['GATEHOUSE_BACKUP_DIRECTORY', '', /^GATEHOUSE_BACKUP_DIRECTORY is not set: /],
      ['GATEHOUSE_BACKUP_KEY', IDENTITY.replace('NKD', 'NKN'), /^GATEHOUSE_BACKUP_KEY holds a line that was mistyped/],
    ] as const) {
      const { code, stderr } = await portal.gatehouse(['run'], { env: { [variable]: value } });
      expect([code, stderr]).toEqual([2, expect.stringMatching(sentence)]);
      expect(stderr).not.toContain('AGE-SECRET');
    }
    expect(await stored()).toEqual([]);
  });

  it('in a directory that cannot be one', async () => {
    const { code, stderr } = await portal.gatehouse(['run'], {
      env: { GATEHOUSE_BACKUP_DIRECTORY: '/dev/null/backups' },
    });
    expect([code, stderr]).toEqual([
      5,
      '/dev/null/backups cannot be used for backups (ENOTDIR): set GATEHOUSE_BACKUP_DIRECTORY to a directory that this account may write.\n',
    ]);
  });

  it('when pg_dump may not read everything', async () => {
    const url = new URL(database.url);
    [url.username, url.password] = ['backup_of_this_test', 'x'];
    await database.pool.query(`create role backup_of_this_test login password 'x' in role gatehouse_app`);
    try {
      const { code, stderr } = await portal.gatehouse(['run'], { env: { DATABASE_URL: url.href } });
      expect([code, stderr]).toEqual([
        5,
        expect.stringMatching(
          /^pg_dump could not read the database: .*permission denied .*\. docs\/backups\.md has the rights that a role needs\.\n$/,
        ),
      ]);
      expect(await stored()).toEqual([]);
      expect(await portal.newEvents()).toMatchObject([
        { action: 'backup_failed', outcome: 'failure', reason: stderr.trimEnd(), path: 'backup run' },
      ]);
    } finally {
      await database.pool.query('drop role backup_of_this_test');
    }
  });

  it('while another one is made', async () => {
    const client = await database.pool.connect();
    await client.query('select pg_advisory_lock(7246830532)');
    const { code, stderr } = await portal.gatehouse(['run']);
    client.release(true);
    expect([code, stderr]).toEqual([8, expect.stringMatching(/^Another backup of this database is being made/)]);
  });

  it('when that cannot be put on record', async () => {
    const end = await refuseAtCommit(database, 'backup_finished');
    await expect(portal.gatehouse(['run'])).rejects.toThrow('refused');
    await end();
    expect(await stored()).toEqual([]);
  });

  it('when it is killed: what it leaves is no backup, and the next run removes it', async () => {
    const blocker = await database.pool.connect();
    await blocker.query('begin; lock table public.parent');
    const changes = watch(directory);
    const command = startCommand(['backup', 'run'], portal.env);
    for await (const { filename } of changes) if (filename?.startsWith('.partial-')) break;
    command.kill('SIGKILL');
    await command.ended;
    await blocker.query('rollback');
    blocker.release();

    expect(await stored()).toEqual([expect.stringMatching(/^\.partial-/)]);
    expect((await portal.gatehouse(['list'])).stdout).toBe('There are no backups yet: gatehouse backup run.\n');
    // The dump that waited for the lock ends by itself, once nobody reads it.
    const id = await make();
    expect(await stored()).toEqual([id]);
  });
});

describe('refused is', () => {
  it('to verify with another key, which says nothing about the backup', async () => {
    const id = await aBackup();
    await portal.newEvents();
    const { code, stderr } = await portal.gatehouse(['verify', id, ...scratch()], {
      env: { GATEHOUSE_BACKUP_KEY: OTHER_IDENTITY },
    });
    expect([code, stderr]).toEqual([
      3,
      `Backup ${id} was made with the key ${keyOf(IDENTITY).recipient}, which is not in GATEHOUSE_BACKUP_KEY: add the line that belongs to it.\n`,
    ]);
    expect(await portal.newEvents()).toEqual([]);
    const both = { env: { GATEHOUSE_BACKUP_KEY: `${OTHER_IDENTITY}\n${IDENTITY}` } };
    expect((await portal.gatehouse(['verify', id, ...scratch()], both)).code).toBe(0);
  });

  it('a backup that there is not', async () => {
    expect(await portal.gatehouse(['verify', ...scratch()])).toMatchObject({
      code: 3,
      stderr: `There is no backup in ${directory}.\n`,
    });
    await aBackup();
    expect((await portal.gatehouse(['verify', '../etc', ...scratch()])).code).toBe(3);
  });

  it('a scratch server that cannot be one, without its password', async () => {
    await aBackup();
    for (const [url, code, sentence] of [
      ['mysql://root:geheim@db/x', 2, /^--scratch must be postgresql:/],
      ['postgres://root:geheim@127.0.0.1:1/x', 5, /^PostgreSQL at 127\.0\.0\.1:1 cannot be reached \(ECONNREFUSED\)/],
    ] as const) {
      const ran = await portal.gatehouse(['verify', '--scratch', url]);
      expect([ran.code, ran.stderr]).toEqual([code, expect.stringMatching(sentence)]);
      expect(ran.stderr).not.toContain('geheim');
    }
    const { code, stderr } = await portal.gatehouse(['verify'], {
      env: { GATEHOUSE_BACKUP_SCRATCH_URL: 'http://x:geheim@y' },
    });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^GATEHOUSE_BACKUP_SCRATCH_URL must be postgresql:(?!.*geheim)/),
    ]);
  });

  it('a scratch server on which another backup is verified', async () => {
    await aBackup();
    const other = new pg.Client(portal.server);
    await other.connect();
    await other.query('select pg_advisory_lock(7246830533)');
    const { code, stderr } = await portal.gatehouse(['verify', ...scratch()]);
    await other.end();
    expect([code, stderr]).toEqual([
      8,
      expect.stringMatching(/^Another backup is being verified on the server of --scratch/),
    ]);
  });

  test.each([[['restore']], [['run', 'x']], [['verify', 'a', 'b']], [['list', '--apply=1']], [['--frob']]])(
    '%j',
    async (args) => {
      const { code, stderr } = await portal.gatehouse(args);
      expect([code, stderr]).toEqual([2, expect.stringMatching(/See gatehouse backup --help\.\n$/)]);
    },
  );
});

it('keygen makes a key that backup takes', async () => {
  const { stdout } = await portal.gatehouse(['keygen'], { env: { GATEHOUSE_BACKUP_KEY: '' } });
  await mkdir(join(directory, 'keys'));
  await writeFile(join(directory, 'keys/key.txt'), stdout);
  const env = { GATEHOUSE_BACKUP_KEY: '', GATEHOUSE_BACKUP_KEY_FILE: join(directory, 'keys/key.txt') };
  const { code, stdout: made } = await portal.gatehouse(['run', '--json'], { env });
  const [, recipient] = /^# public key: (age1\w+)$/m.exec(stdout) ?? [];
  expect([code, (await manifestOf(JSON.parse(made).id)).statement.key_id]).toEqual([0, recipient]);
});
