/** POST /signup: somebody makes an account for themselves, or asks for an anonymous one (contract §2.3). */
import { randomUUID } from 'node:crypto';
import { record, recordRefusal } from '../audit/record.ts';
import { inTransaction, type Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Metadata } from '../http/body.ts';
import type { Occasion } from '../http/caller.ts';
import { refuseTooSoon } from '../mail/frequency.ts';
import { mailOneTimeToken } from '../one-time-tokens/mail-token.ts';
import { refuseBreached } from '../passwords/breached-passwords.ts';
import { refuseUnfit } from '../passwords/strength.ts';
import type { SessionRow } from '../sessions/sessions.sql.ts';
import { startSession } from '../sessions/start-session.ts';
import { emailAddress } from './address.ts';
import { withoutNulls } from './create-user.ts';
import { evenOut } from './even-time.ts';
import { emailIdentityData } from './identity-data.ts';
import { type ChallengeBody, type CodeChallenge, readCodeChallenge, startFlow } from './pkce.ts';
import { refuseOversizedToken } from './token-size.ts';
import { isUnproven } from './unproven.ts';
import { actorOf, type User, type UserRow, userJson } from './user.ts';
import { findUser, insertUser, lockUserByAddress, type NewUser, replaceSignUp, updateUser } from './users.sql.ts';

export interface SignUpBody extends ChallengeBody {
  email?: string | undefined;
  phone?: string | undefined;
  password?: string | undefined;
  /** Becomes `user_metadata`. */
  data?: Metadata | undefined;
}

export interface SignUpRequest {
  aud: string;
  /** Where the link of the mail leads in the end. */
  redirect_to: string;
  occasion: Occasion;
  signal?: AbortSignal | undefined;
}

/** A user who has a mail to confirm, or one who is signed in. */
export type SignedUp = { user: User } | { session: SessionRow };

const PROVIDER = { provider: 'email' };
/** Far longer than what a new address costs beyond one that is known. */
const STEP_MS = 50;

/**
 * A new user, who is signed in at once where addresses need no confirmation, and otherwise is sent a mail. An address that
 * somebody has confirmed is answered with a user who does not exist, and nothing changes. Of an address that nobody has
 * confirmed the last sign-up counts: its password, metadata and audience take the place of the earlier one's, so that nobody
 * gets into an account by having signed up for its address before its owner, nor keeps the owner out of it (CVE class 39).
 *
 * @throws AuthError in GoTrue's order `anonymous_provider_disabled`, `signup_disabled`, `validation_failed`,
 *   `weak_password`, `phone_provider_disabled`, `email_provider_disabled`, `over_email_send_rate_limit`; under any race
 *   `user_already_exists` where addresses need no confirmation
 */
export async function signUpUser(gatehouse: Gatehouse, body: SignUpBody, request: SignUpRequest): Promise<SignedUp> {
  const { db, mailer, passwords, passwordRules, settings } = gatehouse;
  const { email: address, phone, password } = body;
  if (!address && !phone) return signUpAnonymously(gatehouse, body, request);
  if (settings.disable_signup) throw new AuthError('signup_disabled');
  if (!password) refuse('Signup requires a valid password');
  refuseUnfit(password, passwordRules, { email: address, phone, raw_user_meta_data: body.data });
  if (address && phone) refuse('Only an email address or phone number should be provided on signup.');
  if (phone && body.code_challenge) refuse('PKCE not supported for phone signups');
  const challenge = readCodeChallenge(body);
  // Messages to phones are yet to be sent from here.
  if (!address) throw new AuthError('phone_provider_disabled', { status: 400, message: 'Phone signups are disabled' });
  if (!settings.external_email_enabled) {
    throw new AuthError('email_provider_disabled', { status: 400, message: 'Email signups are disabled' });
  }
  const email = emailAddress(address);
  const person = newPerson(gatehouse, email, body, request);
  await refuseOversizedToken(gatehouse, person, request.occasion.now);

  passwords.refuseWhenFull();
  await refuseBreached(gatehouse, password, request);

  // Whether or not somebody has the address: the hash takes longer than all the rest, which evens out with it.
  const began = performance.now();
  const encrypted_password = await passwords.hash(password, request.signal);

  const asked = { ...person, encrypted_password };
  if (settings.mailer_autoconfirm) return inTransaction(db, (tx) => signUpAtOnce(tx, asked, request));

  try {
    const answer = await inTransaction(db, (tx) => askForConfirmation(tx, gatehouse, asked, challenge, request));
    mailer.wake();
    return { user: answer };
  } finally {
    await evenOut(began, STEP_MS, request.signal);
  }
}

