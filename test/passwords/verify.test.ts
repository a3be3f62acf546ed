import { describe, expect, it } from 'vitest';
import type { Argon2Cost, EncodedHash } from '../../src/passwords/encoded-hash.ts';
import { ARGON2_COST } from '../../src/passwords/hash.ts';
import { createHashQueue } from '../../src/passwords/hash-queue.ts';
import { type HashThreads, hashThreads } from '../../src/passwords/hash-threads.ts';
import { createPasswords } from '../../src/passwords/passwords.ts';
import { createTimeFloor } from '../../src/passwords/time-floor.ts';
import { createVerify } from '../../src/passwords/verify.ts';
import vectors from '../vectors/passwords.json' with { type: 'json' };

const cost: Argon2Cost = { memory_kib: 64, passes: 1, lanes: 1 };
const threads = await hashThreads(2);
const passwords = await createPasswords({ concurrency: 2, argon2_cost: cost, refusal_floor_ms: 0 });
const BCRYPT = '$2a$04$LrK5cil7kOBCb1eHxk/SAO9thE5H8JL2StnnMm/kd84vZQmTCpABO';
const PASSWORD = 'correct horse battery';

const DECOMPOSED = 'Zu\u0308rich';
const COMPOSED = 'Z\u00fcrich';

describe('a hash that came over', () => {
  it.each([...vectors.recorded, ...vectors.computed])(
    'is verified as GoTrue does: $about, $matches',
    async ({ encrypted_password, password, matches }) => {
      expect(await passwords.verify(password, encrypted_password)).toEqual({
        matches,
        unreadable: false,
        needsRehash: matches && passwords.needsRehash(encrypted_password),
      });
    },
  );

  it.each([
    ['bcrypt', BCRYPT],
    ['argon2i', '$argon2i$v=19$m=8192,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$62glWt49tzVuQbECZOxRi8PP2PR9En83DYoPXeWBmaw'],
    [
      'argon2id of another cost',
      '$argon2id$v=19$m=8192,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$/Mh1HRMVZ7oQOhbFR1ptcuzOWn9fWG5NuksNT9wRGfM',
    ],
  ])('of %s is to be replaced after a match, and only then', async (_, encrypted_password) => {
    expect(await passwords.verify(PASSWORD, encrypted_password)).toMatchObject({ matches: true, needsRehash: true });
    expect(await passwords.verify('wrong', encrypted_password)).toMatchObject({ matches: false, needsRehash: false });
  });

  // CVE class 38, and measured falls, 9: a cut password opens the account whatever follows.
  it('reads 72 bytes once, and every byte after it was rehashed', async () => {
    const stored = vectors.computed.find(({ about }) => about === 'bcrypt, 72 bytes');
    const typed = `${stored?.password}-and-more`;
    expect(await passwords.verify(typed, stored?.encrypted_password)).toMatchObject({
      matches: true,
      needsRehash: true,
    });
    const rehashed = await passwords.hash(typed);
    expect(await passwords.verify(typed, rehashed)).toMatchObject({ matches: true });
    expect(await passwords.verify(`${stored?.password}-and-else`, rehashed)).toMatchObject({ matches: false });
  });

  it('matches decomposed characters as they were typed then, and both ways once rehashed', async () => {
    const stored = vectors.computed.find(({ about }) => about === 'bcrypt of decomposed characters');
    expect(await passwords.verify(DECOMPOSED, stored?.encrypted_password)).toMatchObject({ matches: true });
    expect(await passwords.verify(COMPOSED, stored?.encrypted_password)).toMatchObject({ matches: false });
    const rehashed = await passwords.hash(DECOMPOSED);
    expect(await passwords.verify(DECOMPOSED, rehashed)).toMatchObject({ matches: true });
    expect(await passwords.verify(COMPOSED, rehashed)).toMatchObject({ matches: true });
  });
});

