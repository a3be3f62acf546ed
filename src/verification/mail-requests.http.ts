/**
 * POST /recover, /otp, /magiclink and /resend (contract §2.3): mail to an address that anybody may name. Whether somebody has
 * it is in no answer: `{}` for all.
 */
import type { Request, RequestHandler } from 'express';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { requestAudience } from '../http/audience.ts';
import { bodyOf, flag, metadata, parseBody, text } from '../http/body.ts';
import { occasionOf } from '../http/caller.ts';
import { redirectTo } from '../http/redirect.ts';
import { sendJson } from '../http/send-json.ts';
import { abortSignalOf } from '../http/timeout.ts';
import { emailAddress } from '../users/address.ts';
import { sendMagicLink } from './magic-link.ts';
import { type MailRequest, recoverAccount } from './recover.ts';
import { sendAgain } from './resend.ts';

const challenge = { code_challenge: text, code_challenge_method: text };
const recoverBody = bodyOf({ email: text, ...challenge });
const magicLinkBody = bodyOf({ email: text, data: metadata, ...challenge });
const otpBody = bodyOf({ email: text, phone: text, create_user: flag, data: metadata, channel: text, ...challenge });
const resendBody = bodyOf({ type: text, email: text, phone: text, ...challenge });

export function recover(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    await recoverAccount(gatehouse, await parseBody(recoverBody, req), mailRequestOf(gatehouse, req));
    sendJson(res, {});
  };
}

export function magicLink(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const body = await parseBody(magicLinkBody, req);
    const { email } = body;
    if (!email) {
      throw new AuthError('validation_failed', { status: 422, message: 'Password recovery requires an email' });
    }
    await sendMagicLink(gatehouse, { ...body, email }, mailRequestOf(gatehouse, req));
    sendJson(res, {});
  };
}

export function otp(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const body = await parseBody(otpBody, req);
    const { email, phone, channel } = body;
    if (email && phone) refuse('Only an email address or phone number should be provided');
    if (email && channel) refuse('Channel should only be specified with Phone OTP');
    if (!email && !phone) refuse('One of email or phone must be set');
    // Messages to phones are yet to be sent from here.
    if (!email) {
      throw new AuthError('phone_provider_disabled', { status: 400, message: 'Unsupported phone provider' });
    }
    await sendMagicLink(gatehouse, { ...body, email }, mailRequestOf(gatehouse, req));
    sendJson(res, {});
  };
}

const resendTypes = ['signup', 'email_change', 'sms', 'phone_change'] as const;

export function resend(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const { type: asked, email, phone, ...challenge } = await parseBody(resendBody, req);
    const { settings } = gatehouse;
    const type = resendTypes.find((each) => each === asked);
    if (!type) refuse(`Missing one of these types: ${resendTypes.join(', ')}`);
    if (type === 'signup' && !email) refuse('Type provided requires an email address');
    if (type === 'sms' && !phone) refuse('Type provided requires a phone number');
    if (email && phone) refuse('Only an email address or phone number should be provided.');
    if (!email && !phone) refuse('Missing email address or phone number');
    // Messages to phones are yet to be sent from here.
    if (phone || type === 'sms') throw new AuthError('phone_provider_disabled', { status: 400 });
    if (!settings.external_email_enabled) throw new AuthError('email_provider_disabled', { status: 400 });

    const repetition = { ...challenge, type, email: emailAddress(email ?? '') };
    await sendAgain(gatehouse, repetition, mailRequestOf(gatehouse, req));
    sendJson(res, {});
  };
}

function mailRequestOf({ settings }: Gatehouse, req: Request): MailRequest {
  return {
    aud: requestAudience(req, settings),
    redirect_to: redirectTo(req, settings),
    occasion: occasionOf(req),
    signal: abortSignalOf(req),
  };
}

function refuse(message: string): never {
  throw new AuthError('validation_failed', { message });
}