/** A sign-up as the row that it becomes. */
export interface Person
  extends Pick<NewUser, 'id' | 'aud' | 'role' | 'is_anonymous' | 'raw_app_meta_data' | 'raw_user_meta_data' | 'now'> {
  email: string;
  email_confirmed_at: string | undefined;
  /** What its identity says. */
  identity_data: Metadata;
  /** As the body had them. */
  data: Metadata;
}
export type AskedPerson = Person & { encrypted_password: string };

export function newPerson(
  { settings }: Gatehouse,
  email: string,
  { data = {} }: SignUpBody,
  { aud, occasion }: SignUpRequest,
): Person {
  const id = randomUUID();
  const now = occasion.now.toISOString();
  const identity_data = emailIdentityData(id, email, false, withoutNulls(data));
  return {
    id,
    aud,
    role: settings.jwt_default_group_name,
    email,
    is_anonymous: false,
    raw_app_meta_data: { ...PROVIDER, providers: ['email'] },
    raw_user_meta_data: settings.mailer_autoconfirm ? { ...identity_data, email_verified: true } : identity_data,
    email_confirmed_at: settings.mailer_autoconfirm ? now : undefined,
    identity_data,
    data,
    now,
  };
}

/**
 * Where a mail has to be answered first.
 *
 * @throws AuthError `over_email_send_rate_limit`
 */
export async function askForConfirmation(
  tx: Tx,
  gatehouse: Gatehouse,
  person: AskedPerson,
  challenge: CodeChallenge | undefined,
  { aud, redirect_to, occasion }: SignUpRequest,
): Promise<User> {
  const { now } = occasion;
  const { user, isNew } = await insertOrLock(tx, person);
  if (!isNew && !awaitsConfirmation(user, person.email)) {
    await recordRepetition(tx, user, occasion);
    return inventedUser(person, aud);
  }
  if (!isNew) {
    refuseTooSoon(user.confirmation_sent_at, gatehouse.settings, now);
    if (isUnproven(user)) await replaceSignUp(tx, replacementOf(user, person));
  }
  if (challenge) {
    const flow = { user_id: user.id, provider_type: 'email', authentication_method: 'email/signup' } as const;
    await startFlow(tx, challenge, { ...flow, now });
  }
  await mailOneTimeToken(tx, gatehouse, {
    kind: 'confirmation',
    token_type: 'confirmation_token',
    link: 'signup',
    user,
    to: person.email,
    pkce: challenge !== undefined,
    redirect_to,
    now,
  });
  const event = { actor: actorOf(user), subject_id: user.id, details: PROVIDER };
  await record(tx, { action: 'user_confirmation_requested', outcome: 'success', ...event }, occasion);
  const answer = userJson(await existing(tx, user.id));
  // An invitation is the administrator's: to whoever signs up for its address it says nothing but that it is one.
  const isInvited = user.invited_at !== null;
  return isInvited ? { ...answer, user_metadata: {}, identities: [] } : answer;
}

/** Where an address counts as confirmed by being given. A refusal is on record, for the transaction to return. */
export async function signUpAtOnce(
  tx: Tx,
  person: AskedPerson,
  { occasion }: SignUpRequest,
): Promise<{ session: SessionRow } | AuthError> {
  const { user, isNew } = await insertOrLock(tx, person);
  if (!isNew) {
    if (!awaitsConfirmation(user, person.email) || !isUnproven(user)) return refuseRepetition(tx, user, occasion);
    await replaceSignUp(tx, replacementOf(user, person));
    const confirmed = { email_confirmed_at: person.now, user_metadata: { email_verified: true } };
    await updateUser(tx, user.id, confirmed, person.now);
  }
  const actor = actorOf({ ...user, raw_user_meta_data: person.raw_user_meta_data });
  const event = { outcome: 'success', actor, subject_id: user.id, details: PROVIDER } as const;
  await record(tx, { action: 'user_signedup', ...event }, occasion);
  const session = await startSession(tx, { user_id: user.id, authentication_method: 'password', occasion });
  // GoTrue's log is ordered by time alone: what came second is a millisecond later.
  const later = { ...occasion, now: new Date(occasion.now.getTime() + 1) };
  await record(tx, { action: 'login', ...event, session_id: session.session_id }, later);
  return { session: asGotrueAnswers(session) };
}

