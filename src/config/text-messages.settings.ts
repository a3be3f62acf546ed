/** Settings of text messages. */
import { family, secret, setting } from './setting.ts';
import { DAY, duration, integer, MINUTE, pairs, replaced, seconds, text } from './values.ts';

const awaitsMessages = { awaits: 'text messages' };
export const textMessages = {
  sms_provider: setting(
    text,
    '',
    'Who sends text messages: twilio, twilio_verify, messagebird, textlocal, vonage.',
    awaitsMessages,
  ),
  sms_max_frequency: setting(
    replaced(duration(), (pause) => pause === 0, MINUTE),
    MINUTE,
    'How long a person waits between two messages. 0s means the default, as in GoTrue.',
    awaitsMessages,
  ),
  sms_otp_length: setting(
    replaced(integer(0), (length) => length < 6 || length > 10, 6),
    6,
    'Digits of a code in a message: 6 to 10, anything else is 6.',
    awaitsMessages,
  ),
  sms_otp_exp: setting(
    replaced(seconds(0, DAY), (exp) => exp === 0, MINUTE),
    MINUTE,
    'How long a code in a message is valid, in seconds.',
    awaitsMessages,
  ),
  sms_template: setting(text, undefined, 'The message; `{{ .Code }}` is the code.', awaitsMessages),
  sms_test_otp: setting(
    pairs,
    undefined,
    'Numbers with a code that is always right, as number:code separated by commas. For a test system; whoever knows one signs in.',
    awaitsMessages,
  ),
  sms_test_otp_valid_until: setting(text, undefined, 'Until when, as RFC 3339.', awaitsMessages),
  ...family(
    'sms_twilio_*',
    'FIELD',
    ['account_sid', 'message_service_sid', 'content_sid'],
    setting(text, undefined, 'Of the account at Twilio.', awaitsMessages),
  ),
  ...family(
    'sms_twilio_verify_*',
    'FIELD',
    ['account_sid', 'message_service_sid'],
    setting(text, undefined, 'Of the account at Twilio Verify.', awaitsMessages),
  ),
  ...family(
    'sms_*',
    'SECRET',
    [
      'twilio_auth_token',
      'twilio_verify_auth_token',
      'messagebird_access_key',
      'textlocal_api_key',
      'vonage_api_key',
      'vonage_api_secret',
    ],
    secret(text, 'The secrets of those accounts.', awaitsMessages),
  ),
  ...family(
    'sms_*',
    'SENDER',
    ['messagebird_originator', 'textlocal_sender', 'vonage_from'],
    setting(text, undefined, 'Whom messages come from.', awaitsMessages),
  ),
};
