/** How a new password is stored, and which stored ones are not stored that way. */
import { randomBytes } from 'node:crypto';
import { type Argon2Cost, type EncodedHash, writeArgon2 } from './encoded-hash.ts';
import type { HashQueue } from './hash-queue.ts';
import type { HashThreads } from './hash-threads.ts';
import { refuseTooLong } from './strength.ts';

/** OWASP's first recommendation and an approved set of ASVS 5.0, appendix C. GoTrue verifies it, should a user go back. */
export const ARGON2_COST: Argon2Cost = { memory_kib: 19_456, passes: 2, lanes: 1 };

/** 128 bits of salt, 256 of digest, as ASVS 5.0 11.4.2 and RFC 9106 §4 advise. */
export const SALT_BYTES = 16;
export const DIGEST_BYTES = 32;

/**
 * The hash to store for a password: argon2id of its NFC form in UTF-8, as a PHC string.
 *
 * NFC, because one keyboard sends "ü" as one code point and another as two (NIST SP 800-63B-4 §3.1.1.2); nothing is
 * trimmed, folded or cut (ASVS 5.0, 6.2.8). A lone surrogate counts as U+FFFD, as GoTrue's JSON decoder reads it.
 *
 * @throws AuthError `validation_failed` for more than 1,024 code points, `service_overloaded` when the queue is full
 */
export async function hashPassword(
  { queue, threads, cost }: { queue: HashQueue; threads: HashThreads; cost: Argon2Cost },
  password: string,
  signal?: AbortSignal,
): Promise<string> {
  refuseTooLong(password);
  const bytes = Buffer.from(password.normalize('NFC'));
  const input = { scheme: 'argon2id', ...cost, salt: randomBytes(SALT_BYTES), digest_bytes: DIGEST_BYTES } as const;
  const { value } = await queue.run(() => threads.digest(bytes, input), { signal, slots: cost.lanes });
  return writeArgon2({ ...input, digest: Buffer.from(value) });
}

/**
 * A hash whose password nobody knows, for an account that is to have one and has none: 256 random bits where the digest of a
 * password would be. It costs nothing to make and as much as any to verify.
 */
export function hashOfNoPassword(): string {
  const [salt, digest] = [randomBytes(SALT_BYTES), randomBytes(DIGEST_BYTES)];
  return writeArgon2({ scheme: 'argon2id', ...ARGON2_COST, salt, digest });
}

/**
 * True of every hash but argon2id of exactly our cost, a costlier one included: one kind of hash means one time for every
 * account, and no row that can hold a gibibyte per attempt.
 */
export function needsRehash(hash: EncodedHash, cost: Argon2Cost): boolean {
  return !(
    hash.scheme === 'argon2id' &&
    hash.memory_kib === cost.memory_kib &&
    hash.passes === cost.passes &&
    hash.lanes === cost.lanes &&
    hash.salt.length >= SALT_BYTES &&
    hash.digest.length >= DIGEST_BYTES
  );
}
