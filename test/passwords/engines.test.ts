import { argon2 as nodeArgon2 } from 'node:crypto';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type Argon2Input, loadArgon2 } from '../../src/passwords/engines.ts';
import { createPasswords } from '../../src/passwords/passwords.ts';

const fast = await loadArgon2('@node-rs/argon2');
const plain = await loadArgon2('argon2');
const openssl = promisify(nodeArgon2);

const settings = {
  concurrency: 2,
  argon2_cost: { memory_kib: 64, passes: 1, lanes: 1 },
  refusal_floor_ms: 0,
};

describe('the two argon2 packages', () => {
  const inputs: Omit<Argon2Input, 'salt'>[] = [
    { scheme: 'argon2id', memory_kib: 64, passes: 1, lanes: 1, digest_bytes: 32 },
    { scheme: 'argon2id', memory_kib: 128, passes: 3, lanes: 4, digest_bytes: 64 },
    { scheme: 'argon2i', memory_kib: 64, passes: 3, lanes: 1, digest_bytes: 16 },
    { scheme: 'argon2i', memory_kib: 16, passes: 1, lanes: 2, digest_bytes: 4 },
  ];
  it.each(inputs)('and OpenSSL compute the same $scheme m=$memory_kib t=$passes p=$lanes', async (cost) => {
    for (const password of ['', 'correct horse battery', 'nul\0inside', 'Zürich 🦊', 'x'.repeat(5000)]) {
      const message = Buffer.from(password);
      const input = { ...cost, salt: Buffer.from('sixteen bytes of') };
      const expected = await openssl(cost.scheme, {
        message,
        nonce: input.salt,
        parallelism: cost.lanes,
        memory: cost.memory_kib,
        passes: cost.passes,
        tagLength: cost.digest_bytes,
      });
      expect(Buffer.from(await fast.digest(message, input))).toEqual(expected);
      expect(Buffer.from(await plain.digest(message, input))).toEqual(expected);
    }
  });

  it.each([
    [fast.package, plain.package],
    [plain.package, fast.package],
  ])('verify what the other hashed (%s, %s)', async (hashing, verifying) => {
    const encrypted_password = await (await createPasswords({ ...settings, engine: hashing })).hash('Zürich 🦊');
    const other = await createPasswords({ ...settings, engine: verifying });
    expect(other.engine).toBe(verifying);
    expect(await other.verify('Zürich 🦊', encrypted_password)).toMatchObject({ matches: true, needsRehash: false });
    expect(await other.verify('Zürich 🦉', encrypted_password)).toMatchObject({ matches: false });
  });

  it('are tried in the order of their speed', async () => {
    expect((await loadArgon2()).package).toBe('@node-rs/argon2');
  });
});
