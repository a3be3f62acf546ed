/** POST /token?grant_type= (contract §2.3; RFC 6749 §4.3, §6): credentials for a session. */
import type { Request, RequestHandler, Response } from 'express';
import type { RefusedAction } from '../audit/events.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { requestAudience } from '../http/audience.ts';
import { bodyOf, isForm, parseBody, parseForm, secretText, text } from '../http/body.ts';
import { occasionOf } from '../http/caller.ts';
import { query } from '../http/query.ts';
import { abortSignalOf } from '../http/timeout.ts';
import { refreshSession } from '../sessions/refresh.ts';
import { sendSession } from '../sessions/send-session.http.ts';
import { phoneDigits } from '../users/address.ts';
import { refuseIdToken } from './id-token.http.ts';
import { passwordGrant } from './password.ts';
import { byCode } from './pkce.http.ts';

const passwordBody = bodyOf({ email: text, phone: text, password: secretText });
const refreshBody = bodyOf({ refresh_token: secretText });

/** What a refusal is called in the audit log. */
export function refusedGrant(req: Request): RefusedAction {
  const grant_type = query(req, 'grant_type');
  if (grant_type === 'password') return 'login_failed';
  return grant_type === 'refresh_token' ? 'token_refresh_failed' : 'token_grant_failed';
}

export function token(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    // GoTrue finds it in a form as well, whose members it then reads as JSON: such a body is empty to it.
    const grant_type = query(req, 'grant_type') ?? (isForm(req) ? (await parseForm(req)).get('grant_type') : undefined);
    switch (grant_type) {
      case 'password':
        return byPassword(gatehouse, req, res);
      case 'refresh_token':
        return byRefreshToken(gatehouse, req, res);
      case 'pkce':
        return byCode(gatehouse, req, res);
      case 'id_token':
        return refuseIdToken(req);
      case 'web3':
        throw new AuthError('web3_provider_disabled');
      default:
        throw new AuthError('invalid_credentials', { message: 'unsupported_grant_type' });
    }
  };
}

async function byPassword(gatehouse: Gatehouse, req: Request, res: Response): Promise<void> {
  const { email = '', phone = '', password = '' } = await parseBody(passwordBody, req);
  const { settings } = gatehouse;
  if (email && phone) {
    throw new AuthError('validation_failed', {
      message: 'Only an email address or phone number should be provided on login.',
    });
  }
  if (!email && !phone) throw new AuthError('validation_failed', { message: 'missing email or phone' });
  if (email && !settings.external_email_enabled) throw new AuthError('email_provider_disabled');
  if (phone && !settings.external_phone_enabled) throw new AuthError('phone_provider_disabled');

  const occasion = occasionOf(req);
  // As GoTrue: what is no address is nobody's, and refused like one.
  const who = email
    ? ({ provider: 'email', address: email.toLowerCase() } as const)
    : ({ provider: 'phone', address: phoneDigits(phone) } as const);
  const signIn = { ...who, password, aud: requestAudience(req, settings) };
  const { session, weak_password } = await passwordGrant(gatehouse, signIn, occasion, abortSignalOf(req));
  await sendSession(res, gatehouse, { session }, occasion.now, { weak_password: weak_password ?? null });
}

async function byRefreshToken(gatehouse: Gatehouse, req: Request, res: Response): Promise<void> {
  const { refresh_token = '' } = await parseBody(refreshBody, req);
  const occasion = occasionOf(req);
  const refreshed = await refreshSession(gatehouse, refresh_token, occasion);
  res.setHeader('sb-auth-refresh-token-reuse', String(refreshed.reused));
  if (refreshed.reused) res.setHeader('sb-auth-refresh-token-reuse-cause', 'fail-to-save');
  await sendSession(res, gatehouse, refreshed, occasion.now);
}
