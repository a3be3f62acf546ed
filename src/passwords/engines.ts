/**
 * What computes hashes: argon2 by one of two packages, bcrypt, and Firebase's scrypt by OpenSSL. All but the slower package
 * hold the thread that calls them until they are done: `hash-threads.ts` has threads for that, never the event loop.
 */
import { createCipheriv, scryptSync, timingSafeEqual } from 'node:crypto';
import { verifySync as verifyBcrypt } from '@node-rs/bcrypt';
import type { Argon2Cost, EncodedHash, FirebaseScryptHash } from './encoded-hash.ts';

/** bcrypt's key schedule has room for 72 bytes and ignores the rest. */
const BCRYPT_BYTES = 72;
/** OpenSSL counts a little more than the 128·N·r bytes that `readHash` bounds by 128 MiB. */
const SCRYPT_MAXMEM_BYTES = 256 * 1024 * 1024;
const AES_256_KEY_BYTES = 32;

export interface Argon2Input extends Argon2Cost {
  scheme: 'argon2i' | 'argon2id';
  salt: Uint8Array;
  digest_bytes: number;
}

export type Argon2Engine = '@node-rs/argon2' | 'argon2';

/** Argon2 version 1.3 (0x13), RFC 9106, without secret and associated data. */
export interface Argon2 {
  readonly package: Argon2Engine;
  digest(password: Uint8Array, input: Argon2Input): Promise<Uint8Array>;
}

/**
 * The faster package where its binary loads (an optional dependency, three times as fast), else the other.
 *
 * @throws when the one that is asked for, or its binary for this platform, is not installed
 */
export async function loadArgon2(engine?: Argon2Engine): Promise<Argon2> {
  if (engine) return engine === 'argon2' ? loadPlainArgon2() : loadNodeRsArgon2();
  return loadNodeRsArgon2().catch(loadPlainArgon2);
}

async function loadNodeRsArgon2(): Promise<Argon2> {
  const { hashRawSync } = await import('@node-rs/argon2');
  return {
    package: '@node-rs/argon2',
    digest: async (password, { scheme, memory_kib, passes, lanes, salt, digest_bytes }) =>
      hashRawSync(password, {
        algorithm: scheme === 'argon2i' ? 1 : 2,
        version: 1, // its name for 0x13
        memoryCost: memory_kib,
        timeCost: passes,
        parallelism: lanes,
        salt,
        outputLen: digest_bytes,
      }),
  };
}

async function loadPlainArgon2(): Promise<Argon2> {
  const { argon2i, argon2id, hash } = await import('argon2');
  return {
    package: 'argon2',
    digest: (password, { scheme, memory_kib, passes, lanes, salt, digest_bytes }) =>
      hash(Buffer.from(password), {
        raw: true,
        type: scheme === 'argon2i' ? argon2i : argon2id,
        version: 0x13,
        memoryCost: memory_kib,
        timeCost: passes,
        parallelism: lanes,
        salt: Buffer.from(salt),
        hashLength: digest_bytes,
      }),
  };
}

/** Whether one of the passwords, tried in this order, is the one that the hash was made of. */
export async function anyMatches(
  hash: EncodedHash,
  passwords: readonly Uint8Array[],
  argon2: Argon2,
): Promise<boolean> {
  for (const password of passwords) if (await hashMatches(hash, password, argon2)) return true;
  return false;
}

/** True when the password's bytes are those that the hash was made of, as far as its format reads them. */
async function hashMatches(hash: EncodedHash, password: Uint8Array, argon2: Argon2): Promise<boolean> {
  switch (hash.scheme) {
    case 'bcrypt':
      return verifyBcrypt(password.subarray(0, BCRYPT_BYTES), hash.canonical);
    case 'fbscrypt':
      return equal(firebaseDigest(hash, password), hash.digest);
    default:
      return equal(await argon2.digest(password, { ...hash, digest_bytes: hash.digest.length }), hash.digest);
  }
}

/** @see https://github.com/firebase/scrypt */
function firebaseDigest(hash: FirebaseScryptHash, password: Uint8Array): Uint8Array {
  const key = scryptSync(password, hash.salt, AES_256_KEY_BYTES, {
    N: hash.blocks,
    r: hash.block_size,
    p: hash.lanes,
    maxmem: SCRYPT_MAXMEM_BYTES,
  });
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(hash.signer_key);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
