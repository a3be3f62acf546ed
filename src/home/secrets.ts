/**
 * `secrets.env`: what is made once and kept, where no database is named. A file of variables, so that a shell can read it
 * (`. .gatehouse/secrets.env`) and so that what an operator sets later, with a database of their own, has the same names.
 */
import { randomBytes } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseEnv } from 'node:util';
import { makeApiKeys } from '../access-tokens/api-keys.ts';
import { signingSecret, Unfit } from '../config/values.ts';
import { HomeUnusable } from './home-unusable.ts';

export interface HomeSecrets {
  /** Signs access tokens and the two API keys: 256 random bits in base64url. */
  secret_key: string;
  /** For browsers: names a role and nobody, and may do what anybody may. */
  anon_key: string;
  /** For servers: may use /admin. */
  service_role_key: string;
  administrator: Administrator;
}

/** The first administrator as made. The password may have been changed since. */
export interface Administrator {
  email: string;
  password: string;
}

/** Everybody's own machine; no mail ever goes there. */
const ADMINISTRATOR_EMAIL = 'admin@localhost';
/** Lower-case letters and digits that nobody takes for one another: 32, five bits each. */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';
const PASSWORD_LENGTH = 24;

/**
 * What the file says; made first where there is none, mode 0600. Of several first starts at once one makes it, and all
 * have the same.
 *
 * @throws HomeUnusable when it cannot be written or read, or lacks something
 */
export async function readOrMakeSecrets(file: string, now: Date): Promise<HomeSecrets> {
  try {
    return read(await readFile(file, 'utf8'), file);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code !== 'ENOENT') throw unusable(file, `it cannot be read (${error.code})`);
  }
  try {
    await writeOnce(file, await makeText(now));
    return read(await readFile(file, 'utf8'), file);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw unusable(file, `it cannot be written (${error.code})`);
  }
}

async function makeText(now: Date): Promise<string> {
  const secret_key = randomBytes(32).toString('base64url');
  const { anon, service_role } = await makeApiKeys(secret_key, now);
  return `# Made by gatehouse at its first start, and kept. Whoever can read this file can do everything.
SECRET_KEY=${secret_key}

# API keys, signed with it: createClient(url, key).
ANON_KEY=${anon}
SERVICE_ROLE_KEY=${service_role}

# The first administrator, as made. Once the password is changed, this one is of no use.
ADMIN_EMAIL=${ADMINISTRATOR_EMAIL}
ADMIN_PASSWORD=${makePassword()}
`;
}

/** 120 random bits. Only its hash goes into the database. */
function makePassword(): string {
  return Array.from(randomBytes(PASSWORD_LENGTH), (byte) => ALPHABET[byte % ALPHABET.length]).join('');
}

/** All of it or nothing, and never over one that is there. */
async function writeOnce(file: string, text: string): Promise<void> {
  const partial = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(partial, text, { mode: 0o600, flag: 'wx', flush: true });
    await link(partial, file);
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'EEXIST') throw error;
  } finally {
    await rm(partial, { force: true });
  }
}

function read(text: string, file: string): HomeSecrets {
  const variables = parseEnv(text);
  const need = (name: string): string => {
    const value = variables[name];
    if (!value) throw unusable(file, `${name} is missing`);
    return value;
  };
  try {
    return {
      secret_key: signingSecret(need('SECRET_KEY')),
      anon_key: need('ANON_KEY'),
      service_role_key: need('SERVICE_ROLE_KEY'),
      administrator: { email: need('ADMIN_EMAIL'), password: need('ADMIN_PASSWORD') },
    };
  } catch (error) {
    if (error instanceof Unfit) throw unusable(file, 'SECRET_KEY is shorter than 32 bytes');
    throw error;
  }
}

function unusable(file: string, why: string): HomeUnusable {
  return new HomeUnusable(`${file} cannot be used: ${why}. Restore it, or move ${dirname(file)} away to begin anew.`);
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string';
}
