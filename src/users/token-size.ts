/** Metadata stand in every access token, and an access token in every request's header. */
import { issueAccessToken } from '../access-tokens/issue.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { Metadata } from '../http/body.ts';

/** What later requests carry in their header: nginx and Node stop at 8 KiB and 16 KiB for all headers together. */
const ACCESS_TOKEN_MAX_BYTES = 6 * 1024;
const NIL_UUID = '00000000-0000-0000-0000-000000000000';

interface TokenOwner {
  id: string;
  aud: string | null;
  role: string | null;
  email?: string | null | undefined;
  phone?: string | null | undefined;
  raw_app_meta_data: Metadata | null;
  raw_user_meta_data: Metadata | null;
  is_anonymous: boolean;
}

/**
 * A token that no header holds would lock its owner out.
 *
 * @param before the user before a change: metadata that came over from Supabase larger than that may stay, and shrink
 * @throws AuthError `validation_failed` for a user whose access tokens would be over 6 KiB
 */
export async function refuseOversizedToken(
  gatehouse: Pick<Gatehouse, 'signingKeys' | 'settings'>,
  user: TokenOwner,
  now: Date,
  before?: TokenOwner,
): Promise<void> {
  const size = await tokenSize(gatehouse, user, now);
  if (size <= ACCESS_TOKEN_MAX_BYTES || (before && size <= (await tokenSize(gatehouse, before, now)))) return;
  throw new AuthError('validation_failed', {
    message: `Metadata is too large: an access token may have ${ACCESS_TOKEN_MAX_BYTES} bytes`,
  });
}

async function tokenSize(
  gatehouse: Pick<Gatehouse, 'signingKeys' | 'settings'>,
  user: TokenOwner,
  now: Date,
): Promise<number> {
  const session = {
    session_id: NIL_UUID,
    session_created_at: now.toISOString(),
    amr: [{ method: 'password', timestamp: Math.floor(now.getTime() / 1000) }],
    factors: [],
  };
  const owner = { ...user, email: user.email ?? null, phone: user.phone ?? null };
  const { access_token } = await issueAccessToken(gatehouse, { ...owner, ...session }, now);
  return access_token.length;
}