/** An account without address, password or identity, for as long as somebody keeps its refresh token. */
async function signUpAnonymously(
  gatehouse: Gatehouse,
  { data = {} }: SignUpBody,
  { aud, occasion }: SignUpRequest,
): Promise<SignedUp> {
  const { db, settings } = gatehouse;
  if (!settings.external_anonymous_users_enabled) throw new AuthError('anonymous_provider_disabled');
  if (settings.disable_signup) throw new AuthError('signup_disabled');
  const person = {
    id: randomUUID(),
    aud,
    role: settings.jwt_default_group_name,
    is_anonymous: true,
    raw_app_meta_data: {},
    raw_user_meta_data: withoutNulls(data),
    now: occasion.now.toISOString(),
  };
  await refuseOversizedToken(gatehouse, person, occasion.now);
  return inTransaction(db, async (tx) => {
    await insertUser(tx, { ...person, identities: '[]' });
    const session = await startSession(tx, { user_id: person.id, authentication_method: 'anonymous', occasion });
    const event = { actor: actorOf(session), subject_id: person.id, session_id: session.session_id };
    await record(tx, { action: 'anonymous_signedup', outcome: 'success', ...event }, occasion);
    return { session };
  });
}

/** The user with this address, locked: made now, or there before, however short a time ago. */
async function insertOrLock(
  tx: Tx,
  { identity_data, data: _, ...person }: AskedPerson,
): Promise<{ user: UserRow; isNew: boolean }> {
  const [before] = await lockUserByAddress(tx, { email: person.email });
  if (before) return { user: before, isNew: false };
  const identities = JSON.stringify([{ ...PROVIDER, identity_data }]);
  const [inserted] = await insertUser(tx, { ...person, identities });
  if (inserted) return { user: await existing(tx, inserted.id), isNew: true };
  const [faster] = await lockUserByAddress(tx, { email: person.email });
  if (!faster) throw new AuthError('conflict', { reason: 'the address was taken and given up at the same moment' });
  return { user: faster, isNew: false };
}

/** Nobody has proven this address yet, by this account or in any other way. */
function awaitsConfirmation(
  { email, email_confirmed_at, is_anonymous, deleted_at }: UserRow,
  address: string,
): boolean {
  return email === address && email_confirmed_at === null && deleted_at === null && !is_anonymous;
}

function replacementOf(user: UserRow, { email, data, encrypted_password, aud, now }: AskedPerson) {
  const identity_data = emailIdentityData(user.id, email, false, withoutNulls(data));
  return { id: user.id, encrypted_password, identity_data, aud, now };
}

/** As GoTrue does it: nothing of the account that is there but its address, which the caller gave. */
function inventedUser({ id, email, data, now }: Person, aud: string): User {
  return userJson({
    id,
    aud,
    role: '',
    email,
    encrypted_password: null,
    email_confirmed_at: null,
    invited_at: null,
    phone: null,
    phone_confirmed_at: null,
    confirmation_sent_at: now,
    confirmed_at: null,
    recovery_sent_at: null,
    email_change: null,
    email_change_sent_at: null,
    email_change_confirm_status: 0,
    phone_change: null,
    phone_change_sent_at: null,
    reauthentication_sent_at: null,
    last_sign_in_at: null,
    raw_app_meta_data: { ...PROVIDER, providers: ['email'] },
    raw_user_meta_data: data,
    created_at: now,
    updated_at: now,
    banned_until: null,
    deleted_at: null,
    is_sso_user: false,
    is_anonymous: false,
    identities: [],
    factors: [],
  });
}

async function recordRepetition(tx: Tx, user: UserRow, occasion: Occasion): Promise<void> {
  const event = { actor: actorOf(user), subject_id: user.id, details: PROVIDER };
  await record(tx, { action: 'user_repeated_signup', outcome: 'success', ...event }, occasion);
}

/** GoTrue's event and the refusal are one row: what was refused is the repetition. */
async function refuseRepetition(tx: Tx, user: UserRow, occasion: Occasion): Promise<AuthError> {
  const event = { actor: actorOf(user), subject_id: user.id, details: PROVIDER };
  return recordRefusal(
    tx,
    new AuthError('user_already_exists'),
    { action: 'user_repeated_signup', ...event },
    occasion,
  );
}

/** GoTrue answers with the user as it was in memory: before PostgreSQL had generated a column, after the identity's proof. */
function asGotrueAnswers(session: SessionRow): SessionRow {
  const identities = session.identities.map((identity) => ({
    ...identity,
    identity_data: { ...identity.identity_data, email_verified: true },
  }));
  return { ...session, confirmed_at: null, identities };
}

async function existing(tx: Tx, id: string): Promise<UserRow> {
  const [user] = await findUser(tx, { id });
  if (!user) throw new Error('who is locked is there');
  return user;
}

function refuse(message: string): never {
  throw new AuthError('validation_failed', { message });
}
