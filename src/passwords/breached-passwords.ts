/**
 * Whether a password is among those that were found in breaches, asked of a service that has the range search of Have I Been
 * Pwned. It is told the first five of the forty digits of a SHA-1, which some thousand passwords share, and answers with
 * all that begin so; padding keeps the length of the answer from telling which five they were.
 */
import { createHash } from 'node:crypto';
import { record } from '../audit/record.ts';
import type { Settings } from '../config.ts';
import { inTransaction } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { refuseUnfit } from './strength.ts';

export interface BreachedPasswords {
  /** @throws NoAnswer */
  has(password: string): Promise<boolean>;
  /**
   * The same as far as it is known without waiting. What is not known is asked for the next time, of a few at once.
   */
  recall(password: string): boolean | undefined;
  /** Whoever still waits has no answer. */
  close(): void;
}

/** The service did not say: the end of a sentence about it. Never what it said instead. */
class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

export type BreachSettings = Pick<
  Settings,
  'password_hibp_enabled' | 'password_hibp_url' | 'password_hibp_timeout' | 'password_hibp_user_agent'
>;

/** A range has some fifty kilobytes. */
const ANSWER_MAX_BYTES = 512 * 1024;
/** Ranges kept, some five megabytes: attackers and forgetful people come back with the same passwords. */
const KEPT_RANGES = 100;
const KEPT_MS = 3600 * 1000;
const ASKED_AHEAD = 8;
const PREFIX_DIGITS = 5;
const LINE = /^([0-9A-F]{35}):(\d+)$/;

/** Undefined where the settings want nobody asked. */
export function createBreachedPasswords(
  { password_hibp_enabled, password_hibp_url, password_hibp_timeout, password_hibp_user_agent }: BreachSettings,
  clock: () => Date,
): BreachedPasswords | undefined {
  if (!password_hibp_enabled) return undefined;
  /** What a range has, by its prefix, the one asked for longest ago first. */
  const kept = new Map<string, { digests: Buffer; until: number }>();
  const asking = new Map<string, Promise<Buffer>>();
  const closed = new AbortController();

  function keptOf(prefix: string): Buffer | undefined {
    const range = kept.get(prefix);
    kept.delete(prefix);
    if (!range || range.until <= clock().getTime()) return undefined;
    kept.set(prefix, range);
    return range.digests;
  }

  function ask(prefix: string): Promise<Buffer> {
    const begun = asking.get(prefix) ?? fetchRange(prefix).finally(() => asking.delete(prefix));
    asking.set(prefix, begun);
    return begun;
  }

  async function fetchRange(prefix: string): Promise<Buffer> {
    const digests = digestsIn(await textOf(`${password_hibp_url}/range/${prefix}`));
    kept.set(prefix, { digests, until: clock().getTime() + KEPT_MS });
    for (const oldest of kept.keys()) {
      if (kept.size <= KEPT_RANGES) break;
      kept.delete(oldest);
    }
    return digests;
  }

  async function textOf(url: string): Promise<string> {
    const signal = AbortSignal.any([closed.signal, AbortSignal.timeout(password_hibp_timeout * 1000)]);
    const headers = { 'Add-Padding': 'true', 'User-Agent': password_hibp_user_agent };
    try {
      const answer = await fetch(url, { redirect: 'manual', signal, headers });
      if (answer.status !== 200) {
        await answer.body?.cancel();
        throw new NoAnswer(`answers ${answer.status}`);
      }
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of answer.body ?? []) {
        length += chunk.length;
        if (length > ANSWER_MAX_BYTES) throw new NoAnswer(`answers more than ${ANSWER_MAX_BYTES} bytes`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString('latin1');
    } catch (error) {
      if (error instanceof NoAnswer) throw error;
      const { name, cause } = error as Error & { cause?: NodeJS.ErrnoException };
      if (name === 'TimeoutError') throw new NoAnswer(`has not answered within ${password_hibp_timeout} s`);
      throw new NoAnswer(`cannot be reached (${cause?.code ?? name})`);
    }
  }

  return {
    async has(password) {
      const [prefix, digest] = digestOf(password);
      return (keptOf(prefix) ?? (await ask(prefix))).includes(digest);
    },
    recall(password) {
      const [prefix, digest] = digestOf(password);
      const digests = keptOf(prefix);
      if (!digests && asking.size < ASKED_AHEAD) ask(prefix).catch(() => {}); // nobody waits for it
      return digests?.includes(digest);
    },
    close: () => closed.abort(),
  };
}

function digestOf(password: string): [prefix: string, digest: Buffer] {
  const hex = createHash('sha1').update(password).digest('hex').toUpperCase();
  return [hex.slice(0, PREFIX_DIGITS), Buffer.from(`\n${hex.slice(PREFIX_DIGITS)}\n`)];
}

/** Lines of digests, padding left out, which are those that were seen no time. */
function digestsIn(text: string): Buffer {
  const digests = text
    .trim()
    .split(/\r?\n/)
    .map((line) => {
      const [, digest, times] = LINE.exec(line) ?? [];
      if (!digest) throw new NoAnswer('answers something else than a range');
      return times === '0' ? '' : digest;
    });
  return Buffer.from(`\n${digests.join('\n')}\n`);
}

/** Whose password is looked up, for the record. */
export interface Lookup {
  subject_id?: string | undefined;
  occasion: Occasion;
}

/**
 * Whether that service knows the password; false where it is not to be asked. Where it does not answer, the password passes and
 * the audit log has it, or, where the settings say so, nobody gets a new one.
 *
 * @throws AuthError `unexpected_failure` (503) where it does not answer and the settings want it to
 */
export async function isBreached(
  { breachedPasswords, settings, db, log }: Gatehouse,
  password: string,
  { subject_id, occasion }: Lookup,
): Promise<boolean> {
  try {
    return (await breachedPasswords?.has(password)) ?? false;
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    const reason = `the service that knows breached passwords ${error.message}`;
    if (settings.password_hibp_fail_closed) {
      const message = 'The password could not be checked against breached ones, please retry after a moment.';
      throw new AuthError('unexpected_failure', { status: 503, message, reason, retry_after_seconds: 5 });
    }
    log.warn({ reason, request_id: occasion.caller.request_id }, 'a new password was not checked');
    const event = { action: 'breach_check_failed', outcome: 'failure', subject_id, reason } as const;
    await inTransaction(db, (tx) => record(tx, event, occasion));
    return false;
  }
}

/**
 * Refuses a password that {@link isBreached}.
 *
 * @throws AuthError `weak_password`, or that function's own
 */
export async function refuseBreached(gatehouse: Gatehouse, password: string, lookup: Lookup): Promise<void> {
  if (!(await isBreached(gatehouse, password, lookup))) return;
  refuseUnfit(password, gatehouse.passwordRules, {}, true);
}
