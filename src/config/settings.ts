/**
 * Every environment variable, under its key: the name that GoTrue has for it, in lower case, without `GOTRUE_`. What is ours
 * alone has no GoTrue spelling. docs/settings.md is made from this table.
 */
import { family, secret, setting } from './setting.ts';
import {
  ageIdentities,
  characterSets,
  decimal,
  duration,
  encryptionKey,
  encryptionKeys,
  flag,
  headerName,
  integer,
  list,
  noneWhenZero,
  oneOf,
  origins,
  pairs,
  port,
  privateJwks,
  proxies,
  type Rate,
  rate,
  replaced,
  retention,
  seconds,
  signingSecret,
  templateSource,
  text,
  uri,
  webUrl,
} from './values.ts';

const ours = true;
const MINUTE = 60;
const HOUR = 3600;
const DAY = 24 * HOUR;

const service = {
  api_host: setting(
    text,
    '127.0.0.1',
    'The address to listen on. The default is reached from this machine alone; in a container, or behind a proxy on another machine, set 0.0.0.0.',
    { also: ['HOST'], example: '0.0.0.0' },
  ),
  api_port: setting(port, 9999, 'The port to listen on.', { also: ['PORT'], example: '8080' }),
  api_external_url: setting(
    webUrl,
    undefined,
    'The address under which browsers and mail readers reach this service, path included. Links in mails begin with it. Without it they begin with the address that the service listens on, which only works on this machine.',
    { also: ['API_EXTERNAL_URL'], example: 'https://auth.example.com' },
  ),
  site_url: setting(
    uri,
    'http://localhost:3000',
    'The portal: where a person is sent after following a link, unless the request names another address that URI_ALLOW_LIST allows.',
    { example: 'https://portal.example.com' },
  ),
  uri_allow_list: setting(
    list,
    [],
    'Other addresses that a request may ask to be sent to, separated by commas. `*` stands for anything within one label of the host or one segment of the path, `**` for any number of segments.',
    { example: 'https://portal.example.com/**,com.example.app://callback' },
  ),
  api_request_id_header: setting(
    headerName,
    undefined,
    'The header in which your proxy sends an id of the request. It then stands in the log and in the audit log, so that one request can be followed through all of them. Without it each request gets a random one.',
    { also: ['REQUEST_ID_HEADER'], example: 'X-Request-Id' },
  ),
  api_max_request_duration: setting(
    duration(1, 5 * MINUTE),
    10,
    'A request without an answer after this time is refused with 504. From 1s to 5m.',
    { example: '10s' },
  ),
  trusted_proxies: setting(
    proxies,
    [],
    'Which peers may say for whom they speak (`X-Forwarded-For`): addresses and ranges separated by commas, `loopback`, `linklocal`, `uniquelocal`, or one number, the count of proxies in front. Without it forwarded addresses are believed of nobody, and behind a proxy all callers share one rate limit and one address in the audit log.',
    { ours, example: '10.0.0.0/8' },
  ),
  security_sb_forwarded_for_enabled: setting(
    flag,
    false,
    'Whether the header `Sb-Forwarded-For`, which the gateway of the hosted platform sets, names the caller. Only where a gateway in front removes what clients send under that name.',
  ),
  cors_allowed_origins: setting(
    origins,
    ['*'],
    'The pages that may call this service from a browser, as origins separated by commas. `*`, the default, is any page, then without credentials (cookies); supabase-js needs none.',
    { ours, example: 'https://portal.example.com' },
  ),
  cors_allowed_headers: setting(
    list,
    [],
    'Request headers that pages may send beside those of supabase-js, separated by commas.',
    { example: 'X-Client-Version' },
  ),
  console_enabled: setting(flag, true, 'Whether the pages for the security team are served at /console.', {
    ours,
    awaits: 'a console',
  }),
  web_concurrency: setting(
    integer(1, 256),
    1,
    'Processes that serve. One uses one core; more than there are cores gains nothing. They share the port, and one that dies is replaced.',
    { also: ['WEB_CONCURRENCY'], ours, example: '4' },
  ),
  drain_seconds: setting(
    seconds(0, 10 * MINUTE),
    25,
    'How long requests under way may take to finish after SIGTERM, before everything is ended. Less than what your platform waits before it kills (Kubernetes: 30 s).',
    { ours, example: '25' },
  ),
  data_directory: setting(
    text,
    '.gatehouse',
    'Where `npm start` without a database of yours keeps one, its secrets and outgoing mail.',
    { ours, example: '/var/lib/gatehouse' },
  ),
  embedded_postgres_port: setting(
    port,
    undefined,
    'The port of that database on 127.0.0.1. A free one at each start unless set.',
    { ours, example: '54322' },
  ),
  log_level: setting(
    oneOf('panic', 'fatal', 'error', 'warn', 'warning', 'info', 'debug', 'trace'),
    'info',
    'The least important lines of the log that are written.',
    { example: 'warn' },
  ),
};