describe('a password of ours', () => {
  it('is stored as argon2id that GoTrue could verify, and needs no rehash', async () => {
    const encrypted_password = await passwords.hash(PASSWORD);
    expect(encrypted_password).toMatch(/^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(await passwords.verify(PASSWORD, encrypted_password)).toEqual({
      matches: true,
      unreadable: false,
      needsRehash: false,
    });
    expect(await passwords.hash(PASSWORD)).not.toBe(encrypted_password);
  });

  it('costs what OWASP recommends where no other cost is given', async () => {
    const { hash } = await createPasswords({ concurrency: 1, refusal_floor_ms: 0 });
    expect(await hash(PASSWORD)).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(ARGON2_COST).toEqual({ memory_kib: 19_456, passes: 2, lanes: 1 });
  });

  it.each([
    ['a blank more', `${PASSWORD} `],
    ['another case', PASSWORD.toUpperCase()],
    ['a NUL and more', `${PASSWORD}\0x`],
    ['a compatibility form', 'correct horse battery'.replace('c', '\uff43')],
    ['nothing', ''],
  ])('is not matched by %s', async (_, typed) => {
    expect(await passwords.verify(typed, await passwords.hash(PASSWORD))).toMatchObject({ matches: false });
  });

  it('with a lone surrogate is the one with U+FFFD, as GoTrue reads it', async () => {
    const encrypted_password = await passwords.hash('half\ud83e');
    expect(await passwords.verify('half\ud83e', encrypted_password)).toMatchObject({ matches: true });
    expect(await passwords.verify('half\ufffd', encrypted_password)).toMatchObject({ matches: true });
  });

  it('may have 1,024 code points; more are refused for a hash and match nothing', async () => {
    const most = '🦊'.repeat(1024);
    expect(await passwords.verify(most, await passwords.hash(most))).toMatchObject({ matches: true });
    await expect(passwords.hash(`${most}x`)).rejects.toMatchObject({ error_code: 'validation_failed', status: 400 });
    const long = 'p'.repeat(1025);
    const stored = vectors.computed.find(({ about }) => about === 'bcrypt, 72 bytes');
    expect(await passwords.verify(long, stored?.encrypted_password)).toMatchObject({ matches: false });
    expect(await passwords.verify(long, await passwords.hash(''))).toMatchObject({ matches: false });
  });
});

/** A verifier that remembers what it computed and how long it was told to hold a refusal. */
function observed({ budget_ms = Number.POSITIVE_INFINITY, concurrency = 1 } = {}) {
  const hashes: object[] = [];
  const slots: number[] = [];
  const holds: { ms: number; running: number }[] = [];
  const queue = createHashQueue({ concurrency, budget_ms, expected_ms: 1 });
  const recording: HashThreads = {
    ...threads,
    matches(hash, passwords) {
      for (const _ of passwords) hashes.push(costOf(hash));
      slots.push(queue.running);
      return threads.matches(hash, passwords);
    },
  };
  const verify = createVerify({
    queue,
    threads: recording,
    cost,
    floor: createTimeFloor(10_000),
    hold: async (ms) => void holds.push({ ms, running: queue.running }),
  });
  return { verify, queue, hashes, slots, holds };
}

/** Of a hash what decides how long it takes. */
function costOf(hash: EncodedHash): object {
  if (hash.scheme === 'bcrypt' || hash.scheme === 'fbscrypt') return hash;
  const { scheme, memory_kib, passes, lanes, digest } = hash;
  return { scheme, memory_kib, passes, lanes, digest_bytes: digest.length };
}

const OURS = { scheme: 'argon2id', ...cost, digest_bytes: 32 };

// User enumeration by timing (CWE-208): each of these would otherwise answer at once.
describe('an account that no password opens', () => {
  it.each([
    ['does not exist', undefined, false],
    ['has no password', null, false],
    ['has an empty password', '', false],
    ['has a hash of a kind we do not verify', '$1$salt$qJH7.N4xYta3aEG/dfqo/0', true],
    [
      'has a hash that nobody should have to compute',
      '$argon2id$v=19$m=4194304,t=9,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAA',
      true,
    ],
  ])('costs one hash of ours and leaves like a wrong password: it %s', async (_, encrypted_password, unreadable) => {
    const { verify, hashes, holds } = observed();
    expect(await verify(PASSWORD, encrypted_password)).toEqual({ matches: false, unreadable, needsRehash: false });
    expect(hashes).toEqual([OURS]);
    expect(holds).toHaveLength(1);
  });

  it('costs as many hashes as the account with a password would, whatever characters are typed', async () => {
    const encrypted_password = await passwords.hash(PASSWORD);
    for (const typed of [PASSWORD, COMPOSED, DECOMPOSED, 'p'.repeat(2000)]) {
      const known = observed();
      const unknown = observed();
      expect(await known.verify(`${typed}!`, encrypted_password)).toMatchObject({ matches: false });
      expect(await unknown.verify(`${typed}!`, undefined)).toMatchObject({ matches: false });
      expect(unknown.hashes).toEqual(known.hashes);
    }
  });

  it('waits in the same queue and is refused by it alike', async () => {
    const { verify } = observed({ budget_ms: 0.5 });
    const admitted = [verify(PASSWORD, undefined), verify(PASSWORD, BCRYPT)];
    const overload = { error_code: 'service_overloaded', status: 503 };
    await expect(verify(PASSWORD, undefined)).rejects.toMatchObject(overload);
    await expect(verify(PASSWORD, BCRYPT)).rejects.toMatchObject(overload);
    await Promise.all(admitted);
  });
});

describe('a refusal', () => {
  it('is held to the time floor without a slot, bcrypt as argon2', async () => {
    const { verify, holds, queue } = observed();
    await verify('wrong', BCRYPT);
    await verify('wrong', await passwords.hash(PASSWORD));
    for (const { ms, running } of holds) {
      expect(running).toBe(0);
      expect(ms).toBeGreaterThan(10_000); // of the 20,000 that one step has
    }
    expect(queue.running).toBe(0);
  });

  it('alone is held', async () => {
    const { verify, holds } = observed();
    await verify(PASSWORD, BCRYPT);
    expect(holds).toEqual([]);
  });
});

describe('a costly hash that came over', () => {
  it('runs alone when it takes more than 64 MiB', async () => {
    const { verify, slots } = observed({ concurrency: 3 });
    await verify('wrong', `$argon2id$v=19$m=65537,t=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`);
    await verify('wrong', `$argon2id$v=19$m=65536,t=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`);
    expect(slots).toEqual([3, 1]);
  });

  it('takes a slot for each of its threads', async () => {
    const { verify, slots } = observed({ concurrency: 3 });
    await verify('wrong', `$argon2id$v=19$m=64,t=1,p=2$${'A'.repeat(22)}$${'A'.repeat(43)}`);
    await verify('wrong', `$argon2id$v=19$m=128,t=1,p=16$${'A'.repeat(22)}$${'A'.repeat(43)}`);
    expect(slots).toEqual([2, 3]);
  });
});

describe('a verification that is waiting', () => {
  it('is dropped when its signal fires, and never computed', async () => {
    const { verify, hashes } = observed();
    const client = new AbortController();
    const first = verify('wrong', undefined);
    const second = verify('wrong', undefined, client.signal);
    client.abort(new Error('client gone'));
    await expect(second).rejects.toThrow('client gone');
    await first;
    expect(hashes).toHaveLength(1);
  });
});

it.each([
  [
    'of our own cost',
    '$argon2id$v=19$m=64,t=1,p=1$e9hiDS/J1jsTJo9fchBCdg$eDiXcOpaD1IvnAGQhuOf2F1HmRWPmizfTGxX48iSa5w',
    false,
  ],
  [
    'of more memory',
    '$argon2id$v=19$m=128,t=1,p=1$e9hiDS/J1jsTJo9fchBCdg$eDiXcOpaD1IvnAGQhuOf2F1HmRWPmizfTGxX48iSa5w',
    true,
  ],
  [
    'of more passes',
    '$argon2id$v=19$m=64,t=2,p=1$e9hiDS/J1jsTJo9fchBCdg$eDiXcOpaD1IvnAGQhuOf2F1HmRWPmizfTGxX48iSa5w',
    true,
  ],
  ['of argon2i', '$argon2i$v=19$m=64,t=1,p=1$e9hiDS/J1jsTJo9fchBCdg$eDiXcOpaD1IvnAGQhuOf2F1HmRWPmizfTGxX48iSa5w', true],
  ['with a short salt', '$argon2id$v=19$m=64,t=1,p=1$kGkEhhsIvPQ$eDiXcOpaD1IvnAGQhuOf2F1HmRWPmizfTGxX48iSa5w', true],
  ['with a short digest', '$argon2id$v=19$m=64,t=1,p=1$e9hiDS/J1jsTJo9fchBCdg$eDiXcOpaD1IvnAGQ', true],
  ['of bcrypt', BCRYPT, true],
  ['that is none', 'plain text', true],
])('a hash %s is or is not to be replaced at sign-in (case %#)', (_, encrypted_password, replaced) => {
  expect(passwords.needsRehash(encrypted_password)).toBe(replaced);
});
