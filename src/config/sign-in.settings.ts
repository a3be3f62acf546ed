/** Settings of signing up and in: who may, and what proves an address. */
import { setting } from './setting.ts';
import { duration, flag, list, MINUTE, replaced } from './values.ts';

export const signIn = {
  disable_signup: setting(flag, false, 'Whether only administrators make accounts.'),
  external_email_enabled: setting(flag, true, 'Whether people sign in and up with an email address.'),
  external_phone_enabled: setting(flag, false, 'Whether people sign in and up with a phone number.'),
  external_anonymous_users_enabled: setting(
    flag,
    false,
    'Whether anybody gets an anonymous account for the asking, to be made a real one later.',
  ),
  external_email_magic_link_enabled: setting(flag, true, 'Whether people may sign in by a link sent to them.'),
  external_email_authorized_addresses: setting(
    list,
    [],
    'Mail goes to these addresses only, separated by commas. To anybody unless set.',
    { awaits: 'a list of mail recipients' },
  ),
  mailer_autoconfirm: setting(
    flag,
    false,
    'Whether an address counts as proven without a mail to it. Only where every address was proven elsewhere: otherwise anybody signs up as anybody.',
  ),
  mailer_allow_unverified_email_sign_ins: setting(
    flag,
    false,
    'Whether an account whose address is not proven may sign in.',
    { awaits: 'sign-in without a proven address' },
  ),
  sms_autoconfirm: setting(flag, false, 'Whether a phone number counts as proven without a message to it.'),
  external_flow_state_expiry_duration: setting(
    replaced(duration(), (life) => life < 5 * MINUTE, 5 * MINUTE),
    5 * MINUTE,
    'How long the code of a PKCE sign-in may be exchanged. Never less than 5m.',
    { example: '10m' },
  ),
  security_manual_linking_enabled: setting(flag, false, 'Whether a signed-in user may link further identities.', {
    awaits: 'linking of identities',
  }),
  security_update_password_require_reauthentication: setting(
    flag,
    false,
    'Whether a session older than a day needs a code sent to the user before it may change the password.',
  ),
  security_update_password_require_current_password: setting(
    flag,
    false,
    'Whether a change of the password needs the current one.',
  ),
};
