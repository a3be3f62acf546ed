/**
 * GET and POST /verify (contract §7.3). GET is the link of a mail: a browser follows it, so every outcome is a redirect to the
 * portal, which says what it was. POST is a client: it has the token of the link, or a code and the address that it went to.
 */
import type { RequestHandler, Response } from 'express';
import { recordRefusal } from '../audit/record.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { requestAudience } from '../http/audience.ts';
import { bodyOf, parseBody, text } from '../http/body.ts';
import { occasionOf } from '../http/caller.ts';
import { faultOf } from '../http/fault.ts';
import { noteRefusal } from '../http/log.ts';
import { query } from '../http/query.ts';
import { redirectTo } from '../http/redirect.ts';
import { sendJson } from '../http/send-json.ts';
import { abortSignalOf } from '../http/timeout.ts';
import { isPkce } from '../one-time-tokens/one-time-tokens.ts';
import { sendSession } from '../sessions/send-session.http.ts';
import { tokenResponse } from '../sessions/session-response.ts';
import { emailAddress } from '../users/address.ts';
import { withCode, withError, withMessage, withTokens } from './location.ts';
import { verifyCode, verifyLink } from './verify.ts';

export function verifyGet(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const type = query(req, 'type');
    const token_hash = query(req, 'token');
    if (!type) refuse('Verify requires a verification type');
    if (!token_hash) refuse('Verify requires a token or a token hash');

    const redirect_to = redirectTo(req, gatehouse.settings);
    const occasion = occasionOf(req);
    try {
      const verified = await verifyLink(gatehouse, { type, token_hash, handsOutCode: true }, occasion);
      if ('auth_code' in verified) return redirect(res, withCode(redirect_to, verified.auth_code));
      if ('message' in verified) return redirect(res, withMessage(redirect_to, verified.message, isPkce(token_hash)));
      const tokens = await tokenResponse(gatehouse, verified, occasion.now);
      redirect(res, withTokens(redirect_to, tokens, verified.type));
    } catch (error) {
      const refusal = error instanceof AuthError ? error : new AuthError('unexpected_failure', { cause: error });
      if (refusal !== error) {
        gatehouse.log.error({ request_id: occasion.caller.request_id, fault: faultOf(error) }, 'fault');
      } else if (!refusal.recorded) {
        await recordRefusal(gatehouse.db, refusal, { action: 'verification_failed' }, occasion);
      }
      noteRefusal(res, refusal);
      redirect(res, withError(redirect_to, refusal, isPkce(token_hash)));
    }
  };
}

const verifyBody = bodyOf({ type: text, token: text, token_hash: text, email: text, phone: text, redirect_to: text });

export function verifyPost(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const { type, token, token_hash, email, phone, redirect_to } = await parseBody(verifyBody, req);
    if (!type) refuse('Verify requires a verification type');
    if (Boolean(token) === Boolean(token_hash)) refuse('Verify requires either a token or a token hash');
    if (token_hash && (email || phone || redirect_to)) refuse('Only the token_hash and type should be provided');
    if (token && Boolean(email) === Boolean(phone)) {
      refuse('Only an email address or phone number should be provided on verify');
    }

    const occasion = occasionOf(req);
    const verified = token_hash
      ? await verifyLink(gatehouse, { type, token_hash, handsOutCode: false }, occasion)
      : await verifyCode(
          gatehouse,
          {
            type,
            address: addressOf(email),
            code: token ?? '',
            aud: requestAudience(req, gatehouse.settings),
            signal: abortSignalOf(req),
          },
          occasion,
        );
    if ('session' in verified) await sendSession(res, gatehouse, verified, occasion.now);
    else if ('message' in verified) sendJson(res, { msg: verified.message, code: '200' });
  };
}

function addressOf(email: string | undefined): string {
  // Messages to phones are yet to be sent from here: of their codes none is right.
  if (!email) throw new AuthError('otp_expired', { reason: 'a code of a phone' });
  try {
    return emailAddress(email);
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
    throw new AuthError('validation_failed', { status: 422, message: 'Invalid email format' });
  }
}

/** 303: whatever the method was, it is GET from here on. */
function redirect(res: Response, location: string): void {
  if (res.headersSent) return;
  res.statusCode = 303;
  res.setHeader('Location', location);
  res.setHeader('Content-Type', 'text/html; charset=utf-8');
  // Nobody reads it, and it repeats nothing of the address: that has tokens in it.
  res.end('<!doctype html><title>See Other</title>\n');
}

function refuse(message: string): never {
  throw new AuthError('validation_failed', { message });
}
