/** The environment as a whole: every mistake at once, no secret in any, GoTrue's own environments accepted. */
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigMistakes, describeSettings, readConfig } from '../../src/config.ts';

const SECRET_KEY = 'forty bytes that nobody else has guessed';
const DATABASE_URL = 'postgresql://gatehouse:s3cret-of-the-database@127.0.0.1:5432/portal';
const service = { DATABASE_URL, SECRET_KEY };

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-config-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function mistakesOf(env: NodeJS.ProcessEnv, purpose?: 'service' | 'command'): readonly string[] {
  try {
    readConfig(env, purpose);
    return [];
  } catch (error) {
    if (error instanceof ConfigMistakes) return error.mistakes;
    throw error;
  }
}

describe('mistakes', () => {
  it('are all told at once, a sentence each, by the name that was set', () => {
    expect(
      mistakesOf({
        PORT: '99999',
        GOTRUE_DISABLE_SIGNUP: 'maybe',
        GATEHOUSE_SESSIONS_TIMEBOX: '24',
        DATABASE_URL: 'mysql://127.0.0.1/portal',
        SECRET_KEY: 'short',
        GOTRUE_SMTP_HOST: 'smtp.example.com',
      }),
    ).toEqual([
      'PORT is "99999", and must be a whole number from 1 to 65535.',
      'SECRET_KEY must be at least 32 bytes long: make one with "openssl rand -base64 48".',
      'GATEHOUSE_SESSIONS_TIMEBOX is "24", and must be a duration with its unit, as 90s or 1h30m.',
      'GOTRUE_DISABLE_SIGNUP is "maybe", and must be true or false.',
      'DATABASE_URL must be postgresql://role:password@host:5432/database, with special characters percent-encoded.',
      'GOTRUE_SMTP_HOST is set and GATEHOUSE_SMTP_ADMIN_EMAIL is not: mails need an address that they come from.',
    ]);
  });

  it.each([
    ['a service on a database of yours without a key', { DATABASE_URL }, /^SECRET_KEY is missing/],
    ['a key of 31 bytes', { DATABASE_URL, SECRET_KEY: 'x'.repeat(31) }, /^SECRET_KEY must be at least 32 bytes long/],
    ['a verify-only key of 31 bytes', { ...service, JWT_SECRET: 'x'.repeat(31) }, /^JWT_SECRET must be at least 32/],
    ['a mode that is not built', { ...service, USE_SUPABASE: 'true' }, /^USE_SUPABASE asks for the mode supabase/],
    [
      'an algorithm that no key is for',
      { ...service, JWT_ALGORITHM: 'ES256' },
      /^JWT_ALGORITHM is ES256, and the key that signs is for HS256/,
    ],
    [
      'two values of one thing in different units',
      { ...service, GOTRUE_JWT_EXP: '1800', ACCESS_TOKEN_EXPIRE_MINUTES: '60' },
      /^GOTRUE_JWT_EXP and ACCESS_TOKEN_EXPIRE_MINUTES say different things/,
    ],
    [
      'all origins and one',
      { ...service, GATEHOUSE_CORS_ALLOWED_ORIGINS: '*,https://portal.example.com' },
      /^GATEHOUSE_CORS_ALLOWED_ORIGINS lists origins and \*/,
    ],
    [
      'a proxy range that is every IPv4 address',
      { ...service, GATEHOUSE_TRUSTED_PROXIES: '::ffff:10.0.0.0/8' },
      /^GATEHOUSE_TRUSTED_PROXIES is "::ffff:10\.0\.0\.0\/8", and must be addresses and ranges/,
    ],
    [
      'encryption without its key',
      { ...service, GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPT: 'true' },
      /ENCRYPTION_KEY_ID or ENCRYPTION_KEY is missing/,
    ],
    ['keys that are not JSON', { ...service, GOTRUE_JWT_KEYS: '[{"kid":' }, /^GOTRUE_JWT_KEYS must be a JSON array/],
    [
      'keys of which two sign',
      { ...service, GOTRUE_JWT_KEYS: jwks({ kid: 'a', key_ops: ['sign'] }, { kid: 'b', key_ops: ['sign'] }) },
      /exactly one has "sign"/,
    ],
    [
      'a database in parts with a broken port',
      { POSTGRES_HOST: 'db', POSTGRES_PORT: 'x', SECRET_KEY },
      /^POSTGRES_PORT/,
    ],
  ])('%s: one, and only one', (_what, env, sentence) => {
    const mistakes = mistakesOf(env);
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toMatch(sentence);
  });

  it('a command needs no key, and without a database of yours neither does the service', () => {
    expect(mistakesOf({ DATABASE_URL }, 'command')).toEqual([]);
    expect(mistakesOf({})).toEqual([]);
  });

  it('never hold a secret, whatever is wrong with it', () => {
    const secrets = describeSettings()
      .flatMap(({ settings }) => settings)
      .filter(({ secret, names: [name = ''] }) => secret && !name.includes('<'))
      .map(({ names: [name = ''] }) => name);
    fc.assert(
      fc.property(fc.constantFrom(...secrets), fc.stringMatching(/^[\w:/@?=&%+.-]{6,60}$/), (name, tail) => {
        // Marked, so that it is not by chance a word of the sentence.
        const value = `zq${tail}`;
        return mistakesOf({ ...service, [name]: value }).every(
          (mistake) => !mistake.includes(value) && !mistake.includes(tail.slice(0, 20)),
        );
      }),
    );
  });

  it('never hold the password of a URL that cannot be read', () => {
    for (const url of [
      'postgresql://gatehouse:pass-word@db.example.com:70000/portal',
      'postgresql://gatehouse:pass-word@db.example.com/portal?sslmode=prefer',
      'postgresql://gatehouse:pass-word@one,two/portal',
      'postgresql://gatehouse:pass-word%zz@db.example.com/portal',
      'http://gatehouse:pass-word@db.example.com/portal',
    ]) {
      const mistakes = mistakesOf({ DATABASE_URL: url, SECRET_KEY });
      expect(mistakes).toHaveLength(1);
      expect(mistakes.join()).not.toContain('pass-word');
    }
  });
});

