/** Settings of SAML, passkeys and the OAuth server. */
import { secret, setting } from './setting.ts';
import { duration, flag, integer, list, MINUTE, text } from './values.ts';

const awaitsPasskeys = { awaits: 'passkeys' };
const awaitsOauthServer = { awaits: 'an OAuth server' };
const awaitsSso = { awaits: 'single sign-on' };
export const protocols = {
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
