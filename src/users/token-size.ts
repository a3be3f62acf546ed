/** Metadata stand in every access token, and an access token in every request's header. */
import { issueAccessToken } from '../access-tokens/issue.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import type { NewUser } from './users.sql.ts';

/** What later requests carry in their header: nginx and Node stop at 8 KiB and 16 KiB for all headers together. */
export const ACCESS_TOKEN_MAX_BYTES = 6 * 1024;
const NIL_UUID = '00000000-0000-0000-0000-000000000000';

type TokenOwner = Pick<
  NewUser,
  'id' | 'aud' | 'role' | 'email' | 'raw_app_meta_data' | 'raw_user_meta_data' | 'is_anonymous'
>;

/**
 * A token that no header holds would lock its owner out.
 *
 * @throws AuthError `validation_failed` for a user whose access tokens would be over 6 KiB
 */
export async function refuseOversizedToken(
  gatehouse: Pick<Gatehouse, 'signingKeys' | 'settings'>,
  user: TokenOwner,
  now: Date,
): Promise<void> {
  const { access_token } = await issueAccessToken(
    gatehouse,
    {
      id: user.id,
      aud: user.aud,
      role: user.role,
      email: user.email ?? null,
      phone: null,
      raw_app_meta_data: user.raw_app_meta_data,
      raw_user_meta_data: user.raw_user_meta_data,
      is_anonymous: user.is_anonymous,
      session_id: NIL_UUID,
      session_created_at: now.toISOString(),
      amr: [{ method: 'password', timestamp: Math.floor(now.getTime() / 1000) }],
      factors: [],
    },
    now,
  );
  if (access_token.length > ACCESS_TOKEN_MAX_BYTES) {
    throw new AuthError('validation_failed', {
      message: `Metadata is too large: an access token may have ${ACCESS_TOKEN_MAX_BYTES} bytes`,
    });
  }
}
