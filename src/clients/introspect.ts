/** Whether a token is valid now, and whose it is: what a backend learns that does not trust a signature alone (RFC 7662). */
import {
  type AccessTokenClaims,
  audiencesOf,
  sessionIdOf,
  subjectOf,
  verifyAccessToken,
} from '../access-tokens/verify.ts';
import { occasionArgs } from '../audit/record.sql.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { type ClientCredentials, clientArgs, refuseUnlessLetIn } from './clients.ts';
import { introspectToken } from './introspect.sql.ts';

/** RFC 7662 §2.2. What the token says, but for role and addresses, which are the user's as they are now. */
export interface ActiveToken {
  active: true;
  token_type: 'Bearer';
  sub: string;
  aud?: string | string[] | undefined;
  iss?: string | undefined;
  exp: number;
  iat?: number | undefined;
  role?: string | undefined;
  email?: string | undefined;
  /** What a person calls this user: the email address, else the phone number. */
  username?: string | undefined;
  session_id: string;
  aal?: unknown;
  amr?: unknown;
  client_id?: unknown;
  scope?: unknown;
}

/** Nothing more, whatever the reason (RFC 7662 §2.2); the audit log has it. */
export interface InactiveToken {
  active: false;
}

/**
 * Introspects a token for a client. Active is an access token that verifies and whose session goes on, of a user who is
 * neither banned nor gone and whose audience it is for. API keys are nobody's and refresh tokens are for this service
 * alone, so neither is ever active: a backend that asks takes "active" for "signed in".
 *
 * On record either way, as `token_introspected` by this client.
 *
 * @throws AuthError `invalid_client`, alike for every reason, recorded as `introspection_failed`
 */
export async function introspect(
  gatehouse: Pick<Gatehouse, 'db' | 'signingKeys' | 'settings'>,
  client: ClientCredentials,
  token: string,
  occasion: Occasion,
): Promise<ActiveToken | InactiveToken> {
  const credentials = clientArgs(client);
  const read = await readAccessToken(gatehouse, token, occasion.now);
  const [found] = await introspectToken(gatehouse.db, {
    ...occasionArgs(occasion),
    ...credentials,
    user_id: read.user_id,
    session_id: read.session_id,
    audiences: read.claims ? audiencesOf(read.claims) : [],
    complaint: read.complaint,
  });
  if (!found) throw new Error('the statement answers with one row');

  await refuseUnlessLetIn(gatehouse.db, found, 'introspection_failed', occasion);
  const { claims, user_id, session_id } = read;
  if (found.inactive !== null || !claims || !user_id || !session_id) return { active: false };
  return {
    active: true,
    token_type: 'Bearer',
    sub: user_id,
    aud: claims.aud,
    iss: claims.iss,
    exp: claims.exp,
    iat: claims.iat,
    role: found.role || undefined,
    email: found.email || undefined,
    username: found.email || found.phone || undefined,
    session_id,
    aal: claims.aal,
    amr: claims.amr,
    client_id: claims.client_id,
    scope: claims.scope,
  };
}

/** An access token as far as it can be believed. */
export interface ReadToken {
  /** Of a token that we may believe. */
  claims?: AccessTokenClaims;
  user_id?: string;
  session_id?: string | undefined;
  /** Why it cannot be active, whoever its user is. */
  complaint?: string;
}

/** Never refuses: what is wrong with the token is in the answer. */
export async function readAccessToken(
  gatehouse: Pick<Gatehouse, 'signingKeys' | 'settings'>,
  token: string,
  now: Date,
): Promise<ReadToken> {
  try {
    const claims = await verifyAccessToken(gatehouse, token, now);
    if (claims.sub === undefined) return { claims, complaint: 'an API key' };
    const [user_id, session_id] = [subjectOf(claims), sessionIdOf(claims)];
    return session_id ? { claims, user_id, session_id } : { claims, user_id, complaint: 'a token without a session' };
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
    return { complaint: error.reason ?? error.message };
  }
}
