/** Settings of mail: how it leaves, what it says, how long its links are good. */
import { family, secret, setting } from './setting.ts';
import { DAY, duration, flag, integer, list, MINUTE, port, replaced, seconds, templateSource, text } from './values.ts';

const contents = ['invite', 'confirmation', 'recovery', 'email_change', 'magic_link', 'reauthentication'] as const;
const notifications = [
  'password_changed',
  'email_changed',
  'phone_changed',
  'identity_linked',
  'identity_unlinked',
  'mfa_factor_enrolled',
  'mfa_factor_unenrolled',
] as const;

export const mail = {
  smtp_host: setting(
    text,
    undefined,
    'The mail server. Without one, mail is written to MAILBOX, where there is one, and otherwise not sent.',
    { example: 'smtp.example.com' },
  ),
  smtp_port: setting(
    port,
    587,
    'Its port. 465 speaks TLS from the start; on others it is demanded of the server before anything else, unless it is on this machine.',
  ),
  smtp_user: setting(text, undefined, 'The account there, where it asks for one.'),
  smtp_pass: secret(text, 'The password of that account.', { also: ['SMTP_PASS'] }),
  smtp_admin_email: setting(text, undefined, 'The address that mails come from. Needed with SMTP_HOST.', {
    example: 'auth@example.com',
  }),
  smtp_sender_name: setting(text, undefined, 'The name beside it.', { example: 'Portal' }),
  smtp_max_frequency: setting(
    replaced(duration(), (pause) => pause === 0, MINUTE),
    MINUTE,
    'How long a person waits between two mails of one kind. 0s means the default, as in GoTrue.',
    { example: '1m' },
  ),
  smtp_headers: setting(text, undefined, 'Further headers of each mail, as a JSON object of lists.', {
    awaits: 'mail headers',
  }),
  smtp_logging_enabled: setting(flag, false, 'Whether each mail has a line in the log.', { awaits: 'a log of mails' }),
  mailbox: setting(
    text,
    undefined,
    'A directory into which mails are written as files when there is no SMTP_HOST. A browser on this machine reads them at /mailbox. `npm start` without a database of yours uses `mail` in DATA_DIRECTORY.',
    { ours: true, example: '/var/lib/gatehouse/mail' },
  ),
  mailer_otp_length: setting(
    replaced(integer(0), (length) => length < 6 || length > 10, 6),
    6,
    'Digits of a code in a mail: 6 to 10, anything else is 6.',
  ),
  mailer_otp_exp: setting(
    replaced(seconds(0, 7 * DAY), (exp) => exp === 0, DAY),
    DAY,
    'How long the links and codes of a mail are valid, in seconds.',
    { example: '3600' },
  ),
  mailer_secure_email_change_enabled: setting(
    flag,
    true,
    'Whether a change of address must be confirmed from the old one as well.',
  ),
  mailer_external_hosts: setting(
    list,
    [],
    'Other hosts, separated by commas, that links may lead to when a request came in under their name.',
    { awaits: 'links to other hosts' },
  ),
  ...family(
    'mailer_urlpaths_*',
    'MAIL',
    ['invite', 'confirmation', 'recovery', 'email_change'],
    setting(
      text,
      '/verify',
      'The path of the link in that mail. It takes the place of any path in API_EXTERNAL_URL: behind a prefix, name the prefix here.',
      { example: '/auth/v1/verify' },
    ),
  ),
  ...family(
    'mailer_subjects_*',
    'MAIL',
    [...contents, ...notifications.map((name) => `${name}_notification` as const)],
    setting(
      text,
      undefined,
      "The subject of that mail, where it is not ours. `{{ .Token }}`, `{{ .Email }}` and the other variables of GoTrue's templates stand for their values.",
    ),
  ),
  ...family(
    'mailer_templates_*',
    'MAIL',
    contents,
    setting(
      templateSource,
      undefined,
      "Where the HTML of that mail is, where it is not ours: a web address, absolute or below SITE_URL, or a file as `file:/etc/gatehouse/mail.html`. In the syntax of GoTrue's templates: fields, `if`, `else`, `with`, `eq`, `ne`, `and`, `or`, `not`, `index`, `len`. A file with a mistake refuses the start; an address that fails leaves the last good one, or ours, with a line in the log and in the audit log.",
      { example: 'https://portal.example.com/mail/confirmation.html' },
    ),
  ),
  ...family(
    'mailer_templates_*',
    'MAIL',
    notifications.map((name) => `${name}_notification` as const),
    setting(text, undefined, 'Where the HTML of that mail is.', { awaits: 'notifications by mail' }),
  ),
  mailer_template_max_age: setting(
    duration(),
    10 * MINUTE,
    'How long a template is used before it is looked at anew, beside the mail that asks for it.',
    { example: '1h' },
  ),
  mailer_template_retry_interval: setting(duration(), 10, 'How soon after a failure it is looked at again.'),
  mailer_template_max_size: setting(integer(1, 10_000_000), 1_000_000, 'The largest template that is taken, in bytes.'),
  ...family(
    'mailer_notifications_*_enabled',
    'CHANGE',
    notifications,
    setting(flag, false, 'Whether a person is told by mail that this happened to the account.', {
      awaits: 'notifications by mail',
    }),
  ),
  mailer_email_background_sending: setting(
    flag,
    false,
    'GoTrue may send after its transaction instead of inside; here mail always leaves after the commit.',
    { awaits: 'another way of sending' },
  ),
};