const database = {
  database_url: secret(
    text,
    "The PostgreSQL database, as a URL. `sslmode` is `verify-full` unless the host is this machine: the server must prove its name with a certificate of the system's authorities or of `sslrootcert`. `require` (encrypted, to whoever answers), `verify-ca` and `disable` hold only where the URL says so. SQLAlchemy's `postgresql+asyncpg://` is understood. It wins over POSTGRES_HOST and its like.",
    {
      also: ['DATABASE_URL', 'GOTRUE_DB_DATABASE_URL'],
      ours,
      example: 'postgresql://gatehouse:…@db.example.com:5432/portal?sslrootcert=/etc/ssl/db-ca.pem',
    },
  ),
  postgres_host: setting(
    text,
    undefined,
    'The database in parts, where DATABASE_URL is not set: a host name, an address, or the directory of a socket.',
    { also: ['POSTGRES_HOST'], ours, example: 'db.example.com' },
  ),
  postgres_port: setting(port, undefined, 'Its port; 5432 unless set.', { also: ['POSTGRES_PORT'], ours }),
  postgres_db: setting(text, undefined, 'Its name; that of the user unless set.', {
    also: ['POSTGRES_DB'],
    ours,
    example: 'portal',
  }),
  postgres_user: setting(text, undefined, 'The role to connect as; `postgres` unless set.', {
    also: ['POSTGRES_USER'],
    ours,
    example: 'gatehouse',
  }),
  postgres_password: secret(text, 'The password of that role.', { also: ['POSTGRES_PASSWORD'], ours }),
  postgres_sslmode: setting(
    oneOf('disable', 'require', 'verify-ca', 'verify-full'),
    undefined,
    'As `sslmode` in DATABASE_URL.',
    { also: ['POSTGRES_SSLMODE'], ours },
  ),
  postgres_sslrootcert: setting(
    text,
    undefined,
    "The file of the authority that signed the server's certificate, as `sslrootcert` in DATABASE_URL.",
    { also: ['POSTGRES_SSLROOTCERT'], ours, example: '/etc/ssl/db-ca.pem' },
  ),
  db_max_pool_size: setting(
    replaced(integer(0, 1000), (size) => size === 0, 10),
    10,
    "Connections to the database, per process. All processes together must stay below the server's max_connections. 0 means the default.",
    { example: '20' },
  ),
  db_driver: setting(oneOf('postgres'), 'postgres', 'There is no other.'),
  db_namespace: setting(
    oneOf('auth'),
    'auth',
    "The schema of Supabase's tables. There is no other: foreign keys and policies of the portal point at it.",
    { also: ['DB_NAMESPACE', 'GOTRUE_DB_DB_NAMESPACE'] },
  ),
};

