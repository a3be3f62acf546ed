/** GET /settings (contract §10.3): what a sign-in page may offer. */
import type { RequestHandler } from 'express';
import type { Settings } from '../config.ts';
import { sendJson } from './send-json.ts';

export function publicSettings(settings: Settings): RequestHandler {
  const body = {
    external: {
      anonymous_users: settings.external_anonymous_users_enabled,
      apple: false,
      azure: false,
      bitbucket: false,
      discord: false,
      facebook: false,
      snapchat: false,
      figma: false,
      fly: false,
      github: false,
      gitlab: false,
      google: false,
      keycloak: false,
      kakao: false,
      linkedin: false,
      linkedin_oidc: false,
      notion: false,
      spotify: false,
      slack: false,
      slack_oidc: false,
      workos: false,
      twitch: false,
      twitter: false,
      email: settings.external_email_enabled,
      phone: settings.external_phone_enabled,
      zoom: false,
    },
    disable_signup: settings.disable_signup,
    mailer_autoconfirm: settings.mailer_autoconfirm,
    phone_autoconfirm: settings.sms_autoconfirm,
    sms_provider: settings.sms_provider,
    saml_enabled: false,
    // GoTrue says so whether or not there is a key.
    saml_private_key_next_configured: true,
    passkeys_enabled: false,
  };
  return (_req, res) => sendJson(res, body);
}
