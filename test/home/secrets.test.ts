/** `secrets.env`: made once, whole, and for its owner alone. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HomeUnusable } from '../../src/home/home-unusable.ts';
import { readOrMakeSecrets } from '../../src/home/secrets.ts';

const now = new Date('2026-03-01T12:00:00Z');
let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-secrets-'));
  file = join(directory, 'secrets.env');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

it('are random, long enough, and belong together', async () => {
  const made = await readOrMakeSecrets(file, now);
  expect(Buffer.from(made.secret_key, 'base64url')).toHaveLength(32);
  expect(made.administrator).toEqual({
    email: 'admin@localhost',
    password: expect.stringMatching(/^[a-km-np-z2-9]{24}$/),
  });
  for (const [key, role] of [
    [made.anon_key, 'anon'],
    [made.service_role_key, 'service_role'],
  ] as const) {
    const { payload } = await jwtVerify(key, Buffer.from(made.secret_key), { currentDate: now });
    expect(payload.role).toBe(role);
  }
  await rm(file);
  const other = await readOrMakeSecrets(file, now);
  expect([other.secret_key, other.administrator.password]).not.toContain(made.secret_key);
  expect(other.administrator.password).not.toBe(made.administrator.password);
});

it('are for their owner alone, whatever the umask', async () => {
  const former = process.umask(0);
  await readOrMakeSecrets(file, now);
  process.umask(former);
  expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
});

it('are the same for all of many first starts at once, and nothing else is left', async () => {
  // A turn of the event loop apart, so that each is at another step.
  const all = await Promise.all(
    Array.from({ length: 50 }, async (_, turns) => {
      for (let turn = 0; turn < turns; turn++) await setImmediate();
      return readOrMakeSecrets(file, now);
    }),
  );
  for (const one of all) expect(one).toEqual(all[0]);
  expect(readdirSync(directory)).toEqual(['secrets.env']);
});

it('are variables that a shell reads', async () => {
  const { secret_key, administrator } = await readOrMakeSecrets(file, now);
  const { stdout } = await promisify(execFile)('sh', [
    '-c',
    `. "${file}" && printf '%s %s' "$SECRET_KEY" "$ADMIN_PASSWORD"`,
  ]);
  expect(stdout).toBe(`${secret_key} ${administrator.password}`);
});

describe('that cannot be used are not made anew', () => {
  it.each([
    ['an empty file', () => '', 'SECRET_KEY is missing'],
    [
      'a short key',
      (text: string) => text.replace(/SECRET_KEY=.*/, 'SECRET_KEY=short'),
      'SECRET_KEY is shorter than 32 bytes',
    ],
    ['no password', (text: string) => text.replace(/ADMIN_PASSWORD=.*/, ''), 'ADMIN_PASSWORD is missing'],
    ['no API key', (text: string) => text.replace(/ANON_KEY=.*/, ''), 'ANON_KEY is missing'],
  ])('%s', async (_what, change, why) => {
    await readOrMakeSecrets(file, now);
    const changed = change(readFileSync(file, 'utf8'));
    await writeFile(file, changed);
    const refusal = await readOrMakeSecrets(file, now).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(HomeUnusable);
    expect((refusal as Error).message).toBe(
      `${file} cannot be used: ${why}. Restore it, or move ${directory} away to begin anew.`,
    );
    expect(readFileSync(file, 'utf8')).toBe(changed);
  });

  it('a directory in its place', async () => {
    await expect(readOrMakeSecrets(directory, now)).rejects.toThrow(/cannot be used: it cannot be read \(EISDIR\)/);
  });

  it('a directory that is not there', async () => {
    await expect(readOrMakeSecrets(join(directory, 'no/secrets.env'), now)).rejects.toThrow(
      /it cannot be written \(ENOENT\)/,
    );
  });
});
