/** The link of a mail (contract §7.2). Only settings say where it leads: never a header (CVE class 13). */
import type { Settings } from '../config.ts';
import type { MailKind } from './mail.ts';

/** What `GET /verify` is told that the token is for. */
export type LinkType = 'signup' | 'recovery' | 'magiclink' | 'invite' | 'email_change';

const DEFAULT_PATH = '/verify';

interface Link {
  kind: Exclude<MailKind, 'reauthentication'>;
  type: LinkType;
  token_hash: string;
  redirect_to: string;
}

/**
 * The address behind the button. As in GoTrue a path of the settings stands in place of that of API_EXTERNAL_URL; unless it
 * is the default, which is no choice of anybody's: then links lead below API_EXTERNAL_URL, where this service is.
 */
export function confirmationUrl(settings: Settings, { kind, type, token_hash, redirect_to }: Link): string {
  const path = pathOf(settings, kind);
  const external = externalUrl(settings);
  const base = path === DEFAULT_PATH ? `${external}${path}` : new URL(path, external).href;
  return `${base}?token=${token_hash}&type=${type}&redirect_to=${inQuery(redirect_to)}`;
}

/** Where mail readers reach this service. Without a setting, on this machine. */
function externalUrl({ api_external_url, api_host, api_port }: Settings): string {
  if (api_external_url) return api_external_url;
  const host = ['0.0.0.0', '::', ''].includes(api_host) ? '127.0.0.1' : api_host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${api_port}`;
}

function pathOf(settings: Settings, kind: Link['kind']): string {
  switch (kind) {
    case 'invite':
      return settings.mailer_urlpaths_invite;
    case 'confirmation':
      return settings.mailer_urlpaths_confirmation;
    case 'email_change':
      return settings.mailer_urlpaths_email_change;
    default:
      return settings.mailer_urlpaths_recovery;
  }
}

/** As GoTrue writes it where that reads back as the same address; escaped where it would not. */
function inQuery(redirect_to: string): string {
  return /[&=#+]|%(?!20)/.test(redirect_to) ? encodeURIComponent(redirect_to) : redirect_to;
}
