/** Settings of new passwords, and of the work of hashing them. */
import { setting } from './setting.ts';
import { characterSets, decimal, duration, flag, integer, list, MINUTE, replaced, text, webUrl } from './values.ts';

/** A hundred ranges are remembered as they came. */
const BLOOM_FILTER = 'a filter for what is known of breached passwords';

export const passwords = {
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
    { ours: true },
  ),
  password_context_words: setting(
    list,
    [],
    'Further words that count for nothing in a password, separated by commas: what your company, its products and projects are called. The hosts of SITE_URL and API_EXTERNAL_URL and SMTP_SENDER_NAME are among them anyhow.',
    { ours: true, example: 'acme,northwind' },
  ),
  password_history: setting(
    integer(0, 24),
    0,
    'From how many of their earlier passwords a user has to choose a different one, beside the current one. An administrator may set any. 0 remembers none. NIST SP 800-63B asks for none: people who may not choose an old password choose it with a digit more.',
    { ours: true, example: '5' },
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
    { ours: true, example: 'https://pwned.internal.example.com' },
  ),
  password_hibp_timeout: setting(
    duration(0.01, 10),
    2,
    'How long a new password waits for its answer. From 10ms to 10s.',
    { ours: true, example: '2s' },
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
    { ours: true, example: '4' },
  ),
  hash_queue_budget: setting(
    duration(0.01, MINUTE),
    3,
    'How long a sign-in may be expected to wait for its hash. Beyond it new ones are refused with 503 and `Retry-After`, so that a flood of them costs only itself. From 10ms to 1m.',
    { ours: true, example: '3s' },
  ),
};
