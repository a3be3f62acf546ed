/**
 * Backups by pgBackRest. In its place stands a program that answers what pgBackRest 2.45 answered (`test/vectors/pgbackrest`) and
 * notes what it was told; restoring needs the real one.
 */
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signed } from '../../src/backup/manifest.ts';
import { IDENTITY, keyOf, openPortal, type Portal } from './harness.ts';

const vectors = join(import.meta.dirname, '../vectors/pgbackrest');
/** Of the recording: the newest, and what its retention no longer has a place for. */
const NEWEST = '20261126-023053F';
const EXPIRING = [
  '20261126-022650F_20261126-023031D',
  '20261126-022650F_20261126-023026I',
  '20261126-022650F_20261126-022904I',
  '20261126-022650F',
  '20261126-022647F',
];
const PROGRAM = `#!/bin/sh
here=$(dirname "$0")
for word in "$@"; do printf '%s\\n' "$word"; done >> "$here/told"
echo --- >> "$here/told"
for command in "$@"; do :; done
if [ -f "$here/$command.error" ]; then cat "$here/$command.error" >&2; exit "$(cat "$here/$command.code")"; fi
case $command in
  info) cat "$here/info.json" ;;
  expire) cat "$here/expire.txt" ;;
esac
`;

let portal: Portal;
let bin: string;
let env: Record<string, string>;

beforeAll(async () => {
  portal = await openPortal();
});
afterAll(() => portal.end());
beforeEach(async () => {
  bin = await mkdtemp(join(tmpdir(), 'gatehouse-pgbackrest-'));
  await writeFile(join(bin, 'pgbackrest'), PROGRAM);
  await chmod(join(bin, 'pgbackrest'), 0o755);
  await cp(join(vectors, 'info-2.45.json'), join(bin, 'info.json'));
  await cp(join(vectors, 'expire-2.45.txt'), join(bin, 'expire.txt'));
  env = {
    PATH: `${bin}:/usr/bin:/bin`,
    GATEHOUSE_BACKUP_DRIVER: 'pgbackrest',
    GATEHOUSE_BACKUP_PGBACKREST_STANZA: 'portal',
    GATEHOUSE_BACKUP_PGBACKREST_CONFIG: '/etc/with blanks/$(id).conf',
    GATEHOUSE_BACKUP_MINIMUM: '2',
  };
  await portal.newEvents();
  return () => rm(bin, { recursive: true });
});

/** The words of each call, in order. */
async function told(): Promise<string[][]> {
  const calls = (await readFile(join(bin, 'told'), 'utf8')).split('---\n').slice(0, -1);
  return calls.map((call) => call.split('\n').slice(0, -1));
}

async function proofOf(label: string, verdict: 'equal' | 'different') {
  const proof = {
    id: label,
    verdict,
    verified_at: '2026-11-26T03:00:00.000Z',
    restore_seconds: 1,
    recovery_point_seconds: 2,
  };
  await writeFile(join(portal.directory, `pgbackrest-${label}.proof.json`), signed(proof as never, keyOf(IDENTITY)));
}

describe('run', () => {
  it('tells pgBackRest to remove nothing and to keep the newest audit event with the backup, and is on record', async () => {
    const { code, stdout } = await portal.gatehouse(['run', '--json'], { env });
    expect([code, JSON.parse(stdout)]).toMatchObject([
      0,
      { id: NEWEST, bytes: expect.any(Number), seconds: expect.any(Number) },
    ]);
    const [, backup] = await told();
    expect(backup?.[0]).toBe('--config=/etc/with blanks/$(id).conf');
    expect(backup).toEqual(expect.arrayContaining(['--stanza=portal', '--no-expire-auto']));
    expect(backup?.at(-1)).toBe('backup');
    expect(await portal.newEvents()).toMatchObject([
      { action: 'backup_finished', outcome: 'success', details: { id: NEWEST, driver: 'pgbackrest', type: 'full' } },
    ]);
    // The first run has noted itself.
    await portal.gatehouse(['run'], { env });
    expect((await told()).at(-2)).toContainEqual(expect.stringMatching(/^--annotation=gatehouse-event=[0-9a-f-]{36}$/));
  });

  it('refuses a repository in the clear, and --keep', async () => {
    const info = (await readFile(join(bin, 'info.json'), 'utf8')).replaceAll('aes-256-cbc', 'none');
    await writeFile(join(bin, 'info.json'), info);
    const { code, stderr } = await portal.gatehouse(['run'], { env });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^The repository of stanza portal is not encrypted/)]);
    expect((await told()).map((words) => words.at(-1))).toEqual(['info']);
    expect((await portal.gatehouse(['run', '--keep'], { env })).code).toBe(2);
    expect((await portal.gatehouse(['list'], { env })).stdout).toContain('NOT USABLE: it is not encrypted');
  });

  it.each([
    [
      55,
      "ERROR: [055]: unable to load info file '/x/backup.info':\n  HINT: has a stanza-create been performed?",
      5,
      /^pgBackRest backup: \[055\]: unable to load info file '\/x\/backup\.info'\.\n$/,
    ],
    [
      50,
      "ERROR: [050]: unable to acquire lock on file '/tmp/portal.lock'",
      8,
      /^pgBackRest backup: \[050\]: unable to acquire lock/,
    ],
  ])(
    'that ends with %i says why, is on record as failed, and exits in our words',
    async (itsCode, error, code, sentence) => {
      await writeFile(join(bin, 'backup.error'), error);
      await writeFile(join(bin, 'backup.code'), String(itsCode));
      const ran = await portal.gatehouse(['run'], { env });
      expect([ran.code, ran.stderr]).toEqual([code, expect.stringMatching(sentence)]);
      expect(await portal.newEvents()).toMatchObject([
        { action: 'backup_failed', outcome: 'failure', reason: ran.stderr.trimEnd() },
      ]);
    },
  );

  it('without pgbackrest, without a stanza, with an answer that is none: a sentence', async () => {
    const nowhere = await portal.gatehouse(['run'], { env: { ...env, PATH: '/nowhere' } });
    expect([nowhere.code, nowhere.stderr]).toEqual([
      5,
      expect.stringMatching(/^pgbackrest is not on the PATH: install it/),
    ]);
    const unnamed = await portal.gatehouse(['run'], { env: { ...env, GATEHOUSE_BACKUP_PGBACKREST_STANZA: '' } });
    expect([unnamed.code, unnamed.stderr]).toEqual([
      2,
      expect.stringMatching(/^GATEHOUSE_BACKUP_PGBACKREST_STANZA is not set/),
    ]);
    await writeFile(join(bin, 'info.json'), '[{"name": "portal"}]');
    const odd = await portal.gatehouse(['list'], { env });
    expect([odd.code, odd.stderr]).toEqual([5, 'pgBackRest says nothing of the stanza portal that we understand.\n']);
  });
});

