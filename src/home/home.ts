/**
 * What `npm start` keeps where no database is named, all below one directory (DATA_DIRECTORY, `.gatehouse` unless set):
 * - `postgres`: the database, with its superuser's password and its log (db/embedded-postgres.ts)
 * - `secrets.env`: what signs, the API keys and the first administrator's password, mode 0600 (secrets.ts)
 * - `mail`: outgoing mail as files, where there is no mail server
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, constants, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { makeApiKeys } from '../access-tokens/api-keys.ts';
import { connectionFromUrl } from '../config/connection.ts';
import type { Config } from '../config.ts';
import {
  type EmbeddedPostgres,
  embeddedPostgresIsInstalled,
  findEmbeddedPostgres,
  startEmbeddedPostgres,
} from '../db/embedded-postgres.ts';
import { prepareDatabase, type Tell } from '../db/prepare-database.ts';
import { HomeUnusable } from './home-unusable.ts';
import { type HomeSecrets, readOrMakeSecrets } from './secrets.ts';
import { enableServiceRole } from './service-role.sql.ts';

export interface Home {
  directory: string;
  secrets: HomeSecrets;
  postgres: EmbeddedPostgres;
  /** What an operator would set to have the same: a database, a key, a place for mail. Holds secrets. */
  environment: Record<string, string>;
  /** Where mail goes as files; undefined where the environment names a mail server. */
  mailbox: string | undefined;
}

/** The places below a data directory. */
function placesOf(data_directory: string) {
  const directory = resolve(data_directory);
  return {
    directory,
    postgres: join(directory, 'postgres'),
    secrets: join(directory, 'secrets.env'),
    mail: join(directory, 'mail'),
  };
}

/** Whether an earlier start has made a database there. */
export function homeExists(data_directory: string): boolean {
  return existsSync(join(placesOf(data_directory).postgres, 'data'));
}

/**
 * Everything is there and the database runs, its schema as this version needs it. The service itself connects as
 * `gatehouse_app`, which can change no schema and edit no audit event.
 *
 * @throws HomeUnusable, EmbeddedPostgresError, DatabaseUnusable: each with a sentence
 */
export async function openHome(
  { settings, secrets: given }: Pick<Config, 'settings' | 'secrets'>,
  { tell, now, onFirstStart }: { tell: Tell; now: Date; onFirstStart?: (directory: string) => void },
): Promise<Home> {
  if (!embeddedPostgresIsInstalled()) {
    throw new HomeUnusable(
      'DATABASE_URL is needed: it names the PostgreSQL that gatehouse works with. (Only a checkout after "npm ci" brings one of its own.)',
    );
  }
  const places = placesOf(settings.data_directory);
  await makeDirectory(places.directory);
  if (!homeExists(settings.data_directory)) onFirstStart?.(places.directory);
  const kept = await readOrMakeSecrets(places.secrets, now);
  const secrets = given.secret_key ? await withKey(kept, given.secret_key) : kept;

  const postgres = await startEmbeddedPostgres({
    directory: places.postgres,
    ...(settings.embedded_postgres_port !== undefined && { port: settings.embedded_postgres_port }),
  });
  try {
    await prepareDatabase(connectionFromUrl(postgres.url), places.postgres, tell);
    const url = new URL(postgres.url);
    url.username = 'gatehouse_app';
    url.password = randomBytes(32).toString('hex');
    await enableServiceRole(postgres.url, url.username, url.password);

    const writesMail = settings.smtp_host === undefined && settings.mailbox === undefined;
    if (writesMail) await makeDirectory(places.mail, 0o700);
    const environment = {
      DATABASE_URL: url.href,
      ...(given.secret_key === undefined && { SECRET_KEY: secrets.secret_key }),
      ...(writesMail && { GATEHOUSE_MAILBOX: places.mail }),
    };
    const mailbox = settings.smtp_host === undefined ? (settings.mailbox ?? places.mail) : undefined;
    return { directory: places.directory, secrets, postgres, environment, mailbox };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

/**
 * The database of an earlier start, as its superuser: of a gatehouse that runs, or started for the caller.
 *
 * @throws HomeUnusable, EmbeddedPostgresError, DatabaseUnusable: each with a sentence
 */
export async function openHomeDatabase(
  data_directory: string,
  tell: Tell,
): Promise<{ url: string; stop: () => Promise<void> }> {
  const { postgres: directory } = placesOf(data_directory);
  const running = await findEmbeddedPostgres(directory);
  if (running) return { url: running.url, stop: async () => {} };
  const postgres = await startEmbeddedPostgres({ directory });
  try {
    await prepareDatabase(connectionFromUrl(postgres.url), directory, tell);
    return { url: postgres.url, stop: postgres.stop };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

/** A key that the environment names goes before the one that is kept, and the API keys are then signed with it. */
async function withKey(kept: HomeSecrets, secret_key: string): Promise<HomeSecrets> {
  const { iat } = JSON.parse(Buffer.from(kept.anon_key.split('.')[1] ?? '', 'base64url').toString());
  const { anon, service_role } = await makeApiKeys(secret_key, new Date(iat * 1000));
  return { ...kept, secret_key, anon_key: anon, service_role_key: service_role };
}

/** Others pass through to what is theirs (as root the database is another account's), and look at nothing. */
async function makeDirectory(directory: string, mode = 0o711): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode });
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const what = code === 'EEXIST' ? 'is no directory' : `cannot be written (${code})`;
    throw new HomeUnusable(
      `${directory} ${what}: gatehouse keeps its data there. Set GATEHOUSE_DATA_DIRECTORY to a directory of this account, or DATABASE_URL to a database of yours.`,
    );
  }
}
