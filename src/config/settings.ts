/**
 * Every environment variable, under its key: the name that GoTrue has for it, in lower case, without `GOTRUE_`. What is ours
 * alone has no GoTrue spelling. The variables of one heading are in a file of their own; docs/settings.md is made from all.
 */
import { backups } from './backups.settings.ts';
import { database } from './database.settings.ts';
import { factors } from './factors.settings.ts';
import { gotrue } from './gotrue.settings.ts';
import { hooks } from './hooks.settings.ts';
import { leaving } from './leaving.settings.ts';
import { limits } from './limits.settings.ts';
import { mail } from './mail.settings.ts';
import { passwords } from './passwords.settings.ts';
import { protocols } from './protocols.settings.ts';
import { providers } from './providers.settings.ts';
import { records } from './records.settings.ts';
import { service } from './service.settings.ts';
import { sessions } from './sessions.settings.ts';
import { signIn } from './sign-in.settings.ts';
import { textMessages } from './text-messages.settings.ts';
import { tokens } from './tokens.settings.ts';

/** The table by the headings of docs/settings.md. */
export const sections = {
  'The service': service,
  'The database': database,
  'Keys and access tokens': tokens,
  Sessions: sessions,
  'Signing up and in': signIn,
  Passwords: passwords,
  'Rate limits and lockout': limits,
  Mail: mail,
  'The audit log and encrypted columns': records,
  Backups: backups,
  'Leaving Supabase': leaving,
  'Text messages': textMessages,
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
  ...limits,
  ...mail,
  ...records,
  ...backups,
  ...leaving,
  ...textMessages,
  ...factors,
  ...providers,
  ...hooks,
  ...protocols,
  ...gotrue,
};