describe('names', () => {
  it('ours goes before GoTrue’s, and both before the plain one', () => {
    expect(readConfig({ GATEHOUSE_API_PORT: '1', GOTRUE_API_PORT: '2', PORT: '3' }).settings.api_port).toBe(1);
    expect(readConfig({ GOTRUE_API_PORT: '2', PORT: '3' }).settings.api_port).toBe(2);
    const { settings, sources } = readConfig({ PORT: '3' });
    expect([settings.api_port, sources.get('api_port')]).toEqual([3, 'PORT']);
  });

  it('set to nothing is not set', () => {
    const { settings, secrets, sources } = readConfig({ PORT: '', DATABASE_URL: ' ', SECRET_KEY: '' });
    expect([settings.api_port, secrets.database, secrets.secret_key, sources.size]).toEqual([
      9999,
      undefined,
      undefined,
      0,
    ]);
  });

  it('that nobody knows are told; those of whole other parts of GoTrue are passed over', () => {
    const env = {
      ...service,
      GOTRUE_MAILER_AUTOCONFRIM: 'true',
      GATEHOUSE_PORT: '1',
      GOTRUE_TRACING_ENABLED: '1',
      OTHER: '1',
    };
    expect(readConfig(env).unknown).toEqual(['GATEHOUSE_PORT', 'GOTRUE_MAILER_AUTOCONFRIM']);
  });

  it('that await something have no effect, which is told where they are not at their default', () => {
    const { warnings } = readConfig({ ...service, GOTRUE_PASSKEY_ENABLED: 'true', GOTRUE_SAML_ENABLED: 'false' });
    expect(warnings).toEqual(['GOTRUE_PASSKEY_ENABLED has no effect: this version does not have passkeys.']);
  });

  it('are each read: every described setting has a parser for its example', () => {
    const broken = describeSettings()
      .flatMap(({ settings }) => settings)
      .filter(({ secret, example }) => example && !secret)
      .filter(({ names: [name = ''], example }) =>
        mistakesOf({ ...service, [name]: example }).some((m) => m.includes(name)),
      )
      // A mail server needs a sender, and says so.
      .map(({ key }) => key);
    expect(broken).toEqual(['smtp_host']);
  });
});

describe('secrets', () => {
  it('are read from the file that NAME_FILE names, without its last line end', () => {
    const file = join(directory, 'secret-key');
    writeFileSync(file, `${SECRET_KEY}\n`);
    const { secrets, sources } = readConfig({ DATABASE_URL, SECRET_KEY_FILE: file });
    expect([secrets.secret_key, sources.get('secret_key')]).toEqual([SECRET_KEY, 'SECRET_KEY']);
  });

  it('are refused twice, and from a file that is not there', () => {
    const file = join(directory, 'missing');
    expect(mistakesOf({ DATABASE_URL, SECRET_KEY, SECRET_KEY_FILE: file })).toEqual([
      'SECRET_KEY and SECRET_KEY_FILE are both set: set one.',
    ]);
    expect(mistakesOf({ DATABASE_URL, SECRET_KEY_FILE: file })).toEqual([
      `SECRET_KEY_FILE names a file that cannot be read: ${file} (ENOENT).`,
    ]);
  });

  it('SECRET_KEY signs and all others only verify; alone, the JWT secret of GoTrue signs', () => {
    const [gotrue, supabase] = ['g'.repeat(40), 's'.repeat(40)];
    const both = readConfig({ ...service, GOTRUE_JWT_SECRET: gotrue, JWT_SECRET: supabase }).secrets;
    expect([both.secret_key, both.verify_only_secrets]).toEqual([SECRET_KEY, [gotrue, supabase]]);
    const alone = readConfig({ DATABASE_URL, GOTRUE_JWT_SECRET: gotrue, JWT_SECRET: gotrue }).secrets;
    expect([alone.secret_key, alone.verify_only_secrets]).toEqual([gotrue, []]);
  });

  it('are not among the settings', () => {
    const { settings } = readConfig({
      ...service,
      GOTRUE_SMTP_PASS: 'of the mail server',
      POSTGRES_PASSWORD: 'of the role',
    });
    expect(JSON.stringify(settings)).not.toMatch(/nobody else|s3cret|of the mail|of the role/);
  });
});

