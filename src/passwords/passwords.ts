/**
 * Passwords: hashed with argon2id, verified in whatever form they came over from Supabase, never more of either at once
 * than cores, and refused in a time that does not tell why.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { type Argon2Cost, type EncodedHash, kindOf, readHash } from './encoded-hash.ts';
import type { Argon2Engine } from './engines.ts';
import { ARGON2_COST, DIGEST_BYTES, hashPassword, needsRehash, SALT_BYTES } from './hash.ts';
import { createHashQueue } from './hash-queue.ts';
import { hashThreads } from './hash-threads.ts';
import { createTimeFloor } from './time-floor.ts';
import { createVerify, type Verify } from './verify.ts';

/** The thirty that one caller may send at once still find room, on a machine that is busy with other work. */
const QUEUE_BUDGET_MS = 3000;
/** Costs what every hash costs that GoTrue made itself; of no password. */
const GOTRUE_HASH: EncodedHash = {
  scheme: 'bcrypt',
  cost: 10,
  canonical: '$2b$10$7EqJtq98hPqEX7fNZaFWoOhi7BOsfmRF2DZtEDCvgtTmvXuJ4YpSm',
};
const CALIBRATION_RUNS = 3;
/** Timers count whole milliseconds, so part of the millisecond that the hash took would show through the floor. */
const JITTER_MS = 8;

export interface PasswordSettings {
  /** Hashes at once, a thread for each: the cores that this process may use. */
  concurrency: number;
  /** The longest that a hash may be expected to wait before new ones are refused; 3,000 unless given. */
  queue_budget_ms?: number;
  /** OWASP's first recommendation unless given. */
  argon2_cost?: Argon2Cost;
  /** The faster one that loads unless given. */
  engine?: Argon2Engine;
  /** Measured at start unless given; 0 does not hold refusals at all. */
  refusal_floor_ms?: number;
}

export interface Passwords {
  /** The package that computes argon2 here. */
  readonly engine: Argon2Engine;
  /** @see hashPassword */
  hash(password: string, signal?: AbortSignal): Promise<string>;
  /** @see createVerify */
  verify: Verify;
  /** Whether it is the password of any of these. Its refusals are not held: for the owner of the account alone. */
  isOneOf(
    password: string,
    encrypted_passwords: readonly (string | undefined)[],
    signal?: AbortSignal,
  ): Promise<boolean>;
  /** True of a stored hash that a sign-in would replace, and of what is no hash. */
  needsRehash(encrypted_password: string): boolean;
  /** @throws AuthError `service_overloaded` when a hash would be refused now: to be asked before any query. */
  refuseWhenFull(): void;
  /** Hashes that run, in slots, and hashes that wait. */
  readonly load: { running: number; waiting: number };
}

/** Loads the engines and measures them, which takes some tenths of a second; the rest is {@link Passwords}. */
export async function createPasswords(settings: PasswordSettings): Promise<Passwords> {
  const {
    concurrency,
    queue_budget_ms = QUEUE_BUDGET_MS,
    argon2_cost: cost = ARGON2_COST,
    refusal_floor_ms,
  } = settings;
  const threads = await hashThreads(concurrency, settings.engine);
  const floor = createTimeFloor(refusal_floor_ms);

  async function fastestOf(hash: EncodedHash): Promise<number> {
    const password = randomBytes(16);
    const runs: number[] = [];
    for (let run = 0; run < CALIBRATION_RUNS; run++) runs.push((await threads.matches(hash, [password])).worked_ms);
    const fastest = Math.min(...runs);
    floor.observe(kindOf(hash), fastest);
    return fastest;
  }
  const salt = randomBytes(SALT_BYTES);
  const expected_ms = await fastestOf({ scheme: 'argon2id', ...cost, salt, digest: randomBytes(DIGEST_BYTES) });
  if (refusal_floor_ms === undefined) await fastestOf(GOTRUE_HASH);

  const queue = createHashQueue({ concurrency, ahead: concurrency, budget_ms: queue_budget_ms, expected_ms });
  return {
    engine: threads.engine,
    hash: (password, signal) => hashPassword({ queue, threads, cost }, password, signal),
    verify: createVerify({
      queue,
      threads,
      cost,
      floor,
      hold: async (ms) => (ms > 0 ? setTimeout(ms + JITTER_MS * Math.random()) : undefined),
    }),
    async isOneOf(password, encrypted_passwords, signal) {
      const bytes = Buffer.from(password.normalize('NFC'));
      for (const encrypted_password of encrypted_passwords) {
        const hash = encrypted_password ? readHash(encrypted_password) : undefined;
        if (hash && (await queue.run(() => threads.matches(hash, [bytes]), { signal })).value) return true;
      }
      return false;
    },
    needsRehash(encrypted_password) {
      const hash = readHash(encrypted_password);
      return !hash || needsRehash(hash, cost);
    },
    refuseWhenFull: queue.refuseWhenFull,
    get load() {
      return { running: queue.running, waiting: queue.waiting };
    },
  };
}
