/**
 * The keys of access tokens: one signs, all verify (RFC 7515, 7517, 7518; contract §4.2). What a valid signature is, jose
 * says; the bare HMAC of HS256 is node:crypto's, nine times as fast, and a test holds the two to each other.
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';
import { CompactSign, compactVerify, errors } from 'jose';
import { type PrivateJwk, signingAlgorithm } from '../config/values.ts';
import { ConfigMistakes, type Secrets, type Settings } from '../config.ts';
import { AuthError } from '../errors.ts';

/** A public key as the JWKS shows it. */
export interface PublicJwk extends Record<string, unknown> {
  kty: string;
  kid: string;
  alg: string;
}

export interface VerifiedPayload {
  payload: Record<string, unknown>;
  /** Signed by a key that signs here; false of those that only verify: another system's, or of before a rotation. */
  ours: boolean;
}

export interface SigningKeys {
  /** The claims as a compact JWS. */
  sign(claims: object): string | Promise<string>;
  /**
   * What was signed, unjudged but for its signature and form.
   *
   * @throws AuthError `bad_jwt`
   */
  verify(token: string): VerifiedPayload | Promise<VerifiedPayload>;
  /** Public halves of asymmetric keys (RFC 7517 §5). No symmetric key is ever listed. */
  readonly jwks: { keys: PublicJwk[] };
}

interface Key {
  kid: string | undefined;
  algorithm: string;
  signs: boolean;
  /** False of a secret that another system signed with. */
  ours: boolean;
  /** Of HS256 the secret, else the private key. A key object: of bytes node:crypto asks at each use what they are, for 13 to 35 µs. */
  key: KeyObject;
}

type KeySecrets = Pick<Secrets, 'secret_key' | 'verify_only_secrets' | 'jwt_keys'>;

/**
 * Longer than any token that we sign: 6 KiB is what `PUT /user` lets one grow to, and what does not fit into a request's
 * headers is not a token that somebody could have presented.
 */
const TOKEN_MAX_LENGTH = 16_384;
const BASE64URL = /^[\w-]+$/;

/**
 * @throws ConfigMistakes for a JWK that is no key
 * @throws Error without a key that signs: config.ts refuses such an environment before
 */
export function createSigningKeys(
  { secret_key, verify_only_secrets, jwt_keys = [] }: KeySecrets,
  { jwt_key_id, jwt_valid_methods }: Pick<Settings, 'jwt_key_id' | 'jwt_valid_methods'>,
): SigningKeys {
  const keys = jwt_keys.map(readJwk);
  if (secret_key !== undefined) {
    keys.push({ ...sharedSecret(secret_key), kid: jwt_key_id, signs: keys.length === 0, ours: true });
  }
  keys.push(...verify_only_secrets.map(sharedSecret));
  const signer = keys.find(({ signs }) => signs);
  if (!signer) throw new Error('no key signs access tokens');

  const allowed = new Set(jwt_valid_methods.length > 0 ? jwt_valid_methods : keys.map(({ algorithm }) => algorithm));
  const header = { alg: signer.algorithm, ...(signer.kid && { kid: signer.kid }), typ: 'JWT' };
  const encodedHeader = encode(header);

  /** Keys that may have signed it: the one it names, else, of HS256, the secrets. */
  function candidates({ alg, kid }: JoseHeader): Key[] {
    const named = typeof kid === 'string' ? keys.filter((key) => key.kid === kid && key.algorithm === alg) : [];
    return named.length > 0 ? named : alg === 'HS256' ? keys.filter((key) => key.algorithm === 'HS256') : [];
  }

  return {
    sign(claims) {
      if (signer.algorithm !== 'HS256') return signWithJose(claims, header, signer);
      const input = `${encodedHeader}.${encode(claims)}`;
      return `${input}.${hmac(signer.key, input).toString('base64url')}`;
    },
    verify(token) {
      const parts = splitToken(token);
      const alg = parts.header.alg;
      if (typeof alg !== 'string' || !allowed.has(alg)) {
        throw badSignature(`signing method ${typeof alg === 'string' ? printable(alg) : 'unknown'} is invalid`);
      }
      // A reader that does not know an extension must refuse it (RFC 7515 §4.1.11): we know none.
      if (parts.header.crit !== undefined) throw badSignature('signature is invalid', 'the header has "crit"');
      if (alg !== 'HS256') return verifyWithJose(token, parts, candidates(parts.header));

      const presented = Buffer.from(parts.signature, 'base64url');
      const key = candidates(parts.header).find((candidate) => {
        const expected = hmac(candidate.key, parts.input);
        return presented.length === expected.length && timingSafeEqual(presented, expected);
      });
      if (!key) throw badSignature('signature is invalid');
      return { payload: readPayload(parts.payload), ours: key.ours };
    },
    jwks: { keys: keys.filter(({ algorithm }) => algorithm !== 'HS256').map(publicJwk) },
  };
}