it('list shows its backups, the newest first, and which of them a restore has proven', async () => {
  await proofOf('20261126-023038F', 'equal');
  await proofOf(NEWEST, 'different');
  const now = new Date('2026-11-26T04:00:00Z');
  const { code, stdout } = await portal.gatehouse(['list', '--json'], { env, now });
  const { newest_proven, backups } = JSON.parse(stdout);
  expect([code, newest_proven.id]).toEqual([0, '20261126-023038F']);
  expect(backups.map(({ id, kind, proof }: Record<string, { verdict: string }>) => [id, kind, proof?.verdict])).toEqual(
    [
      [NEWEST, 'full', 'different'],
      ['20261126-023038F', 'full', 'equal'],
      ['20261126-022650F_20261126-023031D', 'diff', undefined],
      ['20261126-022650F_20261126-023026I', 'incr', undefined],
      ['20261126-022650F_20261126-022904I', 'incr', undefined],
      ['20261126-022650F', 'full', undefined],
      ['20261126-022647F', 'full', undefined],
    ],
  );
  for (const label of ['20261126-023038F', NEWEST]) await rm(join(portal.directory, `pgbackrest-${label}.proof.json`));
});

describe('expire', () => {
  const commands = async () => (await told()).map((words) => [words.at(-1), words.includes('--dry-run')]);

  it('says what pgBackRest would remove, and lets it with --apply, on record', async () => {
    const dry = await portal.gatehouse(['expire', '--json'], { env });
    expect(JSON.parse(dry.stdout)).toMatchObject({
      going: EXPIRING,
      staying: [{ id: NEWEST }, { id: '20261126-023038F' }],
      applied: false,
    });
    expect(await portal.newEvents()).toEqual([]);
    expect((await portal.gatehouse(['expire', '--apply'], { env })).code).toBe(0);
    expect(await commands()).toEqual([
      ['info', false],
      ['expire', true],
      ['info', false],
      ['expire', true],
      ['expire', false],
    ]);
    expect(await portal.newEvents()).toMatchObject([{ action: 'backup_expired', details: { ids: EXPIRING } }]);
  });

  it('lets nothing go that would leave too few, nor the newest that was proven', async () => {
    const few = await portal.gatehouse(['expire', '--apply'], { env: { ...env, GATEHOUSE_BACKUP_MINIMUM: '3' } });
    expect([few.code, few.stderr]).toEqual([
      5,
      expect.stringMatching(/^pgBackRest would leave 2 backups, fewer than GATEHOUSE_BACKUP_MINIMUM \(3\)/),
    ]);
    await proofOf('20261126-022650F', 'equal');
    const proven = await portal.gatehouse(['expire', '--apply'], { env });
    await rm(join(portal.directory, 'pgbackrest-20261126-022650F.proof.json'));
    expect([proven.code, proven.stderr]).toEqual([
      5,
      expect.stringMatching(/^pgBackRest would remove 20261126-022650F, the newest backup that was proven/),
    ]);
    expect((await commands()).filter(([command, dry]) => command === 'expire' && !dry)).toEqual([]);
    expect(await portal.newEvents()).toEqual([]);
  });
});