const tokens = {
  secret_key: secret(
    signingSecret,
    'Signs access tokens (HS256): the bytes of this text, at least 32. Backends that check tokens themselves hold it too. Without a database of yours one is made and kept; with one, a start without it is refused.',
    { also: ['SECRET_KEY'], ours },
  ),
  jwt_secret: secret(
    signingSecret,
    "GoTrue's name for the key that signs. Where SECRET_KEY is set as well, this one only verifies.",
  ),
  supabase_jwt_secret: secret(
    signingSecret,
    'The JWT secret of the Supabase project that is being left. It only verifies, so that tokens and API keys made with it live out their time.',
    { also: ['JWT_SECRET'], ours },
  ),
  server_secret: secret(
    signingSecret,
    'What the keys of refresh tokens are derived from; SECRET_KEY unless set. Before you change SECRET_KEY, set this to its old value, or everybody has to sign in again.',
    { ours },
  ),
  jwt_key_id: setting(text, undefined, 'The `kid` in the header of tokens signed with SECRET_KEY.', {
    example: 'portal-2026',
  }),
  jwt_keys: secret(
    privateJwks,
    'Further keys, as a JSON array of private JWKs with a `kid` each. The one that has `sign` among its `key_ops` signs instead of SECRET_KEY, the others verify: so keys are rotated, and so backends verify with the public half (/.well-known/jwks.json) without being able to forge.',
  ),
  jwt_algorithm: setting(
    oneOf('HS256', 'ES256', 'RS256'),
    undefined,
    'How access tokens are signed: HS256 with SECRET_KEY, or what the signing key of JWT_KEYS is for. Only needed to be sure that the two agree.',
    { also: ['JWT_ALGORITHM'], ours },
  ),
  jwt_valid_methods: setting(
    list,
    [],
    'Algorithms that a token may be signed with, separated by commas. Those of the keys unless set.',
  ),
  jwt_exp: setting(
    replaced(seconds(0, 7 * DAY), (exp) => exp === 0, 30 * MINUTE),
    30 * MINUTE,
    'How long an access token is valid, in seconds, up to a week. Shorter than two minutes, supabase-js refreshes all the time; longer, a backend that does not ask /introspect believes a signed-out user longer.',
    {
      also: [['ACCESS_TOKEN_EXPIRE_MINUTES', (value: string) => integer(1, (7 * DAY) / MINUTE)(value) * MINUTE]],
      example: '1800',
    },
  ),
  jwt_issuer: setting(
    text,
    undefined,
    'The `iss` of access tokens, and demanded of those presented. Without it tokens have none.',
    { example: 'https://auth.example.com/auth/v1' },
  ),
  jwt_aud: setting(
    text,
    'authenticated',
    "The `aud` of new users, and with it of their tokens. It stays `authenticated` unless the portal's policies ask for another.",
  ),
  jwt_default_group_name: setting(text, 'authenticated', 'The `role` of new users, which row security policies read.'),
  jwt_admin_group_name: setting(
    text,
    'admin',
    'The `role` that lets a user change the `app_metadata` of their own account.',
  ),
  jwt_admin_roles: setting(
    list,
    ['service_role', 'supabase_admin'],
    'The roles of tokens that may use /admin, separated by commas.',
  ),
};

const sessions = {
  security_refresh_token_rotation_enabled: setting(
    flag,
    true,
    'Whether a refresh token that is presented again, later than the reuse interval, ends its session. Switching it off gives a thief as long as the owner.',
  ),
  security_refresh_token_reuse_interval: setting(
    seconds(0, HOUR),
    10,
    'For how long after its rotation a refresh token may be presented again, in seconds: two tabs that refresh at once, an answer that got lost.',
    { example: '10' },
  ),
  security_refresh_token_allow_reuse: setting(
    flag,
    false,
    'Lets a refresh token that was presented again pass instead of ending its session. For finding out how many clients would be signed out, not for keeping.',
  ),
  sessions_timebox: setting(
    noneWhenZero(duration()),
    null,
    'How long after signing in a session ends, however much it is used. 0 or unset: never.',
    { example: '24h' },
  ),
  sessions_inactivity_timeout: setting(
    noneWhenZero(duration()),
    null,
    'A session that was not refreshed for this long ends. 0 or unset: never. At least the life of an access token.',
    { example: '8h' },
  ),
  sessions_single_per_user: setting(flag, false, 'Whether only the session used last goes on, per tag.'),
  sessions_tags: setting(
    list,
    [],
    'The tags that sessions may carry, separated by commas: with SESSIONS_SINGLE_PER_USER a user has one session of each.',
    { awaits: 'session tags' },
  ),
  sessions_allow_low_aal: setting(
    noneWhenZero(duration()),
    null,
    'How long a user who has a second factor may go on without having used it. 0 or unset: without end.',
    { example: '15m' },
  ),
};

