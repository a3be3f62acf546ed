/** The access token of a session: GoTrue's claims in GoTrue's order (contract §4.1). */
import type { Gatehouse } from '../gatehouse.ts';

/** What an access token says: the user as they are now, and how this session came about. */
export interface AccessTokenSubject {
  id: string;
  aud: string | null;
  role: string | null;
  email: string | null;
  phone: string | null;
  raw_app_meta_data: Record<string, unknown> | null;
  raw_user_meta_data: Record<string, unknown> | null;
  is_anonymous: boolean;
  session_id: string;
  session_created_at: string;
  /** Newest first; `timestamp` is Unix seconds. */
  amr: { method: string; timestamp: number }[];
  factors: { status: string }[];
}

export interface IssuedAccessToken {
  access_token: string;
  expires_in: number;
  /** Unix seconds. */
  expires_at: number;
}

/** Methods that make a session aal2. */
const SECOND_FACTORS = new Set(['totp', 'mfa/phone', 'mfa/webauthn']);

/** Signs the token of a session. The level is that of the methods, not of the row (contract appendix C, "Refresh"). */
export async function issueAccessToken(
  { signingKeys, settings }: Pick<Gatehouse, 'signingKeys' | 'settings'>,
  subject: AccessTokenSubject,
  now: Date,
): Promise<IssuedAccessToken> {
  const iat = Math.floor(now.getTime() / 1000);
  const aal = assuranceLevel(subject);
  const exp = Math.min(iat + settings.jwt_exp, lowAalEnd(subject, aal, settings.sessions_allow_low_aal));
  const access_token = await signingKeys.sign({
    ...(settings.jwt_issuer && { iss: settings.jwt_issuer }),
    sub: subject.id,
    aud: subject.aud ?? '',
    exp,
    iat,
    email: subject.email ?? '',
    phone: subject.phone ?? '',
    app_metadata: subject.raw_app_meta_data,
    user_metadata: subject.raw_user_meta_data,
    role: subject.role ?? '',
    aal,
    amr: subject.amr,
    session_id: subject.session_id,
    is_anonymous: subject.is_anonymous,
  });
  return { access_token, expires_in: exp - iat, expires_at: exp };
}

export function assuranceLevel({ amr }: Pick<AccessTokenSubject, 'amr'>): 'aal1' | 'aal2' {
  return amr.some(({ method }) => SECOND_FACTORS.has(method)) ? 'aal2' : 'aal1';
}

/** Whoever has a second factor and has not used it is not let on for longer than the setting allows. */
function lowAalEnd(
  { factors, session_created_at }: AccessTokenSubject,
  aal: 'aal1' | 'aal2',
  allow_low_aal: number | null,
): number {
  if (allow_low_aal === null || aal !== 'aal1' || !factors.some(({ status }) => status === 'verified')) {
    return Number.POSITIVE_INFINITY;
  }
  return Math.floor(Date.parse(session_created_at) / 1000 + allow_low_aal);
}
