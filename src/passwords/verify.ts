/** Whether a password is the one that a stored hash was made of, told in a time that tells nothing else. */
import { randomBytes } from 'node:crypto';
import { type Argon2Cost, type Argon2Hash, type EncodedHash, kindOf, memoryKib, readHash } from './encoded-hash.ts';
import { DIGEST_BYTES, needsRehash, SALT_BYTES } from './hash.ts';
import type { HashQueue } from './hash-queue.ts';
import type { HashThreads } from './hash-threads.ts';
import { isTooLong } from './strength.ts';
import type { TimeFloor } from './time-floor.ts';

/** Above it a hash runs alone: with that, hashing never holds more than this times the slots, or the one gibibyte. */
const SHARED_MEMORY_KIB = 64 * 1024;

export interface Verification {
  matches: boolean;
  /** Something is stored that is no hash we verify: the account cannot sign in by password, and an operator should know. */
  unreadable: boolean;
  /** The password matches a hash that is not as we store them: write a new one, unless the row has changed meanwhile. */
  needsRehash: boolean;
}

export interface VerifierParts {
  queue: HashQueue;
  threads: HashThreads;
  cost: Argon2Cost;
  floor: TimeFloor;
  /** Holds a refusal for that many milliseconds. */
  hold: (ms: number) => Promise<unknown>;
}

export type Verify = (
  password: string,
  encrypted_password: string | null | undefined,
  signal?: AbortSignal,
) => Promise<Verification>;

/**
 * Verifies against any format that GoTrue reads. What is absent, empty or unreadable matches nothing and costs one argon2id
 * verification of our cost all the same; every refusal leaves as `time-floor.ts` says.
 *
 * The password is tried as it was sent, which is what an imported hash was made of, and where that is not its NFC form
 * also in that form, which is what ours are made of. More than 1,024 code points match nothing. Call it for an unknown
 * account too, with no transaction open and no connection taken.
 *
 * The signal only takes a waiting verification out of the queue. One that has begun ends as ever, so that hanging up early
 * does not make a guess that nobody counts.
 *
 * @throws AuthError `service_overloaded` when the queue is full
 */
export function createVerify({ queue, threads, cost, floor, hold }: VerifierParts): Verify {
  const decoy: Argon2Hash = {
    scheme: 'argon2id',
    ...cost,
    salt: randomBytes(SALT_BYTES),
    digest: randomBytes(DIGEST_BYTES),
  };

  return async (password, encrypted_password, signal) => {
    const stored = encrypted_password ? readHash(encrypted_password) : undefined;
    const unreadable = Boolean(encrypted_password) && !stored;
    const tooLong = isTooLong(password);
    const hash = stored && !tooLong ? stored : decoy;
    const forms = formsOf(tooLong ? '' : password);

    const arrived = performance.now();
    const { value: matches, worked_ms } = await queue.run(() => threads.matches(hash, forms), {
      signal,
      slots: slotsOf(hash),
    });
    floor.observe(kindOf(hash), worked_ms / forms.length);
    if (!matches) await hold(floor.holdMs(performance.now() - arrived - worked_ms, worked_ms));
    return { matches, unreadable, needsRehash: matches && needsRehash(hash, cost) };
  };
}

function formsOf(password: string): Buffer[] {
  const nfc = password.normalize('NFC');
  return (nfc === password ? [password] : [password, nfc]).map((form) => Buffer.from(form));
}

function slotsOf(hash: EncodedHash): number {
  if (memoryKib(hash) > SHARED_MEMORY_KIB) return Number.POSITIVE_INFINITY;
  return hash.scheme === 'bcrypt' || hash.scheme === 'fbscrypt' ? 1 : hash.lanes; // argon2's lanes are threads
}
