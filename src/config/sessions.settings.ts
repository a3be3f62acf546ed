/** Settings of sessions and refresh tokens. */
import { setting } from './setting.ts';
import { duration, flag, HOUR, list, noneWhenZero, seconds } from './values.ts';

export const sessions = {
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
