/** The things a door needs, built once in main.ts or in a test. */
import type { SigningKeys } from './access-tokens/signing-keys.ts';
import type { Settings } from './config.ts';
import type { Database } from './db/database.ts';
import type { Log } from './http/log.ts';
import type { Passwords } from './passwords/passwords.ts';

export interface Gatehouse {
  settings: Settings;
  /** Serves requests. */
  db: Database;
  signingKeys: SigningKeys;
  passwords: Passwords;
  /** Derives the keys of refresh tokens and the subjects of lockout counters. */
  serverSecret: Buffer;
  log: Log;
  /** The one source of time: read once per request and passed down. */
  clock: () => Date;
}
