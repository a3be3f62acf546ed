/** Settings of second factors. */
import { setting } from './setting.ts';
import { decimal, duration, flag, integer, MINUTE, replaced, seconds, text } from './values.ts';

const awaitsFactors = { awaits: 'second factors' };
export const factors = {
  mfa_totp_enroll_enabled: setting(
    flag,
    true,
    'Whether an authenticator app may be added as a second factor.',
    awaitsFactors,
  ),
  mfa_totp_verify_enabled: setting(flag, true, 'Whether one may be used.', awaitsFactors),
  mfa_phone_enroll_enabled: setting(flag, false, 'Whether a phone may be added as a second factor.', awaitsFactors),
  mfa_phone_verify_enabled: setting(flag, false, 'Whether one may be used.', awaitsFactors),
  mfa_phone_otp_length: setting(
    replaced(integer(0), (length) => length < 6 || length > 10, 6),
    6,
    'Digits of its code.',
    awaitsFactors,
  ),
  mfa_phone_max_frequency: setting(
    replaced(duration(), (pause) => pause === 0, MINUTE),
    MINUTE,
    'How long a person waits between two codes.',
    awaitsFactors,
  ),
  mfa_phone_template: setting(text, undefined, 'Its message.', awaitsFactors),
  mfa_web_authn_enroll_enabled: setting(
    flag,
    false,
    'Whether a security key may be added as a second factor.',
    awaitsFactors,
  ),
  mfa_web_authn_verify_enabled: setting(flag, false, 'Whether one may be used.', awaitsFactors),
  mfa_max_enrolled_factors: setting(integer(0), 10, 'How many factors an account may have.', awaitsFactors),
  mfa_max_verified_factors: setting(integer(0), 10, 'How many of them proven.', awaitsFactors),
  mfa_challenge_expiry_duration: setting(
    replaced(seconds(), (life) => life < 5 * MINUTE, 5 * MINUTE),
    5 * MINUTE,
    'How long a challenge may be answered, in seconds. Never less than 300.',
    awaitsFactors,
  ),
  mfa_factor_expiry_duration: setting(
    replaced(duration(), (life) => life < 5 * MINUTE, 5 * MINUTE),
    5 * MINUTE,
    'How long a factor may stay unproven. Never less than 5m.',
    awaitsFactors,
  ),
  mfa_rate_limit_challenge_and_verify: setting(
    decimal(0),
    15,
    'Challenges and answers, each, in a minute from one caller.',
    awaitsFactors,
  ),
};
