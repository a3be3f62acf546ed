/**
 * One user of every kind that occurs in a Supabase project, by name, with what they would type or present: their
 * password, their refresh token, the secret of their second factor. What their rows look like is GoTrue's doing
 * (contract §4.3, §5, §6, §7.1).
 */
import { createHash, createHmac } from 'node:crypto';
import { encryptColumn } from '../column-encryption.ts';
import { type KnownPassword, passwordPool } from './password-pool.ts';

type Row = Record<string, unknown>;

/** A person of the source. */
export interface Person {
  id: string;
  email: string | null;
  phone: string | null;
  /** In clear, when they have one that still works. */
  password: string | undefined;
  encrypted_password: string | null;
}

/** A session at the source with the refresh token that its browser holds. */
export interface LiveSession {
  id: string;
  refresh_token: string;
}

/** Keys of GoTrue's column encryption as its settings spell them. */
export interface ColumnKey {
  id: string;
  /** base64url of 32 bytes. */
  key: string;
}

const NIL_UUID = '00000000-0000-0000-0000-000000000000';
const FAR_FUTURE = '2999-12-31T00:00:00Z';

/**
 * The named people and their rows by table, in an order that foreign keys allow. The same seed and present make the
 * same people.
 */
export function makePeople(seed: number, present: string) {
  const tables = {
    sso_providers: [] as Row[],
    oauth_clients: [] as Row[],
    users: [] as Row[],
    identities: [] as Row[],
    mfa_factors: [] as Row[],
    webauthn_credentials: [] as Row[],
    sessions: [] as Row[],
    mfa_amr_claims: [] as Row[],
    refresh_tokens: [] as Row[],
    one_time_tokens: [] as Row[],
    flow_state: [] as Row[],
  };
  const bytes = (label: string) => createHash('sha256').update(`${seed}:${label}`).digest();
  const uuid = (label: string) => {
    const hex = bytes(label).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  };
  const base32 = (label: string, length: number) =>
    Array.from(bytes(label).subarray(0, length), (byte) => 'abcdefghijklmnopqrstuvwxyz234567'[byte % 32]).join('');
  const daysAgo = (days: number) =>
    new Date(Date.parse(present) - days * 86_400_000).toISOString().replace('Z', '456Z');
  const columnKey = (id: string): ColumnKey => ({ id, key: bytes(`column key ${id}`).toString('base64url') });

  const keys = { held: columnKey('held-key'), lost: columnKey('lost-key') };
  const encrypt = (object_id: string, text: string, { id, key } = keys.held) =>
    encryptColumn(
      text,
      object_id,
      { key_id: id, key: Buffer.from(key, 'base64url') },
      bytes(`nonce ${object_id}`).subarray(0, 12),
    );

  /** A user with one email identity, as GoTrue writes it at sign-up, but for what `change` says. */
  function person(name: string, known: KnownPassword | undefined, change: Row = {}): Person {
    const id = uuid(`user ${name}`);
    const email = `${name.replace(/[A-Z0-9]+/g, (part) => `-${part.toLowerCase()}`)}@people.example`;
    const user = {
      instance_id: NIL_UUID,
      id,
      aud: 'authenticated',
      role: 'authenticated',
      email,
      encrypted_password: known?.encrypted_password ?? '',
      email_confirmed_at: daysAgo(200),
      invited_at: null,
      confirmation_token: '',
      confirmation_sent_at: null,
      recovery_token: '',
      recovery_sent_at: null,
      email_change_token_new: '',
      email_change: '',
      email_change_sent_at: null,
      last_sign_in_at: daysAgo(3),
      raw_app_meta_data: { provider: 'email', providers: ['email'] },
      raw_user_meta_data: { full_name: name, sub: id, email, email_verified: true, phone_verified: false },
      is_super_admin: null,
      created_at: daysAgo(201),
      updated_at: daysAgo(3),
      phone: null,
      phone_confirmed_at: null,
      phone_change: '',
      phone_change_token: '',
      email_change_token_current: '',
      email_change_confirm_status: 0,
      banned_until: null,
      reauthentication_token: '',
      is_sso_user: false,
      deleted_at: null,
      is_anonymous: false,
      ...change,
    };
    tables.users.push(user);
    return {
      id,
      email: user.email,
      phone: user.phone,
      password: known?.password,
      encrypted_password: user.encrypted_password,
    };
  }

  function identity({ id, email, phone }: Person, provider = 'email', provider_id = id) {
    const identity_data = {
      sub: provider_id,
      email: email ?? undefined,
      phone: phone ?? undefined,
      email_verified: true,
    };
    tables.identities.push({
      id: uuid(`identity ${provider} ${id}`),
      provider_id,
      user_id: id,
      identity_data,
      provider,
      last_sign_in_at: daysAgo(3),
      created_at: daysAgo(201),
      updated_at: daysAgo(3),
    });
  }

  /** Somebody who signs in with an email address and, mostly, a password. */
  function emailUser(name: string, known?: KnownPassword, change: Row = {}): Person {
    const made = person(name, known, change);
    identity(made);
    return made;
  }

  function session(user: Person, change: Row = {}, methods = ['password']): string {
    const id = uuid(`session ${tables.sessions.length} ${user.id}`);
    tables.sessions.push({
      id,
      user_id: user.id,
      created_at: daysAgo(3),
      updated_at: daysAgo(1),
      factor_id: null,
      aal: 'aal1',
      not_after: null,
      refreshed_at: daysAgo(1).replace('Z', ''),
      user_agent: 'Mozilla/5.0 (X11; Linux x86_64)',
      ip: '203.0.113.9',
      tag: null,
      oauth_client_id: null,
      refresh_token_hmac_key: null,
      refresh_token_counter: null,
      scopes: null,
      ...change,
    });
    for (const [n, authentication_method] of methods.entries()) {
      tables.mfa_amr_claims.push({
        id: uuid(`amr ${authentication_method} ${id}`),
        session_id: id,
        created_at: daysAgo(3),
        updated_at: daysAgo(3 - n),
        authentication_method,
      });
    }
    return id;
  }

  /** A session with counter tokens (v2): its key and counter are in the session's row, its tokens nowhere. */
  function counterSession(user: Person, counter: number, change: Row = {}, methods?: string[]): LiveSession {
    const key = bytes(`session key ${user.id} ${counter}`);
    const id = session(user, { refresh_token_counter: counter, ...change }, methods);
    const row = tables.sessions.at(-1);
    if (row) {
      const text = key.toString('base64url');
      row.refresh_token_hmac_key = row.refresh_token_hmac_key === 'encrypted' ? encrypt(id, text) : text;
    }
    return { id, refresh_token: encodeRefreshToken(id, counter, key) };
  }

  function legacyToken(user: Person, session_id: string | null, token: string, change: Row = {}): string {
    tables.refresh_tokens.push({
      instance_id: NIL_UUID,
      token,
      user_id: user.id,
      revoked: false,
      created_at: daysAgo(3),
      updated_at: daysAgo(2),
      parent: null,
      session_id,
      ...change,
    });
    return token;
  }

  function factor(user: Person, name: string, status: 'verified' | 'unverified', encrypted = false) {
    const id = uuid(`factor ${name} ${user.id}`);
    const secret = base32(`totp ${id}`, 32).toUpperCase();
    tables.mfa_factors.push({
      id,
      user_id: user.id,
      friendly_name: name,
      factor_type: 'totp',
      status,
      created_at: daysAgo(100),
      updated_at: daysAgo(100),
      secret: encrypted ? encrypt(id, secret) : secret,
      phone: null,
      last_challenged_at: status === 'verified' ? daysAgo(3).replace('456Z', `${tables.mfa_factors.length}57Z`) : null,
    });
    return { id, secret };
  }

  /** A mailed link or code: its hash stands in the user's row and in one_time_tokens (contract §7.1). */
  function oneTimeToken(user: Person, token_type: string, relates_to: string, otp: string, days: number) {
    const token_hash = oneTimeTokenHash(relates_to, otp);
    const at = daysAgo(days).replace('Z', '');
    tables.one_time_tokens.push({
      id: uuid(`one-time ${token_type} ${user.id}`),
      user_id: user.id,
      token_type,
      token_hash,
      relates_to,
      created_at: at,
      updated_at: at,
    });
  }
  const mailed = (name: string, otp: string) => oneTimeTokenHash(`${name}@people.example`, otp);

  const pool = passwordPool;
  const sso_provider_id = uuid('sso provider');
  tables.sso_providers.push({ id: sso_provider_id, created_at: daysAgo(300), updated_at: daysAgo(300) });

  // Passwords, in every format.
  const bcrypt2a10 = emailUser('bcrypt2a10', pool.bcrypt_2a_10[0]);
  const bcrypt2a06 = emailUser('bcrypt2a06', pool.bcrypt_2a_06[0]);
  const bcrypt2b = emailUser('bcrypt2b', pool.bcrypt_2b[0]);
  const bcrypt2bCost12 = emailUser('bcrypt2bCost12', pool.bcrypt_2b[1]);
  const bcrypt2y = emailUser('bcrypt2y', pool.bcrypt_2y[0]);
  const argon2id = emailUser('argon2id', pool.argon2id[0]);
  const argon2i = emailUser('argon2i', pool.argon2i[0]);
  const firebase = emailUser('firebase', pool.fbscrypt[0]);
  const longPassword = emailUser('longPassword', pool.bcrypt_over_72_bytes[0]);
  const multibytePassword = emailUser('multibytePassword', pool.bcrypt_multibyte[0]);
  const emptyPassword = emailUser('emptyPassword');
  const encryptedPassword = emailUser('encryptedPassword', pool.bcrypt_2a_10[1], {
    encrypted_password: encrypt(uuid('user encryptedPassword'), pool.bcrypt_2a_10[1].encrypted_password),
  });
  const encryptedLostKey = emailUser('encryptedLostKey', pool.bcrypt_2a_10[2], {
    encrypted_password: encrypt(uuid('user encryptedLostKey'), pool.bcrypt_2a_10[2].encrypted_password, keys.lost),
  });

  // Other ways in.
  const oauthOnly = person('oauthOnly', undefined, {
    encrypted_password: null,
    raw_app_meta_data: { provider: 'google', providers: ['google'] },
  });
  identity(oauthOnly, 'google', '104857600000000000001');
  const threeIdentities = emailUser('threeIdentities', pool.bcrypt_2a_10[3], {
    raw_app_meta_data: { provider: 'email', providers: ['email', 'google', 'azure'] },
  });
  identity(threeIdentities, 'google', '104857600000000000002');
  identity(threeIdentities, 'azure', uuid('azure id'));
  const noIdentity = person('noIdentity', pool.bcrypt_2a_10[4]);
  const phoneOnly = person('phoneOnly', pool.bcrypt_2a_10[5], {
    email: null,
    email_confirmed_at: null,
    phone: `4175${(bytes('phone').readUInt32BE() % 9_000_000) + 1_000_000}`,
    phone_confirmed_at: daysAgo(200),
    raw_app_meta_data: { provider: 'phone', providers: ['phone'] },
  });
  identity(phoneOnly, 'phone');
  const anonymous = person('anonymous', undefined, {
    email: null,
    email_confirmed_at: null,
    is_anonymous: true,
    raw_app_meta_data: {},
    raw_user_meta_data: {},
  });
  const sharedEmail = 'shared@bank.example';
  const withPasswordOfShared = emailUser('withPasswordOfShared', pool.bcrypt_2a_10[6], { email: sharedEmail });
  const [ssoOfShared, otherSsoOfShared] = ['ssoOfShared', 'otherSsoOfShared'].map((name) => {
    const user = person(name, undefined, {
      email: sharedEmail,
      is_sso_user: true,
      raw_app_meta_data: { provider: `sso:${sso_provider_id}`, providers: [`sso:${sso_provider_id}`] },
    });
    identity(user, `sso:${sso_provider_id}`, `${name}@idp.example`);
    return user;
  }) as [Person, Person];

  // Stages of a life.
  const softDeleted = person('softDeleted', undefined, {
    email: bytes('deleted email').toString('base64url'),
    encrypted_password: '',
    deleted_at: daysAgo(20),
    raw_app_meta_data: {},
    raw_user_meta_data: {},
  });
  const banned = emailUser('banned', pool.bcrypt_2a_10[0], { banned_until: FAR_FUTURE });
  const bannedOnce = emailUser('bannedOnce', pool.bcrypt_2a_10[1], { banned_until: daysAgo(50) });
  const unconfirmed = emailUser('unconfirmed', pool.bcrypt_2a_10[2], {
    email_confirmed_at: null,
    last_sign_in_at: null,
    confirmation_token: mailed('unconfirmed', '314159'),
    confirmation_sent_at: daysAgo(0.01),
  });
  oneTimeToken(unconfirmed, 'confirmation_token', 'unconfirmed@people.example', '314159', 0.01);
  const unconfirmedStale = emailUser('unconfirmedStale', pool.bcrypt_2a_10[3], {
    email_confirmed_at: null,
    last_sign_in_at: null,
    confirmation_token: `pkce_${mailed('unconfirmed-stale', '271828')}`,
    confirmation_sent_at: daysAgo(90),
  });
  oneTimeToken(unconfirmedStale, 'confirmation_token', 'unconfirmed-stale@people.example', '271828', 90);
  const invited = emailUser('invited', undefined, {
    email_confirmed_at: null,
    last_sign_in_at: null,
    invited_at: daysAgo(0.02),
    confirmation_token: mailed('invited', '161803'),
    confirmation_sent_at: daysAgo(0.02),
  });
  oneTimeToken(invited, 'confirmation_token', 'invited@people.example', '161803', 0.02);
  const changingEmail = emailUser('changingEmail', pool.bcrypt_2a_10[4], {
    email_change: 'changed@people.example',
    email_change_token_new: mailed('changed', '141421'),
    email_change_token_current: mailed('changing-email', '173205'),
    email_change_sent_at: daysAgo(0.03),
  });
  oneTimeToken(changingEmail, 'email_change_token_new', 'changed@people.example', '141421', 0.03);
  oneTimeToken(changingEmail, 'email_change_token_current', 'changing-email@people.example', '173205', 0.03);
  const recovering = emailUser('recovering', pool.bcrypt_2a_10[5], {
    recovery_token: mailed('recovering', '223606'),
    recovery_sent_at: daysAgo(0.01),
  });
  oneTimeToken(recovering, 'recovery_token', 'recovering@people.example', '223606', 0.01);

  // Rows that somebody wrote by hand.
  const nullTokens = person('nullTokens', pool.bcrypt_2a_06[1], {
    aud: 'authenticated',
    confirmation_token: null,
    recovery_token: null,
    email_change_token_new: null,
    email_change: null,
    phone_change: null,
    phone_change_token: null,
    email_change_token_current: null,
    reauthentication_token: null,
    raw_app_meta_data: null,
    raw_user_meta_data: null,
  });
  identity(nullTokens);
  const foreignInstance = emailUser('foreignInstance', pool.bcrypt_2a_10[6], { instance_id: uuid('another instance') });
  const noInstance = emailUser('noInstance', pool.bcrypt_2a_10[7], { instance_id: null });
  const oddMetadata = emailUser('oddMetadata', pool.bcrypt_2a_10[7], {
    raw_user_meta_data: {
      full_name: 'Ŝtrange "quoted" \\ back\tslash\r\n \\N 🦊 \u00e9 e\u0301 \ufffe',
      nested: { list: [1, 2.5, 1e-7, null, true], empty: {} },
    },
  });

  // Legacy refresh tokens (v1): a family of four, the second redeemed twice within the interval, so two branches.
  const legacyFamily = emailUser('legacyFamily', pool.bcrypt_2a_10[0]);
  const family_id = session(legacyFamily);
  const names = ['first', 'second', 'third', 'branch', 'current'];
  const [first, second, third, branch, current] = names.map((name) => base32(`legacy ${name}`, 12)) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const revoked = { revoked: true };
  legacyToken(legacyFamily, family_id, first, { ...revoked, parent: '' });
  legacyToken(legacyFamily, family_id, second, { ...revoked, parent: first });
  legacyToken(legacyFamily, family_id, third, { ...revoked, parent: second });
  legacyToken(legacyFamily, family_id, branch, { ...revoked, parent: second });
  legacyToken(legacyFamily, family_id, current, { parent: third });
  const oldToken = emailUser('oldToken', pool.bcrypt_2a_10[1]);
  const oldSession = session(oldToken);
  const orphanToken = emailUser('orphanToken', pool.bcrypt_2a_10[2]);

  // Counter refresh tokens (v2).
  const counter0 = emailUser('counter0', pool.bcrypt_2a_10[3]);
  const counter1 = emailUser('counter1', pool.bcrypt_2a_10[4]);
  const counter300 = emailUser('counter300', pool.bcrypt_2a_10[5]);
  const encryptedKey = emailUser('encryptedKey', pool.bcrypt_2a_10[6]);
  const expiredSession = emailUser('expiredSession', pool.bcrypt_2a_10[7]);
  const endingSession = emailUser('endingSession', pool.bcrypt_2a_10[0]);

  // Second factors.
  const totp = emailUser('totp', pool.bcrypt_2a_10[1]);
  const totpFactor = factor(totp, 'Phone', 'verified');
  const totpUnverified = emailUser('totpUnverified', pool.bcrypt_2a_10[2]);
  const unverifiedFactor = factor(totpUnverified, 'New phone', 'unverified');
  const totpEncrypted = emailUser('totpEncrypted', pool.bcrypt_2a_10[3]);
  const encryptedFactor = factor(totpEncrypted, 'Phone', 'verified', true);
  const passkey = emailUser('passkey', pool.bcrypt_2a_10[4]);
  tables.webauthn_credentials.push({
    id: uuid('passkey'),
    user_id: passkey.id,
    credential_id: `\\x${bytes('credential').toString('hex')}`,
    public_key: `\\x${bytes('public key').toString('hex')}00ff`,
    attestation_type: 'none',
    aaguid: uuid('aaguid'),
    sign_count: 7,
    transports: ['internal', 'hybrid'],
    backup_eligible: true,
    backed_up: true,
    friendly_name: 'Laptop',
    created_at: daysAgo(60),
    updated_at: daysAgo(5),
  });

  // A session that an application holds on a user's behalf (Supabase's OAuth server).
  const throughClient = emailUser('throughClient', pool.bcrypt_2a_10[5]);
  const oauth_client_id = uuid('oauth client');
  tables.oauth_clients.push({
    id: oauth_client_id,
    registration_type: 'manual',
    redirect_uris: 'https://reports.example/callback',
    grant_types: 'authorization_code,refresh_token',
    client_name: 'Reports',
    created_at: daysAgo(70),
    updated_at: daysAgo(70),
    client_type: 'public',
    token_endpoint_auth_method: 'none',
  });
  tables.flow_state.push({
    id: uuid('flow'),
    user_id: invited.id,
    auth_code: uuid('auth code'),
    code_challenge_method: 's256',
    code_challenge: bytes('challenge').toString('base64url'),
    provider_type: 'magiclink',
    created_at: daysAgo(0.001),
    updated_at: daysAgo(0.001),
    authentication_method: 'magiclink',
    email_optional: false,
  });

  const people = {
    bcrypt2a10,
    bcrypt2a06,
    bcrypt2b,
    bcrypt2bCost12,
    bcrypt2y,
    argon2id,
    argon2i,
    firebase,
    longPassword,
    multibytePassword,
    emptyPassword,
    encryptedPassword,
    encryptedLostKey,
    oauthOnly,
    threeIdentities,
    noIdentity,
    phoneOnly,
    anonymous: { ...anonymous, session: counterSession(anonymous, 0, {}, ['anonymous']) },
    withPasswordOfShared,
    ssoOfShared,
    otherSsoOfShared,
    softDeleted,
    banned: { ...banned, session: counterSession(banned, 5) },
    bannedOnce,
    unconfirmed: { ...unconfirmed, otp: '314159' },
    unconfirmedStale: { ...unconfirmedStale, otp: '271828' },
    invited: { ...invited, otp: '161803' },
    changingEmail: { ...changingEmail, otp: '173205', new_email: 'changed@people.example', new_email_otp: '141421' },
    recovering: { ...recovering, otp: '223606' },
    nullTokens,
    foreignInstance,
    noInstance,
    oddMetadata,
    legacyFamily: {
      ...legacyFamily,
      session: { id: family_id, refresh_token: current },
      /** Oldest first: redeemed once, redeemed twice, parent of the current one, a branch nobody went on with. */
      revoked_tokens: { first, second, third, branch },
    },
    oldToken: {
      ...oldToken,
      session: {
        id: oldSession,
        refresh_token: legacyToken(oldToken, oldSession, bytes('old token').toString('base64url').slice(0, 22)),
      },
    },
    orphanToken: { ...orphanToken, refresh_token: legacyToken(orphanToken, null, base32('orphan', 12)) },
    counter0: { ...counter0, session: counterSession(counter0, 0) },
    counter1: { ...counter1, session: counterSession(counter1, 1) },
    counter300: { ...counter300, session: counterSession(counter300, 300) },
    encryptedKey: {
      ...encryptedKey,
      session: counterSession(encryptedKey, 2, { refresh_token_hmac_key: 'encrypted' }),
    },
    expiredSession: { ...expiredSession, session: counterSession(expiredSession, 1, { not_after: daysAgo(2) }) },
    endingSession: { ...endingSession, session: counterSession(endingSession, 1, { not_after: FAR_FUTURE }) },
    totp: {
      ...totp,
      factor: totpFactor,
      session: counterSession(totp, 2, { aal: 'aal2', factor_id: totpFactor.id }, ['password', 'totp']),
    },
    totpUnverified: { ...totpUnverified, factor: unverifiedFactor },
    totpEncrypted: { ...totpEncrypted, factor: encryptedFactor },
    passkey,
    throughClient: {
      ...throughClient,
      session: counterSession(throughClient, 0, { oauth_client_id, scopes: 'openid email' }, [
        'oauth_provider/authorization_code',
      ]),
    },
  };
  return { people, tables, keys };
}

export type People = ReturnType<typeof makePeople>['people'];

/** What is stored of a mailed code: lower-case hex SHA-224 of address and code (contract §7.1). */
function oneTimeTokenHash(relates_to: string, otp: string): string {
  return createHash('sha224')
    .update(relates_to + otp)
    .digest('hex');
}

/** GoTrue's v2 refresh token (contract §4.3). */
function encodeRefreshToken(session_id: string, counter: number, key: Buffer): string {
  const varint: number[] = [];
  for (let rest = counter; ; rest >>>= 7) {
    if (rest < 0x80) {
      varint.push(rest);
      break;
    }
    varint.push((rest & 0x7f) | 0x80);
  }
  const body = Buffer.concat([Buffer.of(0), Buffer.from(session_id.replaceAll('-', ''), 'hex'), Buffer.from(varint)]);
  const signed = Buffer.concat([body, createHmac('sha256', key).update(body).digest().subarray(0, 16)]);
  return Buffer.concat([signed, createHash('sha256').update(signed).digest().subarray(0, 4)]).toString('base64url');
}
