/** Whether an access token is one that we may believe: signature first, then its claims (RFC 8725, contract §2.0). */
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';

/** The claims of a token that was verified (contract §4.1). API keys have a role and little else. */
export interface AccessTokenClaims extends Record<string, unknown> {
  exp: number;
  iat?: number;
  iss?: string;
  /** A user's id; absent in an API key. */
  sub?: string;
  /** A session's id; absent in an API key. */
  session_id?: string;
  aud?: string | string[];
  role?: string;
}

/** How far another machine's clock may be ahead of ours. */
const CLOCK_SKEW_SECONDS = 60;
const NIL_UUID = '00000000-0000-0000-0000-000000000000';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * The claims of a token that was signed by a key of ours, is not over and has begun. Whose it is, whether that one still
 * exists and for whom the token is meant is for its room to say.
 *
 * Stricter than GoTrue (contract appendix C, "JWT"): a token has an end, was not issued in the future, and names no other
 * issuer. A token that only a verify-only key signed is another system's, and names that one.
 *
 * @throws AuthError `bad_jwt`
 */
export async function verifyAccessToken(
  { signingKeys, settings }: Pick<Gatehouse, 'signingKeys' | 'settings'>,
  token: string,
  now: Date,
): Promise<AccessTokenClaims> {
  const { payload, ours } = await signingKeys.verify(token);
  const seconds = now.getTime() / 1000;
  const { exp, nbf, iat, iss, sub } = payload;
  if (exp === undefined) throw invalid('token has invalid claims: exp claim is required');
  if (!isNumber(exp) || !isNumber(nbf ?? 0) || !isNumber(iat ?? 0)) {
    throw invalid('token is malformed: could not JSON decode claim');
  }
  if (exp <= seconds) throw invalid('token has invalid claims: token is expired');
  if (isNumber(nbf) && nbf > seconds) throw invalid('token has invalid claims: token is not valid yet');
  if (isNumber(iat) && iat > seconds + CLOCK_SKEW_SECONDS) {
    throw invalid('token has invalid claims: token used before issued');
  }
  const { jwt_issuer } = settings;
  // API keys say iss "supabase", whoever made them.
  if (ours && sub !== undefined && jwt_issuer !== undefined && iss !== undefined && iss !== jwt_issuer) {
    throw invalid('token has invalid claims: token has invalid issuer');
  }
  for (const name of ['sub', 'session_id', 'role', 'iss']) {
    if (payload[name] !== undefined && typeof payload[name] !== 'string') {
      throw invalid('token is malformed: could not JSON decode claim');
    }
  }
  return payload as AccessTokenClaims;
}

/** @throws AuthError `bad_jwt` where the token names no user by id (contract §2.0) */
export function subjectOf({ sub }: AccessTokenClaims): string {
  if (!sub) throw new AuthError('bad_jwt', { message: 'invalid claim: missing sub claim' });
  if (!UUID.test(sub))
    throw new AuthError('bad_jwt', { status: 400, message: 'invalid claim: sub claim must be a UUID' });
  return sub;
}

/**
 * The session of a token; undefined where it has none, as a token that a holder of the key made for a user.
 *
 * @throws AuthError `bad_jwt` for what is no id
 */
export function sessionIdOf({ session_id }: AccessTokenClaims): string | undefined {
  if (!session_id || session_id === NIL_UUID) return undefined;
  if (UUID.test(session_id)) return session_id;
  throw new AuthError('bad_jwt', { message: 'invalid claim: session_id claim must be a UUID' });
}

/** For whom a token is meant; empty where it does not say. */
export function audiencesOf({ aud }: Pick<AccessTokenClaims, 'aud'>): string[] {
  return (Array.isArray(aud) ? aud : [aud]).filter(
    (audience) => typeof audience === 'string' && audience !== '',
  ) as string[];
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function invalid(complaint: string): AuthError {
  return new AuthError('bad_jwt', { message: `invalid JWT: unable to parse or verify signature, ${complaint}` });
}
