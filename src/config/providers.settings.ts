/** Settings of sign-in with other providers and with wallets. */
import { family, secret, setting } from './setting.ts';
import { duration, flag, HOUR, integer, list, MINUTE, text } from './values.ts';

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

export const awaitsProviders = { awaits: 'sign-in with other providers' };
export const providers = {
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
