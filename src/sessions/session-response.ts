/** A session as its client receives it: an access token, a refresh token, the user (contract §2.1). */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { issueAccessToken } from '../access-tokens/issue.ts';
import { decryptColumn } from '../db/column-encryption.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { type User, userJson } from '../users/user.ts';
import { refreshTokenKey, writeRefreshToken } from './refresh-token.ts';
import type { SessionRow } from './sessions.sql.ts';

/** GoTrue's token response. */
export interface TokenResponse {
  access_token: string;
  token_type: 'bearer';
  expires_in: number;
  /** Unix seconds. */
  expires_at: number;
  refresh_token: string;
  user: User;
}

export interface SessionToSend {
  session: SessionRow;
  /** Of its refresh tokens, where one was verified with it a moment ago. */
  refresh_token_key?: KeyObject;
}

/** Signs both tokens of a session as it stands. */
export async function tokenResponse(
  gatehouse: Gatehouse,
  { session, refresh_token_key = keyOf(gatehouse, session) }: SessionToSend,
  now: Date,
): Promise<TokenResponse> {
  const { access_token, expires_in, expires_at } = await issueAccessToken(gatehouse, session, now);
  return {
    access_token,
    token_type: 'bearer',
    expires_in,
    expires_at,
    refresh_token: writeRefreshToken(session.session_id, session.refresh_token_counter, refresh_token_key),
    user: userJson(session),
  };
}

type KeyedSession = Pick<SessionRow, 'session_id' | 'refresh_token_hmac_key'>;

/** The key of a session's refresh tokens: derived, or, of a session that came from Supabase, the one it brought. */
function keyOf(gatehouse: Pick<Gatehouse, 'serverSecret' | 'columnKeys'>, session: KeyedSession): KeyObject {
  const key =
    session.refresh_token_hmac_key === null
      ? refreshTokenKey(gatehouse.serverSecret, session.session_id)
      : storedKey(gatehouse, session.session_id, session.refresh_token_hmac_key);
  if (!key) throw new Error('a token was verified with this key a moment ago');
  return key;
}

/** A key as GoTrue stores it: base64url of 32 bytes, perhaps encrypted; undefined for what is none. */
export function storedKey(
  { columnKeys }: Pick<Gatehouse, 'columnKeys'>,
  session_id: string,
  stored: string,
): KeyObject | undefined {
  const text = decryptColumn(stored, session_id, columnKeys);
  const key = text === undefined ? undefined : Buffer.from(text, 'base64url');
  return key?.length === 32 ? createSecretKey(key) : undefined;
}