describe('the environment of a GoTrue starts gatehouse', () => {
  const profiles: Record<string, Record<string, string>> = JSON.parse(
    readFileSync(new URL('../vectors/gotrue/profiles.json', import.meta.url), 'utf8'),
  );
  const { confirm } = profiles;
  const all: typeof profiles = {
    ...profiles,
    hooks: {
      ...confirm,
      ...hook('BEFORE_USER_CREATED', 'before-user-created'),
      ...hook('CUSTOM_ACCESS_TOKEN', 'custom-access-token'),
      ...hook('MFA_VERIFICATION_ATTEMPT', 'mfa-attempt'),
      ...hook('PASSWORD_VERIFICATION_ATTEMPT', 'password-attempt'),
      ...hook('SEND_EMAIL', 'send-email'),
    },
    extra: {
      ...confirm,
      GOTRUE_EXTERNAL_GITHUB_ENABLED: 'true',
      GOTRUE_EXTERNAL_GITHUB_CLIENT_ID: 'portal-client',
      GOTRUE_EXTERNAL_GITHUB_SECRET: 'portal-secret',
      GOTRUE_EXTERNAL_GITHUB_REDIRECT_URI: 'http://127.0.0.1:9999/callback',
      GOTRUE_MFA_WEB_AUTHN_ENROLL_ENABLED: 'true',
      GOTRUE_MFA_WEB_AUTHN_VERIFY_ENABLED: 'true',
      GOTRUE_OAUTH_SERVER_ENABLED: 'true',
      GOTRUE_OAUTH_SERVER_ALLOW_DYNAMIC_REGISTRATION: 'true',
      GOTRUE_OAUTH_SERVER_AUTHORIZATION_PATH: '/oauth/consent',
      GOTRUE_PASSKEY_ENABLED: 'true',
      GOTRUE_WEBAUTHN_RP_ID: 'localhost',
      GOTRUE_WEBAUTHN_RP_DISPLAY_NAME: 'Portal',
      GOTRUE_WEBAUTHN_RP_ORIGINS: 'http://localhost:3000',
    },
  };

  it.each(Object.entries(all))('%s', (_name, env) => {
    const { settings, unknown, sources } = readConfig({ ...env, DATABASE_URL });
    expect(unknown).toEqual([]);
    // Every line of it was read.
    expect(sources.size).toBe(Object.keys(env).length + 1);
    expect(settings.jwt_issuer).toBe('http://127.0.0.1:9999/auth/v1');
  });

  it('where its defaults are not ours, a value is GoTrue’s', () => {
    const { settings } = readConfig({ ...all.strict, DATABASE_URL });
    expect(settings).toMatchObject({
      password_min_length: 10,
      sessions_timebox: 24 * 3600,
      sessions_inactivity_timeout: 2 * 3600,
      sessions_single_per_user: true,
      smtp_max_frequency: 60,
      rate_limit_header: 'X-Forwarded-For',
      jwt_exp: 1800,
    });
    // GoTrue's own start puts its default in the place of 0s.
    expect(readConfig({ ...confirm, DATABASE_URL }).settings.smtp_max_frequency).toBe(60);
  });
});

function hook(name: string, path: string): Record<string, string> {
  return {
    [`GOTRUE_HOOK_${name}_ENABLED`]: 'true',
    [`GOTRUE_HOOK_${name}_SECRETS`]: 'v1,whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=',
    [`GOTRUE_HOOK_${name}_URI`]: `http://127.0.0.1:2526/${path}`,
  };
}

function jwks(...keys: { kid: string; key_ops: string[] }[]): string {
  return JSON.stringify(keys.map((key) => ({ kty: 'oct', k: 'AAAA', ...key })));
}
