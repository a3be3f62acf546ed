import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readHash } from '../../src/passwords/encoded-hash.ts';
import type { Argon2Input } from '../../src/passwords/engines.ts';
import { hashThreads } from '../../src/passwords/hash-threads.ts';
import vectors from '../vectors/passwords.json' with { type: 'json' };

const threads = await hashThreads(2);
const password = Buffer.from('correct horse battery');
const input: Argon2Input = {
  scheme: 'argon2id',
  memory_kib: 64,
  passes: 1,
  lanes: 1,
  salt: Buffer.from('sixteen bytes of'),
  digest_bytes: 32,
};

describe('threads that hash', () => {
  it('answer each with what is its own, however many ask at once', async () => {
    const lengths = Array.from({ length: 40 }, (_, n) => n + 4);
    const digests = await Promise.all(
      lengths.map((digest_bytes) => threads.digest(password, { ...input, digest_bytes })),
    );
    expect(digests.map(({ value }) => value.length)).toEqual(lengths);
    for (const { worked_ms } of digests) expect(worked_ms).toBeGreaterThan(0);
  });

  it('try passwords in their order and find the one that matches', async () => {
    const { value } = await threads.digest(password, input);
    const hash = { ...input, scheme: 'argon2id', digest: Buffer.from(value), salt: Buffer.from(input.salt) } as const;
    const matches = async (...typed: string[]) =>
      (
        await threads.matches(
          hash,
          typed.map((text) => Buffer.from(text)),
        )
      ).value;
    expect(await matches('wrong', 'correct horse battery')).toBe(true);
    expect(await matches('wrong', 'wrong too')).toBe(false);
    expect(await matches()).toBe(false);
  });

  it.each(vectors.recorded.filter(({ matches }) => matches))(
    'read what the event loop reads: $about',
    async (stored) => {
      const hash = readHash(stored.encrypted_password);
      if (!hash) throw new Error('a recorded hash is readable');
      expect((await threads.matches(hash, [Buffer.from(stored.password)])).value).toBe(true);
    },
  );

  it('say why a hash could not be made, without the password, and go on', async () => {
    const impossible = { ...input, memory_kib: 1 };
    const failure = await threads.digest(password, impossible).catch((error: Error) => error.message);
    expect(failure).toMatch(/memory/i);
    expect(failure).not.toContain(String(password));
    expect((await threads.digest(password, input)).value).toHaveLength(32);
  });

  it('fail what a thread had when it ended, and put another in its place', async () => {
    const { value } = await threads.digest(password, input);
    const hash = { ...input, scheme: 'argon2id', digest: Buffer.from(value), salt: Buffer.from(input.salt) } as const;
    // More than a thread has room for.
    const tooMany = Array.from({ length: 200_000 }, () => new Uint8Array(1));
    await expect(threads.matches(hash, tooMany)).rejects.toThrow(/memory/);
    const after = await Promise.all(Array.from({ length: 8 }, () => threads.matches(hash, [password])));
    expect(after.map(({ value }) => value)).toEqual(Array(8).fill(true));
  });

  // Linux says of each thread of a process what it is called and how much it gives way.
  describe.runIf(process.platform === 'linux')('on Linux', () => {
    const theirs = () =>
      readdirSync('/proc/self/task')
        .map((id) => readFileSync(`/proc/self/task/${id}/stat`, 'utf8'))
        .filter((stat) => stat.includes(' (hash) '));

    it('are the same ones for whoever asks', async () => {
      await Promise.all([hashThreads(2), hashThreads(1), hashThreads(2)]);
      expect(theirs()).toHaveLength(2);
    });

    it('give way to the event loop, which does not give way', () => {
      const niceness = (stat: string) => Number(stat.split(') ')[1]?.split(' ')[16]);
      const ours = niceness(readFileSync('/proc/self/stat', 'utf8'));
      expect(theirs().map(niceness)).toEqual([ours + 5, ours + 5]);
    });
  });

  it('do not keep a process up that has nothing to hash, and do keep one that has', () => {
    const script = `
      import { hashThreads } from ${JSON.stringify(new URL('../../src/passwords/hash-threads.ts', import.meta.url).href)};
      const threads = await hashThreads(1);
      const input = { scheme: 'argon2id', memory_kib: 64, passes: 1, lanes: 1, salt: new Uint8Array(16), digest_bytes: 32 };
      threads.digest(new Uint8Array(8), input).then(({ value }) => console.log(value.length));`;
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
    });
    expect([status, stdout]).toEqual([0, '32\n']);
  });
});
