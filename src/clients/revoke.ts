/** A token is revoked by a backend that holds it: with it ends the session it is of, and every other token of that one. */
import { occasionArgs } from '../audit/record.sql.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { findRefreshTokenSession } from '../sessions/refresh.ts';
import { type ClientCredentials, clientArgs, refuseUnlessLetIn } from './clients.ts';
import { readAccessToken } from './introspect.ts';
import { revokeSession } from './revoke.sql.ts';

/**
 * Ends the session of an access token that verifies, or of a refresh token that was issued for it: any of them, not
 * only the newest. Whether there was one is not told (RFC 7009 §2.2). On record as `token_revoked` by this client, with
 * the reason where nothing ended.
 *
 * @throws AuthError `invalid_client`, alike for every reason, recorded as `revocation_failed`
 */
export async function revokeToken(
  gatehouse: Gatehouse,
  client: ClientCredentials,
  token: string,
  occasion: Occasion,
): Promise<void> {
  const credentials = clientArgs(client);
  const { user_id, session_id, complaint } = await sessionOf(gatehouse, token, occasion);
  const [found] = await revokeSession(gatehouse.db, {
    ...occasionArgs(occasion),
    ...credentials,
    user_id,
    session_id,
    complaint,
  });
  if (!found) throw new Error('the statement answers with one row');
  await refuseUnlessLetIn(gatehouse.db, found, 'revocation_failed', occasion);
}

interface SessionOfToken {
  /** Whose the session must be, where the token says it. */
  user_id?: string | undefined;
  session_id?: string | undefined;
  /** Why there is nothing to end. */
  complaint?: string | undefined;
}

async function sessionOf(gatehouse: Gatehouse, token: string, { now }: Occasion): Promise<SessionOfToken> {
  // A JWT has dots, and no refresh token has any.
  if (token.includes('.')) return readAccessToken(gatehouse, token, now);
  const session_id = await findRefreshTokenSession(gatehouse, token, now);
  return session_id ? { session_id } : { complaint: 'no token of this service' };
}
