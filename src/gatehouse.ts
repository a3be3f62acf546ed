/** The things a door needs, built once per process, or per test. */
import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type pg from 'pg';
import { createSigningKeys, type SigningKeys } from './access-tokens/signing-keys.ts';
import type { Connection } from './config/connection.ts';
import type { Secrets, Settings } from './config.ts';
import type { ColumnKeys } from './db/column-encryption.ts';
import { createDatabase, type Database } from './db/database.ts';
import { createPool } from './db/pool.ts';
import type { Log } from './http/log.ts';
import { createMailer, type Mailer } from './mail/mailer.ts';
import { openTemplates } from './mail/templates.ts';
import { type BreachedPasswords, createBreachedPasswords } from './passwords/breached-passwords.ts';
import { createPasswords, type Passwords } from './passwords/passwords.ts';
import { type PasswordRules, passwordRules } from './passwords/strength.ts';
import { type AskedTogether, createAskedTogether } from './sessions/asked-together.ts';

export interface Gatehouse {
  settings: Settings;
  /** Serves requests. */
  db: Database;
  /** For what happens beside them (rate limits shared, mail sent, readiness): never behind a queue of requests. */
  backgroundDb: Database;
  signingKeys: SigningKeys;
  passwords: Passwords;
  passwordRules: PasswordRules;
  /** Undefined where nobody is to be asked. */
  breachedPasswords: BreachedPasswords | undefined;
  mailer: Mailer;
  askedTogether: AskedTogether;
  /** Derives the keys of refresh tokens, the subjects of lockout counters, the MACs of page cursors. 256 bits. */
  serverSecret: KeyObject;
  /** What opens values that GoTrue encrypted in their columns. */
  columnKeys: ColumnKeys;
  log: Log;
  /** The one source of time: read once per request and passed down. */
  clock: () => Date;
}

export interface RunningGatehouse extends Gatehouse {
  /** Sends what mail is under way and ends every connection. */
  close(): Promise<void>;
}

export interface GatehouseParts {
  settings: Settings;
  secrets: Secrets;
  /** The database, with this version's schema. */
  connection: Connection | pg.PoolConfig;
  log: Log;
  clock?: () => Date;
  /** Measured at start unless given. */
  passwords?: Passwords;
}

const BACKGROUND_CONNECTIONS = 2;
const SERVER_SECRET_BYTES = 32;

/**
 * Opens pools, reads keys and templates of mails, measures hashing (some tenths of a second). Connects to no database yet.
 *
 * @throws TemplateUnusable
 */
export async function createGatehouse(parts: GatehouseParts): Promise<RunningGatehouse> {
  const { settings, secrets, connection, log, clock = () => new Date() } = parts;
  const secret = secrets.server_secret ?? secrets.secret_key;
  if (!secret) throw new Error('config.ts refuses a service without SECRET_KEY');
  const signingKeys = createSigningKeys(secrets, settings);
  const passwords = parts.passwords ?? (await measuredPasswords(settings));

  const pool = createPool({ connection, application_name: 'gatehouse', max: settings.db_max_pool_size });
  const backgroundPool = createPool({
    connection,
    application_name: 'gatehouse background',
    max: BACKGROUND_CONNECTIONS,
  });
  const backgroundDb = createDatabase(backgroundPool);
  const templates = await openTemplates({ settings, db: backgroundDb, log, clock }).catch(async (error: unknown) => {
    await Promise.all([pool.end(), backgroundPool.end()]);
    throw error;
  });
  const breachedPasswords = createBreachedPasswords(settings, clock);
  const mailer = createMailer({ settings, secrets, db: backgroundDb, log, clock, templates });
  const db = createDatabase(pool);
  return {
    settings,
    db,
    backgroundDb,
    signingKeys,
    passwords,
    passwordRules: passwordRules(settings),
    breachedPasswords,
    mailer,
    askedTogether: createAskedTogether(db, settings),
    serverSecret: createSecretKey(
      new Uint8Array(hkdfSync('sha256', secret, '', 'gatehouse server secret', SERVER_SECRET_BYTES)),
    ),
    columnKeys: secrets.column_keys,
    log,
    clock,
    close: async () => {
      breachedPasswords?.close();
      await mailer.close();
      await Promise.all([pool.end(), backgroundPool.end()]);
    },
  };
}

/** Cores are shared by the workers of this machine. */
function measuredPasswords({ hash_concurrency, hash_queue_budget, web_concurrency }: Settings): Promise<Passwords> {
  return createPasswords({
    concurrency: Math.max(1, Math.floor((hash_concurrency ?? availableParallelism()) / web_concurrency)),
    queue_budget_ms: hash_queue_budget * 1000,
  });
}
