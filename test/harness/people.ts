/** People with an account, and what they and backends hold in their hands. */
import { createHmac, randomUUID } from 'node:crypto';
import type { TestApp } from './app.ts';
import { SECRET_KEY } from './app.ts';

export interface Person {
  id: string;
  email: string;
  password: string;
}

export interface SignedInPerson extends Person {
  access_token: string;
  refresh_token: string;
  session_id: string;
  /** The whole answer of POST /token. */
  session: Record<string, unknown>;
}

/** Columns of `auth.users`, by name. */
export type UserColumns = Record<string, unknown>;

const PASSWORD = 'correct horse battery';

/**
 * Somebody who signed up and confirmed the address, as rows, without going through any door. `columns` of `auth.users`
 * win: `{ email_confirmed_at: null }` is somebody who did not confirm.
 */
export async function addPerson(
  { gatehouse, database, clock }: Pick<TestApp, 'gatehouse' | 'database' | 'clock'>,
  {
    email = `ann.${randomUUID().slice(0, 8)}@example.com`,
    password = PASSWORD,
    ...columns
  }: UserColumns & {
    email?: string;
    password?: string;
  } = {},
): Promise<Person> {
  const id = randomUUID();
  const now = clock.now().toISOString();
  const row: UserColumns = {
    instance_id: '00000000-0000-0000-0000-000000000000',
    id,
    aud: 'authenticated',
    role: 'authenticated',
    email,
    encrypted_password: await gatehouse.passwords.hash(password),
    email_confirmed_at: now,
    raw_app_meta_data: { provider: 'email', providers: ['email'] },
    raw_user_meta_data: { sub: id, email, email_verified: true, phone_verified: false },
    confirmation_token: '',
    recovery_token: '',
    email_change_token_new: '',
    email_change: '',
    created_at: now,
    updated_at: now,
    ...columns,
  };
  const names = Object.keys(row);
  await database.pool.query(
    `insert into auth.users (${names.map((name) => `"${name}"`).join(', ')})
     values (${names.map((_, index) => `$${index + 1}`).join(', ')})`,
    Object.values(row),
  );
  await database.pool.query(
    `insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
     values ($1::text, $2::uuid, $3::jsonb, 'email', $4, $4, $4)`,
    [id, id, { sub: id, email, email_verified: true, phone_verified: false }, now],
  );
  return { id, email, password };
}

/** Signs the person in by password through POST /token. */
export async function signIn({ request }: Pick<TestApp, 'request'>, person: Person): Promise<SignedInPerson> {
  const { status, body } = await request
    .post('/token?grant_type=password')
    .send({ email: person.email, password: person.password });
  if (status !== 200) throw new Error(`signing in: ${status} ${JSON.stringify(body)}`);
  return {
    ...person,
    access_token: body.access_token,
    refresh_token: body.refresh_token,
    session_id: claimsOf(body.access_token).session_id as string,
    session: body,
  };
}

/** A person who did not exist before, signed in. */
export async function addSignedInPerson(
  app: Pick<TestApp, 'gatehouse' | 'database' | 'clock' | 'request'>,
  columns?: Parameters<typeof addPerson>[1],
): Promise<SignedInPerson> {
  return signIn(app, await addPerson(app, columns));
}

/** The API key that a portal is delivered with. */
export function anonKey({ clock }: Pick<TestApp, 'clock'>): string {
  return apiKey('anon', clock.now());
}

/** The API key of a backend that may administer users. */
export function serviceKey({ clock }: Pick<TestApp, 'clock'>): string {
  return apiKey('service_role', clock.now());
}

function apiKey(role: string, now: Date): string {
  const iat = Math.floor(now.getTime() / 1000) - 60;
  return mintJwt({ role, iss: 'supabase', iat, exp: iat + 10 * 365 * 86_400 });
}

export interface JwtMaking {
  header?: Record<string, unknown>;
  key?: string | Buffer;
}

/** A JWT of any claims, signed by HMAC as its header says; `alg: none` has no signature. */
export function mintJwt(claims: Record<string, unknown>, { header = {}, key = SECRET_KEY }: JwtMaking = {}): string {
  const head = { alg: 'HS256', typ: 'JWT', ...header };
  const input = `${base64url(head)}.${base64url(claims)}`;
  const bits = /^HS(\d{3})$/.exec(head.alg)?.[1];
  return `${input}.${bits ? createHmac(`sha${bits}`, key).update(input).digest('base64url') : ''}`;
}

/** The claims of a JWT, whoever signed it. */
export function claimsOf(jwt: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
}

export const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
