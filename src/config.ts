/**
 * The environment, read once: what holds (settings), what must stay hidden (secrets), and every mistake in it at once. The
 * variables themselves, with a paragraph each, are in config/*.settings.ts.
 */
import { readFileSync } from 'node:fs';
import { type Connection, connectionFromParts, connectionFromUrl } from './config/connection.ts';
import type { Secret, Setting } from './config/setting.ts';
import { passedOver, sections, table } from './config/settings.ts';
import { type Parser, signingAlgorithm, Unfit } from './config/values.ts';

type Table = typeof table;

/** Every setting under its key: GoTrue's name in lower case, without `GOTRUE_`. Durations are seconds. */
export type Settings = {
  readonly [Key in keyof Table as Table[Key] extends Secret<unknown> ? never : Key]: Table[Key] extends Setting<infer T>
    ? T
    : never;
};

type SecretTexts = {
  readonly [Key in keyof Table as Table[Key] extends Secret<unknown> ? Key : never]: Table[Key] extends Secret<infer T>
    ? T
    : never;
};

/** What no log, error or audit row may hold. */
export interface Secrets
  extends Omit<SecretTexts, 'jwt_secret' | 'supabase_jwt_secret' | 'database_url' | 'postgres_password'> {
  /** HMAC keys that verify and never sign: of the system that was left, or of before a rotation. */
  readonly verify_only_secrets: readonly string[];
  /** Undefined where no database is named: then one is started here. */
  readonly database: Connection | undefined;
  /** GoTrue's column encryption: every key that decrypts, by its id. */
  readonly column_keys: ReadonlyMap<string, Buffer>;
}

export interface Config {
  settings: Settings;
  secrets: Secrets;
  /** Variables named `GOTRUE_…` or `GATEHOUSE_…` that nobody knows: mistyped, or of another version. */
  unknown: string[];
  /** What is accepted and still worth a line in the log, a sentence each. */
  warnings: string[];
  /** By key, the variable that a value came from. What is not here is the default. */
  sources: ReadonlyMap<string, string>;
}

/** Everything that is wrong with the environment, a sentence each. No sentence holds a secret. */
export class ConfigMistakes extends Error {
  override readonly name = 'ConfigMistakes';
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'));
    this.mistakes = mistakes;
  }
}

/**
 * Reads the environment. A variable that is set to nothing counts as not set.
 *
 * @param purpose a service that runs on a database of yours needs SECRET_KEY; a command does not
 * @throws ConfigMistakes
 */
export function readConfig(env: NodeJS.ProcessEnv, purpose: 'service' | 'command' = 'service'): Config {
  const mistakes: string[] = [];
  const sources = new Map<string, string>();
  const shown: Record<string, unknown> = {};
  const hidden: Record<string, unknown> = {};
  for (const [key, line] of Object.entries(table) as [string, Line][]) {
    (line.secret ? hidden : shown)[key] = readLine(key, line, env, sources, mistakes);
  }
  const settings = shown as unknown as Settings;
  const texts = hidden as unknown as SecretTexts;

  const secrets: Secrets = {
    ...texts,
    secret_key: texts.secret_key ?? texts.jwt_secret,
    verify_only_secrets: verifyOnlySecrets(texts),
    database: readDatabase(settings, texts, sources, mistakes),
    column_keys: columnKeys(settings, texts),
  };
  mistakes.push(...contradictions(settings, secrets, sources, purpose));
  if (mistakes.length > 0) throw new ConfigMistakes(mistakes);

  return {
    settings,
    secrets,
    sources,
    unknown: unknownNames(env),
    warnings: warningsOf({ ...shown, ...hidden }, secrets, sources),
  };
}

type Line = Setting<unknown> | Secret<unknown>;

function spellings(key: string, { ours, also = [] }: Line): (readonly [name: string, parse?: Parser<unknown>])[] {
  const name = key.toUpperCase();
  return [
    [`GATEHOUSE_${name}`],
    ...(ours ? [] : [[`GOTRUE_${name}`] as const]),
    ...also.map((other) => (typeof other === 'string' ? ([other] as const) : other)),
  ];
}

