/** Settings of hooks. */
import { family, secret, setting } from './setting.ts';
import { flag, text } from './values.ts';

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
export const hooks = {
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
