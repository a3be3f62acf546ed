/**
 * What computes hashes: argon2 by one of two packages, bcrypt, and Firebase's scrypt by OpenSSL. All of them work in
 * libuv's thread pool (argon2 with several lanes in threads of its own besides), never on the event loop.
 */
import { createCipheriv, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { verify as verifyBcrypt } from '@node-rs/bcrypt';
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

/** Argon2 version 1.3 (0x13), RFC 9106, without secret and associated data. */
export interface Argon2 {
  readonly package: '@node-rs/argon2' | 'argon2';
  digest(password: Uint8Array, input: Argon2Input): Promise<Uint8Array>;
}

/** The faster package where its binary loads (an optional dependency, three times as fast), else the other. */
export async function loadArgon2(): Promise<Argon2> {
  try {
    return await loadNodeRsArgon2();
  } catch {
    return loadPlainArgon2();
  }
}

/** @throws when the package or its binary for this platform is not installed */
export async function loadNodeRsArgon2(): Promise<Argon2> {
  const { hashRaw } = await import('@node-rs/argon2');
  return {
    package: '@node-rs/argon2',
    digest: (password, { scheme, memory_kib, passes, lanes, salt, digest_bytes }) =>
      hashRaw(password, {
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

export async function loadPlainArgon2(): Promise<Argon2> {
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

/** True when the password's bytes are those that the hash was made of, as far as its format reads them. */
export async function hashMatches(hash: EncodedHash, password: Uint8Array, argon2: Argon2): Promise<boolean> {
  switch (hash.scheme) {
    case 'bcrypt':
      return verifyBcrypt(password.subarray(0, BCRYPT_BYTES), hash.canonical);
    case 'fbscrypt':
      return equal(await firebaseDigest(hash, password), hash.digest);
    default:
      return equal(await argon2.digest(password, { ...hash, digest_bytes: hash.digest.length }), hash.digest);
  }
}

const scryptKey = promisify<Uint8Array, Uint8Array, number, object, Buffer>(scrypt);

/** @see https://github.com/firebase/scrypt */
async function firebaseDigest(hash: FirebaseScryptHash, password: Uint8Array): Promise<Uint8Array> {
  const key = await scryptKey(password, hash.salt, AES_256_KEY_BYTES, {
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