/** The value of the first spelling that is set; another spelling with a syntax of its own may not say otherwise. */
function readLine(
  key: string,
  line: Line,
  env: NodeJS.ProcessEnv,
  sources: Map<string, string>,
  mistakes: string[],
): unknown {
  let found: { name: string; value: unknown } | undefined;
  for (const [name, parse] of spellings(key, line)) {
    if (found && !parse) continue;
    try {
      const text = line.secret ? readSecret(name, env) : env[name];
      if (text === undefined || text.trim() === '') continue;
      const value = parsed(name, text, parse ?? line.parse, line.secret);
      if (found && found.value !== value) mistakes.push(`${found.name} and ${name} say different things: set one.`);
      found ??= { name, value };
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      mistakes.push(error.message);
      sources.set(key, name);
    }
  }
  if (found) sources.set(key, found.name);
  return found ? found.value : line.fallback;
}

function readSecret(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const file = env[`${name}_FILE`];
  if (!file) return env[name];
  if (env[name]) throw new Unfit(`${name} and ${name}_FILE are both set: set one.`);
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Unfit(`${name}_FILE names a file that cannot be read: ${file} (${code}).`);
  }
}

const SHOWN_LENGTH = 60;

function parsed(name: string, text: string, parse: Parser<unknown>, secret: boolean): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    const found = secret ? '' : ` is ${JSON.stringify(text.slice(0, SHOWN_LENGTH))}, and`;
    throw new Unfit(`${name}${found} must be ${error.message}.`);
  }
}

function verifyOnlySecrets({ secret_key, jwt_secret, supabase_jwt_secret }: SecretTexts): string[] {
  const signs = secret_key ?? jwt_secret;
  const others = new Set([jwt_secret, supabase_jwt_secret].filter((secret) => secret !== undefined));
  return [...others].filter((secret) => secret !== signs);
}

function readDatabase(
  settings: Settings,
  { database_url, postgres_password }: SecretTexts,
  sources: ReadonlyMap<string, string>,
  mistakes: string[],
): Connection | undefined {
  const inParts = [...sources.keys()].some((key) => key.startsWith('postgres_'));
  if (database_url === undefined && !inParts) return undefined;
  try {
    if (database_url !== undefined) return connectionFromUrl(database_url);
    return connectionFromParts({
      host: settings.postgres_host,
      port: settings.postgres_port,
      user: settings.postgres_user,
      password: postgres_password,
      database: settings.postgres_db,
      sslmode: settings.postgres_sslmode,
      sslrootcert: settings.postgres_sslrootcert,
    });
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    mistakes.push(`${sources.get('database_url') ?? 'POSTGRES_HOST and its like'} must be ${error.message}.`);
    return undefined;
  }
}

function columnKeys(settings: Settings, secrets: SecretTexts): ReadonlyMap<string, Buffer> {
  const keys = new Map(secrets.security_db_encryption_decryption_keys);
  const { security_db_encryption_encryption_key_id: id } = settings;
  const { security_db_encryption_encryption_key: key } = secrets;
  return id && key ? keys.set(id, key) : keys;
}

/** What each variable allows and all of them together do not. */
function contradictions(
  settings: Settings,
  secrets: Secrets,
  sources: ReadonlyMap<string, string>,
  purpose: 'service' | 'command',
): string[] {
  const named = (key: keyof Table) => sources.get(key) ?? key.toUpperCase();
  const found: string[] = [];
  const mistake = (wrong: boolean, sentence: string) => {
    if (wrong) found.push(sentence);
  };

  mistake(
    settings.mode !== 'postgres',
    `${named('mode')} asks for the mode ${settings.mode}, which is not built yet: only postgres is, where gatehouse itself answers.`,
  );
  mistake(
    purpose === 'service' && settings.security_captcha_enabled,
    `${named('security_captcha_enabled')} asks for captchas, which are not built yet: leave it out, or sign-up and sign-in would seem guarded and be open.`,
  );
  const databaseNamed = sources.has('database_url') || secrets.database !== undefined;
  mistake(
    purpose === 'service' && databaseNamed && !secrets.secret_key && !given('secret_key') && !given('jwt_secret'),
    'SECRET_KEY is missing: it signs access tokens. Make one with "openssl rand -base64 48" and keep it.',
  );

  const signing = secrets.jwt_keys?.find(({ key_ops }) => key_ops?.includes('sign'));
  const algorithm = signing ? signingAlgorithm(signing) : 'HS256';
  mistake(
    settings.jwt_algorithm !== undefined && settings.jwt_algorithm !== algorithm,
    `${named('jwt_algorithm')} is ${settings.jwt_algorithm}, and the key that signs is for ${algorithm}: ` +
      'put a key for it into GATEHOUSE_JWT_KEYS with "sign" among its key_ops, or leave the variable out.',
  );
  mistake(
    settings.smtp_host !== undefined && settings.smtp_admin_email === undefined,
    `${named('smtp_host')} is set and GATEHOUSE_SMTP_ADMIN_EMAIL is not: mails need an address that they come from.`,
  );
  mistake(
    settings.security_db_encryption_encrypt &&
      !(settings.security_db_encryption_encryption_key_id && secrets.security_db_encryption_encryption_key),
    `${named('security_db_encryption_encrypt')} is on, and its ENCRYPTION_KEY_ID or ENCRYPTION_KEY is missing.`,
  );
  mistake(
    settings.cors_allowed_origins.includes('*') && settings.cors_allowed_origins.length > 1,
    `${named('cors_allowed_origins')} lists origins and *, which is all of them: leave one out.`,
  );
  return found;

  /** Set, though it may have been refused: one mistake each is enough. */
  function given(key: keyof Table): boolean {
    return sources.has(key);
  }
}

