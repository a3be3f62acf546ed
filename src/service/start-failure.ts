/** A start that came to nothing: one sentence that says what to do, and the exit code that a script can act on. */
import { ConfigMistakes } from '../config.ts';
import { EmbeddedPostgresError } from '../db/embedded-postgres.ts';
import { DatabaseUnusable } from '../db/unusable.ts';
import { HomeUnusable } from '../home/home-unusable.ts';
import { TemplateUnusable } from '../mail/templates.ts';
import { AddressUnusable } from './listen.ts';

/**
 * How the service ends: `stopped` when it was asked to, `settings` for mistakes in the environment, `database` for one
 * that cannot be used or that went away for good, `address` for a port that cannot be listened on. A second Ctrl-C ends
 * it with 130, as a shell says it (128 and the signal's number).
 */
export const exitCodes = { stopped: 0, fault: 1, settings: 2, database: 4, address: 5 } as const;

export interface Failure {
  kind: Exclude<keyof typeof exitCodes, 'stopped'>;
  message: string;
}

/** A failure that somebody else explained, or that has no error of its own. */
export class StartFailure extends Error implements Failure {
  override readonly name = 'StartFailure';
  readonly kind: Failure['kind'];

  constructor({ kind, message }: Failure) {
    super(message);
    this.kind = kind;
  }
}

/** What an error means to whoever starts us; undefined for a fault of ours. Several mistakes are a line each. */
export function failureOf(error: unknown): Failure | undefined {
  if (error instanceof StartFailure) return error;
  if (error instanceof ConfigMistakes) return { kind: 'settings', message: error.mistakes.join('\n') };
  if (error instanceof TemplateUnusable) return { kind: 'settings', message: error.message };
  if (error instanceof AddressUnusable) return { kind: 'address', message: error.message };
  const databaseErrors = [DatabaseUnusable, EmbeddedPostgresError, HomeUnusable];
  if (databaseErrors.some((kind) => error instanceof kind)) {
    return { kind: 'database', message: (error as Error).message };
  }
  return undefined;
}