async function verifyWithJose(token: string, { payload }: TokenParts, from: Key[]): Promise<VerifiedPayload> {
  for (const { key, algorithm, ours } of from) {
    try {
      await compactVerify(token, createPublicKey(key), { algorithms: [algorithm] });
      return { payload: readPayload(payload), ours };
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
    }
  }
  throw badSignature('signature is invalid');
}

async function signWithJose(claims: object, header: { alg: string; kid?: string }, { key }: Key): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader(header).sign(key);
}

function hmac(key: KeyObject, input: string): Buffer {
  return createHmac('sha256', key).update(input).digest();
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

interface JoseHeader {
  alg?: unknown;
  kid?: unknown;
  crit?: unknown;
}

interface TokenParts {
  header: JoseHeader;
  /** Header and payload as they were signed. */
  input: string;
  payload: string;
  signature: string;
}

function splitToken(token: string): TokenParts {
  const [head = '', payload = '', signature = '', ...more] = token.length <= TOKEN_MAX_LENGTH ? token.split('.') : [];
  if (!head || token.split('.', 4).length !== 3 || more.length > 0) {
    throw malformed('token contains an invalid number of segments');
  }
  const header = readJson(head);
  if (!header) throw malformed('could not JSON decode header');
  // Base64url has spare bits in its last character: one signature has one spelling.
  if (Buffer.from(signature, 'base64url').toString('base64url') !== signature)
    throw badSignature('signature is invalid');
  return { header, input: `${head}.${payload}`, payload, signature };
}

function readPayload(payload: string): Record<string, unknown> {
  const claims = readJson(payload);
  if (!claims) throw malformed('could not JSON decode claim');
  return claims;
}

function readJson(part: string): Record<string, unknown> | undefined {
  if (!BASE64URL.test(part)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** What a caller named is repeated to it as far as it can be an algorithm's name. */
function printable(alg: string): string {
  return /^[\w-]{1,16}$/.test(alg) ? alg : 'unknown';
}

const UNVERIFIED = 'invalid JWT: unable to parse or verify signature';

function malformed(complaint: string): AuthError {
  return new AuthError('bad_jwt', { message: `${UNVERIFIED}, token is malformed: ${complaint}` });
}

function badSignature(complaint: string, reason?: string): AuthError {
  return new AuthError('bad_jwt', {
    message: `${UNVERIFIED}, token signature is invalid: ${complaint}`,
    ...(reason && { reason }),
  });
}

function sharedSecret(secret: string): Key {
  return { kid: undefined, algorithm: 'HS256', signs: false, ours: false, key: createSecretKey(secret, 'utf8') };
}

function readJwk(jwk: PrivateJwk): Key {
  const signs = jwk.key_ops?.includes('sign') ?? false;
  try {
    const key =
      jwk.kty === 'oct' ? createSecretKey(String(jwk.k), 'base64url') : createPrivateKey({ key: jwk, format: 'jwk' });
    return { kid: jwk.kid, algorithm: signingAlgorithm(jwk), signs, ours: true, key };
  } catch {
    throw new ConfigMistakes([`GATEHOUSE_JWT_KEYS holds a JWK that is no private key: the one with kid ${jwk.kid}.`]);
  }
}

function publicJwk({ key, kid = '', algorithm }: Key): PublicJwk {
  const exported = createPublicKey(key).export({ format: 'jwk' });
  return { ...exported, kty: String(exported.kty), kid, alg: algorithm, use: 'sig', key_ops: ['verify'] };
}