function unknownNames(env: NodeJS.ProcessEnv): string[] {
  const known = new Set(
    Object.entries(table).flatMap(([key, line]) =>
      spellings(key, line as Line).flatMap(([name]) => (line.secret ? [name, `${name}_FILE`] : [name])),
    ),
  );
  return Object.keys(env)
    .filter((name) => /^(?:GOTRUE|GATEHOUSE)_/.test(name) && !known.has(name) && !passedOver.test(name))
    .sort();
}

function warningsOf(values: Record<string, unknown>, secrets: Secrets, sources: ReadonlyMap<string, string>): string[] {
  const warnings: string[] = [];
  for (const [key, line] of Object.entries(table) as [string, Line][]) {
    const name = sources.get(key);
    if (!name || !line.awaits || sameValue(values[key], line.fallback)) continue;
    warnings.push(`${name} has no effect: this version does not have ${line.awaits}.`);
  }
  if (secrets.database?.weakness)
    warnings.push(`${sources.get('database_url') ?? 'The database'} has ${secrets.database.weakness}.`);
  return warnings;
}

const sameValue = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

/** A variable as an operator reads about it. */
export interface SettingDescription {
  key: string;
  /** Every name it is read under, first wins. A row of alike variables is described once, its word in angle brackets. */
  names: string[];
  /** What the word in angle brackets may be; empty of a variable that stands alone. */
  words: string[];
  about: string;
  /** As it would be written; undefined where nothing holds unless set. */
  fallback: string | undefined;
  example: string | undefined;
  secret: boolean;
  ours: boolean;
  /** What is missing for it to have an effect. */
  awaits: string | undefined;
}

/** All variables under the headings of docs/settings.md. */
export function describeSettings(): { heading: string; settings: SettingDescription[] }[] {
  return Object.entries(sections).map(([heading, section]) => {
    const described = new Map<string, SettingDescription>();
    for (const [key, line] of Object.entries(section) as [string, Line][]) {
      const name = line.family ?? key;
      const description = described.get(`${name} ${line.about}`) ?? describe(name, line);
      described.set(`${name} ${line.about}`, description);
      if (line.family) description.words.push(wordOf(key, line.family));
    }
    return { heading, settings: [...described.values()] };
  });
}

/** What stands in a variable's name where its family has a word in angle brackets. */
function wordOf(key: string, family: string): string {
  const [before = '', after = ''] = family.split(/<\w+>/);
  return key.slice(before.length, key.length - after.length).toUpperCase();
}

function describe(key: string, line: Line): SettingDescription {
  return {
    key,
    names: spellings(key, line).map(([name]) => name),
    words: [],
    about: line.about,
    fallback: spelled(line),
    example: line.example,
    secret: line.secret,
    ours: line.ours ?? false,
    awaits: line.awaits,
  };
}

/** A duration gets the unit without which it would be refused. */
function spelled({ fallback, parse }: Line): string | undefined {
  if (fallback === undefined || fallback === null || fallback === '') return undefined;
  if (Array.isArray(fallback)) return fallback.length > 0 ? fallback.join(',') : undefined;
  if (typeof fallback === 'object') {
    if ('limit' in fallback) return String(fallback.limit);
    return Object.entries(fallback)
      .map(([period, count]) => `${count} ${period}`)
      .join(', ');
  }
  const text = String(fallback);
  return typeof fallback !== 'number' || isTaken(text, parse) ? text : `${text}s`;
}

function isTaken(text: string, parse: Parser<unknown>): boolean {
  try {
    parse(text);
    return true;
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    return false;
  }
}
