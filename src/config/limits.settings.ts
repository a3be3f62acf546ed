/** Settings of rate limits, lockout and captchas. */
import { secret, setting } from './setting.ts';
import {
  DAY,
  decimal,
  duration,
  flag,
  headerName,
  integer,
  MINUTE,
  oneOf,
  type Rate,
  rate,
  seconds,
  text,
} from './values.ts';

export const limits = {
  lockout_max_attempts: setting(
    integer(1, 1000),
    10,
    'Wrong passwords in a row after which an account refuses even the right one for a while, from wherever they came. NIST SP 800-63B: at most 100.',
    { ours: true, example: '10' },
  ),
  lockout_duration: setting(
    seconds(1, DAY),
    MINUTE,
    'How long it refuses the first time, in seconds; twice as long each further time.',
    { ours: true, example: '60' },
  ),
  rate_limit_header: setting(
    headerName,
    undefined,
    'The header in which a proxy names the caller for rate limits, believed of TRUSTED_PROXIES and of this machine only. The address of the caller counts without it.',
    { example: 'X-Forwarded-For' },
  ),
  rate_limit_loopback: setting(
    flag,
    false,
    'Whether callers on this machine, who speak for nobody else, are limited too.',
    { ours: true },
  ),
  rate_limit_token_refresh: setting(
    decimal(0),
    150,
    'Requests to /token, all grants together: this many in 5 minutes from one caller, up to 30 of them at once.',
  ),
  rate_limit_verify: setting(decimal(0), 30, 'Requests to /verify in 5 minutes from one caller, up to 30 at once.'),
  rate_limit_otp: setting(
    decimal(0),
    30,
    'Requests to each of /signup, /recover, /resend, /magiclink, /otp and PUT /user in 5 minutes from one caller, up to 30 at once.',
  ),
  rate_limit_anonymous_users: setting(decimal(0), 30, 'Anonymous sign-ins in an hour from one caller.'),
  rate_limit_email_sent: setting(
    rate,
    { limit: 30, refill_seconds: null } as Rate,
    'Mails that leave: a number per hour, or a burst and the time in which one comes back, as 30/1m. 0 sends none. Not counted with MAILER_AUTOCONFIRM.',
    { example: '100' },
  ),
  rate_limit_sms_sent: setting(rate, { limit: 30, refill_seconds: null } as Rate, 'The same for text messages.', {
    awaits: 'text messages',
  }),
  rate_limit_sso: setting(decimal(0), 30, 'Requests to /sso in 5 minutes from one caller.', {
    awaits: 'single sign-on',
  }),
  saml_rate_limit_assertion: setting(decimal(0), 15, 'SAML assertions in 5 minutes from one caller.', {
    awaits: 'single sign-on',
  }),
  rate_limit_web3: setting(decimal(0), 30, 'Sign-ins with a wallet in 5 minutes from one caller.', {
    awaits: 'sign-in with a wallet',
  }),
  rate_limit_passkey: setting(decimal(0), 30, 'Sign-ins with a passkey in 5 minutes from one caller.', {
    awaits: 'passkeys',
  }),
  rate_limit_oauth_dynamic_client_register: setting(
    decimal(0),
    10,
    'Clients that register themselves, in 5 minutes from one caller.',
    { also: ['GOTRUE_RATE_LIMIT_O_AUTH_DYNAMIC_CLIENT_REGISTER'], awaits: 'an OAuth server' },
  ),
  security_captcha_enabled: setting(
    flag,
    false,
    'Whether sign-up, sign-in and recovery need a solved captcha. The service does not start with it, rather than go without.',
    { awaits: 'captchas' },
  ),
  security_captcha_provider: setting(oneOf('hcaptcha', 'turnstile'), 'hcaptcha', 'Whose.', { awaits: 'captchas' }),
  security_captcha_secret: secret(text, 'The key that the provider gave you.', { awaits: 'captchas' }),
  security_captcha_timeout: setting(duration(), 10, 'How long its answer may take.', { awaits: 'captchas' }),
};
