/** POST /admin/users: an administrator makes a user (contract §9.2). No mail goes out and nobody signs in. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Actor } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { inTransaction } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Metadata } from '../http/body.ts';
import type { Occasion } from '../http/caller.ts';
import { readHash } from '../passwords/encoded-hash.ts';
import { emailAddress, phoneNumber } from './address.ts';
import { bannedUntil } from './ban-duration.ts';
import { emailIdentityData, phoneIdentityData } from './identity-data.ts';
import { refuseTaken } from './taken.ts';
import type { UserRow } from './user.ts';
import { findUser, insertUser } from './users.sql.ts';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NIL_UUID = '00000000-0000-0000-0000-000000000000';

/** Columns are varchar(255). */
const COLUMN_MAX_LENGTH = 255;

/** What an administrator says about a user; absent and empty are the same. */
export interface AdministeredUser {
  id?: string | undefined;
  aud?: string | undefined;
  role?: string | undefined;
  email?: string | undefined;
  phone?: string | undefined;
  password?: string | undefined;
  /** As another system stored it, in a format that a sign-in verifies. */
  password_hash?: string | undefined;
  email_confirm?: boolean | undefined;
  phone_confirm?: boolean | undefined;
  user_metadata?: Metadata | undefined;
  app_metadata?: Metadata | undefined;
  /** A Go duration, or `none`. */
  ban_duration?: string | undefined;
}

export interface Administration {
  actor: Actor;
  occasion: Occasion;
  signal?: AbortSignal | undefined;
}

/**
 * A new user, with an identity per address. Without a password or a hash, a password that nobody knows is set, as GoTrue
 * does. How strong a password is, is for the administrator to judge.
 *
 * @throws AuthError `validation_failed` for what cannot be a user; under any race `email_exists`, `phone_exists` and
 *   `user_already_exists` for an address, a number and an id that somebody has
 */
export async function createUser(
  { db, passwords, settings }: Gatehouse,
  body: AdministeredUser,
  { aud, actor, occasion, signal }: Administration & { aud: string },
): Promise<UserRow> {
  if (!body.email && !body.phone) refuse('Cannot create a user without either an email or phone');
  const email = body.email ? emailAddress(body.email) : undefined;
  const phone = body.phone ? phoneNumber(body.phone) : undefined;
  if (body.password !== undefined && body.password_hash) {
    refuse('Only a password or a password hash should be provided');
  }
  if (body.password_hash) refuseForeignHash(body.password_hash);
  const id = body.id ? ownId(body.id) : randomUUID();
  const role = roleOf(body) ?? settings.jwt_default_group_name;
  const banned_until = body.ban_duration ? bannedUntil(body.ban_duration, occasion.now)?.toISOString() : undefined;
  if (!body.password_hash) passwords.refuseWhenFull();
  await refuseTaken(db, { email, phone });

  const encrypted_password = body.password_hash || (await passwords.hash(body.password || unknownPassword(), signal));

  const now = occasion.now.toISOString();
  const identities = [
    ...(email ? [{ provider: 'email', identity_data: emailIdentityData(id, email, false) }] : []),
    ...(phone ? [{ provider: 'phone', identity_data: phoneIdentityData(id, phone, false) }] : []),
  ];
  const providers = identities.map(({ provider }) => provider);
  const [provider] = providers;
  return inTransaction(db, async (tx) => {
    const [inserted] = await insertUser(tx, {
      id,
      aud: atMost(COLUMN_MAX_LENGTH, body.aud, 'aud') || aud,
      role,
      email,
      phone,
      encrypted_password,
      email_confirmed_at: email && body.email_confirm ? now : undefined,
      phone_confirmed_at: phone && body.phone_confirm ? now : undefined,
      banned_until,
      is_anonymous: false,
      raw_app_meta_data: withoutNulls({ provider, providers, ...body.app_metadata }),
      raw_user_meta_data: { ...body.user_metadata, ...(email && body.email_confirm && { email_verified: true }) },
      identities: JSON.stringify(identities),
      now,
    });
    if (!inserted) {
      await refuseTaken(tx, { email, phone });
      throw new AuthError('user_already_exists');
    }
    const details = { user_id: id, user_email: email ?? '', user_phone: phone ?? '', provider };
    const remarks = { set: namesIn(body), role };
    await record(
      tx,
      { action: 'user_signedup', outcome: 'success', actor, subject_id: id, details, remarks },
      occasion,
    );
    const [user] = await findUser(tx, { id });
    if (!user) throw new Error('what was inserted is there');
    return user;
  });
}

/**
 * The role that an administrator gives; undefined where none.
 *
 * @throws AuthError `validation_failed` for one that no column holds
 */
export function roleOf({ role }: AdministeredUser): string | undefined {
  return atMost(COLUMN_MAX_LENGTH, role?.trim(), 'role') || undefined;
}

/** What an administrator set, by name, for the audit log: values are the user's row's to tell. */
export function namesIn(body: AdministeredUser): string[] {
  return Object.entries(body).flatMap(([name, value]) => (value === undefined || value === '' ? [] : [name]));
}

/** 384 random bits. Only its hash is kept, so that a row without a password is one that never had any. */
function unknownPassword(): string {
  return randomBytes(48).toString('base64url');
}

function refuseForeignHash(password_hash: string): void {
  atMost(COLUMN_MAX_LENGTH, password_hash, 'password_hash');
  if (!readHash(password_hash)) refuse('The password hash is of no format that is verified');
}

function ownId(text: string): string {
  const id = text.toLowerCase();
  if (!UUID.test(id)) refuse('ID must conform to the uuid v4 format');
  if (id === NIL_UUID) refuse('ID cannot be a nil uuid');
  return id;
}

export function withoutNulls(metadata: Metadata): Metadata {
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null));
}

function atMost(length: number, value: string | undefined, name: string): string | undefined {
  if (value && value.length > length) refuse(`${name} is too long (max ${length} characters)`);
  return value;
}

function refuse(message: string): never {
  throw new AuthError('validation_failed', { message });
}