const signIn = {
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

/** A hundred ranges are remembered as they came. */
const BLOOM_FILTER = 'a filter for what is known of breached passwords';

const passwords = {
  password_min_length: setting(
    replaced(integer(0, 128), (length) => length < 6, 6),
    6,
    'The least length of a new password, in characters, never less than 6. NIST SP 800-63B asks for 15, or 8 beside a second factor.',
    { example: '12' },
  ),
  password_required_characters: setting(
    characterSets,
    [],
    'Sets of characters separated by `:`, of each of which a new password needs one; `\\:` is a colon. NIST advises against such rules.',
    { example: 'abcdefghijklmnopqrstuvwxyz:0123456789' },
  ),
  password_blocklist_enabled: setting(
    flag,
    true,
    'Whether new passwords are refused that are among the most common ones, or little more than a name or address of the person or a name of the service. Without such names, read forwards or backwards, a password still needs eight characters.',
    { ours },
  ),
  password_context_words: setting(
    list,
    [],
    'Further words that count for nothing in a password, separated by commas: what your company, its products and projects are called. The hosts of SITE_URL and API_EXTERNAL_URL and SMTP_SENDER_NAME are among them anyhow.',
    { ours, example: 'acme,northwind' },
  ),
  password_history: setting(
    integer(0, 24),
    0,
    'From how many of their earlier passwords a user has to choose a different one, beside the current one. An administrator may set any. 0 remembers none. NIST SP 800-63B asks for none: people who may not choose an old password choose it with a digit more.',
    { ours, example: '5' },
  ),
  password_hibp_enabled: setting(
    flag,
    false,
    'Whether new passwords are looked up among the breached ones of Have I Been Pwned; five of the forty digits of a hash leave the house. A sign-in does not wait for it: its answer says what is known by then.',
  ),
  password_hibp_fail_closed: setting(
    flag,
    false,
    'Whether nobody gets a new password while that service does not answer (503). Otherwise the password passes, and the audit log has `breach_check_failed`.',
  ),
  password_hibp_user_agent: setting(text, 'gatehouse', 'How we introduce ourselves there.'),
  password_hibp_url: setting(
    webUrl,
    'https://api.pwnedpasswords.com',
    'Where that service is, or a copy of it within your walls: `GET /range/21BD1` below it is answered with the rest of each hash and how often it was seen, a line each.',
    { ours, example: 'https://pwned.internal.example.com' },
  ),
  password_hibp_timeout: setting(
    duration(0.01, 10),
    2,
    'How long a new password waits for its answer. From 10ms to 10s.',
    { ours, example: '2s' },
  ),
  password_hibp_bloom_enabled: setting(flag, false, 'Whether answers are remembered in a filter.', {
    awaits: BLOOM_FILTER,
  }),
  password_hibp_bloom_items: setting(integer(0), 100_000, 'How many the filter is made for.', {
    awaits: BLOOM_FILTER,
  }),
  password_hibp_bloom_false_positives: setting(decimal(0, 1), 0.0000099, 'How often the filter may be wrong.', {
    awaits: BLOOM_FILTER,
  }),
  hash_concurrency: setting(
    integer(1, 256),
    undefined,
    'Password hashes computed at once, in all processes of this machine together; one per core unless set. More does not make more sign-ins, and delays everything else.',
    { ours, example: '4' },
  ),
  hash_queue_budget: setting(
    duration(0.01, MINUTE),
    3,
    'How long a sign-in may be expected to wait for its hash. Beyond it new ones are refused with 503 and `Retry-After`, so that a flood of them costs only itself. From 10ms to 1m.',
    { ours, example: '3s' },
  ),
};

const guards = {
  lockout_max_attempts: setting(
    integer(1, 1000),
    10,
    'Wrong passwords in a row after which an account refuses even the right one for a while, from wherever they came. NIST SP 800-63B: at most 100.',
    { ours, example: '10' },
  ),
  lockout_duration: setting(
    seconds(1, DAY),
    MINUTE,
    'How long it refuses the first time, in seconds; twice as long each further time.',
    { ours, example: '60' },
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
    { ours },
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
  security_captcha_enabled: setting(flag, false, 'Whether sign-up, sign-in and recovery need a solved captcha.', {
    awaits: 'captchas',
  }),
  security_captcha_provider: setting(oneOf('hcaptcha', 'turnstile'), 'hcaptcha', 'Whose.', { awaits: 'captchas' }),
  security_captcha_secret: secret(text, 'The key that the provider gave you.', { awaits: 'captchas' }),
  security_captcha_timeout: setting(duration(), 10, 'How long its answer may take.', { awaits: 'captchas' }),
};

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

const mail = {
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
    { ours, example: '/var/lib/gatehouse/mail' },
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

const awaitsMessages = { awaits: 'text messages' };
const phone = {
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

const awaitsFactors = { awaits: 'second factors' };
const factors = {
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

/** As GET /settings lists them (contract §10.3), and two that GoTrue has beside them. */
const providerNames = [
  'apple',
  'azure',
  'bitbucket',
  'discord',
  'facebook',
  'figma',
  'fly',
  'github',
  'gitlab',
  'google',
  'kakao',
  'keycloak',
  'linkedin',
  'linkedin_oidc',
  'notion',
  'slack',
  'slack_oidc',
  'snapchat',
  'spotify',
  'twitch',
  'twitter',
  'vercel_marketplace',
  'workos',
  'x',
  'zoom',
] as const;

const awaitsProviders = { awaits: 'sign-in with other providers' };
const providers = {
  ...family(
    'external_*_enabled',
    'PROVIDER',
    providerNames,
    setting(flag, false, 'Whether people sign in with an account there.', awaitsProviders),
  ),
  ...family(
    'external_*_client_id',
    'PROVIDER',
    providerNames,
    setting(list, [], 'Our id there, several separated by commas.', awaitsProviders),
  ),
  ...family('external_*_secret', 'PROVIDER', providerNames, secret(text, 'Our secret there.', awaitsProviders)),
  ...family(
    'external_*_redirect_uri',
    'PROVIDER',
    providerNames,
    setting(text, undefined, 'The address that they send people back to: /callback of this service.', awaitsProviders),
  ),
  ...family(
    'external_*_url',
    'PROVIDER',
    providerNames,
    setting(text, undefined, 'Where they are, for those that one can run oneself.', awaitsProviders),
  ),
  ...family(
    'external_*_api_url',
    'PROVIDER',
    providerNames,
    setting(text, undefined, 'Where their API is, where it is elsewhere.', awaitsProviders),
  ),
  ...family(
    'external_*_email_optional',
    'PROVIDER',
    providerNames,
    setting(flag, false, 'Whether an account there needs no address.', awaitsProviders),
  ),
  ...family(
    'external_*_skip_nonce_check',
    'PROVIDER',
    providerNames,
    setting(
      flag,
      false,
      'Whether their tokens are taken without the nonce that belongs to the sign-in.',
      awaitsProviders,
    ),
  ),
  external_ios_bundle_id: setting(
    text,
    undefined,
    'The bundle of an iOS app that signs in with Apple.',
    awaitsProviders,
  ),
  external_redirect_url: setting(text, undefined, 'One address for all providers to send people back to.', {
    also: ['GOTRUE_EXTERNAL_REDIRECTURL'],
    ...awaitsProviders,
  }),
  external_allowed_id_token_issuers: setting(
    list,
    ['https://appleid.apple.com', 'https://accounts.google.com'],
    'Whose ID tokens may be exchanged for a session, separated by commas.',
    awaitsProviders,
  ),
  external_oidc_provider_cache_ttl: setting(
    duration(),
    HOUR,
    'How long what a provider says about itself is remembered.',
    awaitsProviders,
  ),
  custom_oauth_enabled: setting(flag, true, 'Whether administrators may add providers.', awaitsProviders),
  custom_oauth_max_providers: setting(integer(0), 0, 'How many.', awaitsProviders),
  ...family(
    'external_web3_*_enabled',
    'CHAIN',
    ['solana', 'ethereum'],
    setting(flag, false, 'Whether people sign in with a wallet.', { awaits: 'sign-in with a wallet' }),
  ),
  ...family(
    'external_web3_*_maximum_validity_duration',
    'CHAIN',
    ['solana', 'ethereum'],
    setting(duration(), 10 * MINUTE, 'How old the signed message may be.', { awaits: 'sign-in with a wallet' }),
  ),
};

const hookNames = [
  'send_sms',
  'send_email',
  'custom_access_token',
  'mfa_verification_attempt',
  'password_verification_attempt',
  'before_user_created',
  'after_user_created',
] as const;
const awaitsHooks = { awaits: 'hooks' };
const hooks = {
  ...family(
    'hook_*_enabled',
    'HOOK',
    hookNames,
    setting(flag, false, 'Whether your own code is asked at this point.', awaitsHooks),
  ),
  ...family(
    'hook_*_uri',
    'HOOK',
    hookNames,
    setting(text, undefined, 'Where it is: https://… or pg-functions://….', awaitsHooks),
  ),
  ...family(
    'hook_*_secrets',
    'HOOK',
    hookNames,
    secret(text, 'What the calls are signed with, several separated by `|`.', awaitsHooks),
  ),
};

const awaitsPasskeys = { awaits: 'passkeys' };
const awaitsOauthServer = { awaits: 'an OAuth server' };
const awaitsSso = { awaits: 'single sign-on' };
const protocols = {
  saml_enabled: setting(
    flag,
    false,
    'Whether companies sign in with their own identity provider over SAML.',
    awaitsSso,
  ),
  saml_private_key: secret(text, 'The RSA key that we speak SAML with.', awaitsSso),
  saml_private_key_next: secret(text, 'The one that comes after it.', awaitsSso),
  saml_allow_encrypted_assertions: setting(flag, false, 'Whether assertions may come encrypted.', awaitsSso),
  saml_relay_state_validity_period: setting(duration(), 2 * MINUTE, 'How long a sign-in may take.', awaitsSso),
  saml_external_url: setting(
    text,
    undefined,
    'The address that identity providers know, where it is not API_EXTERNAL_URL.',
    awaitsSso,
  ),
  passkey_enabled: setting(flag, false, 'Whether people sign in with a passkey.', awaitsPasskeys),
  passkey_max_passkeys_per_user: setting(integer(0), 10, 'How many an account may have.', awaitsPasskeys),
  webauthn_rp_id: setting(text, undefined, 'The domain that passkeys are for.', { also: ['RP_ID'], ...awaitsPasskeys }),
  webauthn_rp_display_name: setting(text, undefined, 'The name that people see beside it.', awaitsPasskeys),
  webauthn_rp_origins: setting(
    list,
    [],
    'The pages that may ask for one, as origins separated by commas.',
    awaitsPasskeys,
  ),
  webauthn_challenge_expiry_duration: setting(duration(), 5 * MINUTE, 'How long a person may take.', awaitsPasskeys),
  oauth_server_enabled: setting(
    flag,
    false,
    'Whether other applications let people sign in with their account here.',
    awaitsOauthServer,
  ),
  oauth_server_allow_dynamic_registration: setting(
    flag,
    false,
    'Whether they may register themselves.',
    awaitsOauthServer,
  ),
  oauth_server_authorization_path: setting(
    text,
    undefined,
    'The page of SITE_URL that asks the person.',
    awaitsOauthServer,
  ),
  oauth_server_authorization_ttl: setting(duration(), 10 * MINUTE, 'How long the person may take.', awaitsOauthServer),
  oauth_server_default_scope: setting(
    text,
    'email',
    'What an application learns that asks for nothing.',
    awaitsOauthServer,
  ),
};

const records = {
  audit_log_disable_postgres: setting(
    flag,
    false,
    "Whether Supabase's own table auth.audit_log_entries is left alone. The audit log in audit.events is always written.",
  ),
  audit_retention_days: setting(
    noneWhenZero(integer(0, 36_500)),
    null,
    'After how many days audit events may be removed. 0 or unset: never.',
    { ours, awaits: 'removal of old audit events' },
  ),
  security_db_encryption_encrypt: setting(
    flag,
    false,
    'Whether password hashes, second factors and session keys are encrypted in their columns, as GoTrue does it.',
    { awaits: 'encryption of new values' },
  ),
  security_db_encryption_encryption_key_id: setting(text, undefined, 'The id of the key to encrypt with.'),
  security_db_encryption_encryption_key: secret(
    encryptionKey,
    'The key to encrypt with: 32 bytes in base64url. It also decrypts.',
  ),
  security_db_encryption_decryption_keys: secret(
    encryptionKeys,
    'Keys that values may be encrypted with, as id:key separated by commas.',
  ),
};

const backups = {
  backup_directory: setting(
    text,
    undefined,
    'Where backups are kept: a directory of the account that makes them, on another disk than the database, copied elsewhere by what you copy files with.',
    { ours, example: '/var/backups/gatehouse' },
  ),
  backup_key: secret(
    ageIdentities,
    'What backups are encrypted for: a key in the form of age, as `gatehouse backup keygen` makes one. Of several lines the first encrypts and each decrypts: so keys are rotated. Keep a copy where neither this machine nor the backups are: without it no backup can be read.',
    { ours, example: 'AGE-SECRET-KEY-1…' },
  ),
  backup_driver: setting(
    oneOf('pg_dump', 'pgbackrest'),
    'pg_dump',
    'What makes the backups: `pg_dump`, from anywhere that reaches the database, or `pgbackrest`, set up by you on the machine of the database, with point-in-time recovery.',
    { ours },
  ),
  backup_retention: setting(
    retention,
    { daily: 7, weekly: 5, monthly: 12, yearly: 7 },
    'Which backups stay when others expire: the newest of each of the last so many days, weeks (from Monday), months and years, in UTC, that have one. pgBackRest keeps what its own configuration says.',
    { ours, example: '14 daily, 8 weekly, 24 monthly, 10 yearly' },
  ),
  backup_minimum: setting(integer(1, 1000), 3, 'So many backups stay whatever the retention says.', {
    ours,
    example: '5',
  }),
  backup_max_days_unproven: setting(
    integer(1, 1000),
    8,
    'How old the newest backup that was proven by a restore may be, in days, before `gatehouse backup list` ends with exit code 7.',
    { ours, example: '8' },
  ),
  backup_scratch_url: secret(
    text,
    'The server that `gatehouse backup verify` restores to, as `--scratch`: a superuser of a PostgreSQL that does not archive, of the same major version or newer. A database of its own is made there and dropped. A development checkout needs none.',
    { ours, example: 'postgres://postgres:…@scratch.example.com:5432/postgres' },
  ),
  backup_pgbackrest_stanza: setting(text, undefined, 'The stanza of pgBackRest that is this database.', {
    ours,
    example: 'portal',
  }),
  backup_pgbackrest_config: setting(
    text,
    undefined,
    "pgBackRest's configuration, where it is not in its usual place.",
    {
      ours,
      example: '/etc/pgbackrest/pgbackrest.conf',
    },
  ),
};

const leaving = {
  mode: setting(
    oneOf('postgres', 'supabase', 'shadow'),
    'postgres',
    'Who answers: `postgres` is us. `supabase` (forward to Supabase Auth) and `shadow` (Supabase answers, we compare) are not built yet and refused.',
    { also: [['USE_SUPABASE', (value: string) => (flag(value) ? 'supabase' : 'postgres')]], ours },
  ),
  supabase_url: setting(webUrl, undefined, 'The Supabase project that is being left.', {
    also: ['SUPABASE_URL'],
    ours,
    awaits: 'forwarding to Supabase',
  }),
  supabase_key: secret(text, 'Its service key.', { also: ['SUPABASE_KEY'], ours, awaits: 'forwarding to Supabase' }),
};

const awaitsGotrue = { awaits: "this part of GoTrue's own operation" };
const gotrue = {
  security_refresh_token_algorithm_version: setting(
    integer(0, 2),
    2,
    'Which refresh tokens GoTrue issues. Ours are always version 2; those of version 1 are taken and replaced.',
    { awaits: 'a choice of refresh tokens' },
  ),
  security_refresh_token_upgrade_percentage: setting(
    integer(0, 100),
    100,
    'How many sessions GoTrue turns to version 2. We turn each at its first refresh.',
    { awaits: 'a choice of refresh tokens' },
  ),
  operator_token: secret(text, "Of Netlify's days.", awaitsGotrue),
  ...family(
    'db_*',
    'POOL',
    [
      'max_idle_pool_size',
      'conn_percentage',
      'conn_max_lifetime',
      'conn_max_idle_time',
      'health_check_period',
      'migrations_path',
    ],
    setting(text, undefined, 'How GoTrue keeps its connections.', awaitsGotrue),
  ),
  db_cleanup_enabled: setting(flag, false, 'Whether rows that have ended are removed in passing.', awaitsGotrue),
  ...family(
    'db_advisor_*',
    'ADVISOR',
    ['enabled', 'sampling_interval', 'observation_interval'],
    setting(text, undefined, "GoTrue's advice about its pool.", awaitsGotrue),
  ),
  experimental_providers_with_own_linking_domain: setting(
    list,
    [],
    'Providers whose accounts are never linked by address.',
    awaitsProviders,
  ),
  experimental_cursor_pagination_enabled: setting(
    flag,
    false,
    'Whether /admin/users has pages by cursor.',
    awaitsGotrue,
  ),
  experimental_scim_enabled: setting(flag, false, 'Whether directories keep users over SCIM.', { awaits: 'SCIM' }),
  ...family(
    'mailer_*',
    'MAILER',
    [
      'email_validation_extended',
      'email_validation_service_url',
      'email_validation_service_headers',
      'email_validation_blocked_mx',
      'template_reloading_enabled',
      'template_reloading_max_idle',
    ],
    setting(text, undefined, "GoTrue's checks of addresses and care for templates.", awaitsGotrue),
  ),
  ...family(
    'index_worker_*',
    'INDEX',
    ['ensure_user_search_indexes_exist', 'max_users_threshold'],
    setting(
      text,
      undefined,
      'Whether GoTrue makes indexes for searching users; ours are made with the schema.',
      awaitsGotrue,
    ),
  ),
  api_endpoint: setting(text, undefined, "Of Netlify's days.", awaitsGotrue),
};

/** The table by the headings of docs/settings.md. */
export const sections = {
  'The service': service,
  'The database': database,
  'Keys and access tokens': tokens,
  Sessions: sessions,
  'Signing up and in': signIn,
  Passwords: passwords,
  'Rate limits and lockout': guards,
  Mail: mail,
  'The audit log and encrypted columns': records,
  Backups: backups,
  'Leaving Supabase': leaving,
  'Text messages': phone,
  'Second factors': factors,
  'Other providers': providers,
  Hooks: hooks,
  'SAML, passkeys, OAuth server': protocols,
  "GoTrue's own operation": gotrue,
};

/** Names of whole parts of GoTrue that say nothing about who may sign in, and are passed over: its log, traces, metrics. */
export const passedOver = /^GOTRUE_(?:LOG|TRACING|METRICS|PROFILER|RELOADING|WEBHOOK|COOKIE|OPERATOR)_/;

export const table = {
  ...service,
  ...database,
  ...tokens,
  ...sessions,
  ...signIn,
  ...passwords,
  ...guards,
  ...mail,
  ...records,
  ...backups,
  ...leaving,
  ...phone,
  ...factors,
  ...providers,
  ...hooks,
  ...protocols,
  ...gotrue,
};
