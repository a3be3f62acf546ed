/**
 * Schema auth as drizzle sees it: Supabase's tables, each key the column's own name, in physical order. Keys, indexes and
 * checks are in drizzle/0000_supabase_auth.sql; a test holds the two and the database to each other.
 */
import { bytea, timestamptz } from './column-types.ts';
import {
  bigint,
  boolean,
  inet,
  json,
  jsonb,
  pgSchema,
  smallint,
  sql,
  text,
  timestamp,
  uuid,
  varchar,
} from './drizzle.ts';

export const auth = pgSchema('auth');

export const aal_level = auth.enum('aal_level', ['aal1', 'aal2', 'aal3']);
export const factor_type = auth.enum('factor_type', ['totp', 'webauthn', 'phone']);
export const factor_status = auth.enum('factor_status', ['unverified', 'verified']);
export const oauth_client_type = auth.enum('oauth_client_type', ['public', 'confidential']);
export const oauth_response_type = auth.enum('oauth_response_type', ['code']);
export const one_time_token_type = auth.enum('one_time_token_type', [
  'confirmation_token',
  'reauthentication_token',
  'recovery_token',
  'email_change_token_new',
  'email_change_token_current',
  'phone_change_token',
]);
export const code_challenge_method = auth.enum('code_challenge_method', ['s256', 'plain']);
export const oauth_registration_type = auth.enum('oauth_registration_type', ['dynamic', 'manual']);
export const oauth_authorization_status = auth.enum('oauth_authorization_status', [
  'pending',
  'approved',
  'denied',
  'expired',
]);

export const schema_migrations = auth.table('schema_migrations', {
  version: varchar({ length: 14 }).primaryKey(),
});

export const instances = auth.table('instances', {
  id: uuid().primaryKey(),
  uuid: uuid(),
  raw_base_config: text(),
  created_at: timestamptz(),
  updated_at: timestamptz(),
});

export const users = auth.table('users', {
  instance_id: uuid(),
  id: uuid().primaryKey(),
  aud: varchar({ length: 255 }),
  role: varchar({ length: 255 }),
  email: varchar({ length: 255 }),
  encrypted_password: varchar({ length: 255 }),
  email_confirmed_at: timestamptz(),
  invited_at: timestamptz(),
  confirmation_token: varchar({ length: 255 }),
  confirmation_sent_at: timestamptz(),
  recovery_token: varchar({ length: 255 }),
  recovery_sent_at: timestamptz(),
  email_change_token_new: varchar({ length: 255 }),
  email_change: varchar({ length: 255 }),
  email_change_sent_at: timestamptz(),
  last_sign_in_at: timestamptz(),
  raw_app_meta_data: jsonb(),
  raw_user_meta_data: jsonb(),
  is_super_admin: boolean(),
  created_at: timestamptz(),
  updated_at: timestamptz(),
  phone: text().default(sql`NULL::character varying`),
  phone_confirmed_at: timestamptz(),
  phone_change: text().default(sql`''::character varying`),
  phone_change_token: varchar({ length: 255 }).default(sql`''::character varying`),
  phone_change_sent_at: timestamptz(),
  confirmed_at: timestamptz().generatedAlwaysAs(sql`LEAST(email_confirmed_at, phone_confirmed_at)`),
  email_change_token_current: varchar({ length: 255 }).default(sql`''::character varying`),
  email_change_confirm_status: smallint().default(sql`0`),
  banned_until: timestamptz(),
  reauthentication_token: varchar({ length: 255 }).default(sql`''::character varying`),
  reauthentication_sent_at: timestamptz(),
  is_sso_user: boolean().notNull().default(sql`false`),
  deleted_at: timestamptz(),
  is_anonymous: boolean().notNull().default(sql`false`),
});

export const identities = auth.table('identities', {
  provider_id: text().notNull(),
  user_id: uuid().notNull(),
  identity_data: jsonb().notNull(),
  provider: text().notNull(),
  last_sign_in_at: timestamptz(),
  created_at: timestamptz(),
  updated_at: timestamptz(),
  email: text().generatedAlwaysAs(sql`lower((identity_data ->> 'email'::text))`),
  id: uuid().primaryKey().default(sql`gen_random_uuid()`),
});

export const oauth_clients = auth.table('oauth_clients', {
  id: uuid().primaryKey(),
  client_secret_hash: text(),
  registration_type: oauth_registration_type().notNull(),
  redirect_uris: text().notNull(),
  grant_types: text().notNull(),
  client_name: text(),
  client_uri: text(),
  logo_uri: text(),
  created_at: timestamptz().notNull().default(sql`now()`),
  updated_at: timestamptz().notNull().default(sql`now()`),
  deleted_at: timestamptz(),
  client_type: oauth_client_type().notNull().default(sql`'confidential'::auth.oauth_client_type`),
  token_endpoint_auth_method: text().notNull(),
});

export const sessions = auth.table('sessions', {
  id: uuid().primaryKey(),
  user_id: uuid().notNull(),
  created_at: timestamptz(),
  updated_at: timestamptz(),
  factor_id: uuid(),
  aal: aal_level(),
  not_after: timestamptz(),
  refreshed_at: timestamp({ mode: 'string' }),
  user_agent: text(),
  ip: inet(),
  tag: text(),
  oauth_client_id: uuid(),
  refresh_token_hmac_key: text(),
  refresh_token_counter: bigint({ mode: 'number' }),
  scopes: text(),
});

export const refresh_tokens = auth.table('refresh_tokens', {
  instance_id: uuid(),
  id: bigint({ mode: 'number' }).primaryKey().default(sql`nextval('auth.refresh_tokens_id_seq'::regclass)`),
  token: varchar({ length: 255 }),
  user_id: varchar({ length: 255 }),
  revoked: boolean(),
  created_at: timestamptz(),
  updated_at: timestamptz(),
  parent: varchar({ length: 255 }),
  session_id: uuid(),
});

export const mfa_amr_claims = auth.table('mfa_amr_claims', {
  session_id: uuid().notNull(),
  created_at: timestamptz().notNull(),
  updated_at: timestamptz().notNull(),
  authentication_method: text().notNull(),
  id: uuid().primaryKey(),
});

export const mfa_factors = auth.table('mfa_factors', {
  id: uuid().primaryKey(),
  user_id: uuid().notNull(),
  friendly_name: text(),
  factor_type: factor_type().notNull(),
  status: factor_status().notNull(),
  created_at: timestamptz().notNull(),
  updated_at: timestamptz().notNull(),
  secret: text(),
  phone: text(),
  last_challenged_at: timestamptz(),
  web_authn_credential: jsonb(),
  web_authn_aaguid: uuid(),
  last_webauthn_challenge_data: jsonb(),
});

export const mfa_challenges = auth.table('mfa_challenges', {
  id: uuid().primaryKey(),
  factor_id: uuid().notNull(),
  created_at: timestamptz().notNull(),
  verified_at: timestamptz(),
  ip_address: inet().notNull(),
  otp_code: text(),
  web_authn_session_data: jsonb(),
});

export const one_time_tokens = auth.table('one_time_tokens', {
  id: uuid().primaryKey(),
  user_id: uuid().notNull(),
  token_type: one_time_token_type().notNull(),
  token_hash: text().notNull(),
  relates_to: text().notNull(),
  created_at: timestamp({ mode: 'string' }).notNull().default(sql`now()`),
  updated_at: timestamp({ mode: 'string' }).notNull().default(sql`now()`),
});

export const flow_state = auth.table('flow_state', {
  id: uuid().primaryKey(),
  user_id: uuid(),
  auth_code: text(),
  code_challenge_method: code_challenge_method(),
  code_challenge: text(),
  provider_type: text().notNull(),
  provider_access_token: text(),
  provider_refresh_token: text(),
  created_at: timestamptz(),
  updated_at: timestamptz(),
  authentication_method: text().notNull(),
  auth_code_issued_at: timestamptz(),
  invite_token: text(),
  referrer: text(),
  oauth_client_state_id: uuid(),
  linking_target_id: uuid(),
  email_optional: boolean().notNull().default(sql`false`),
});

export const audit_log_entries = auth.table('audit_log_entries', {
  instance_id: uuid(),
  id: uuid().primaryKey(),
  payload: json(),
  created_at: timestamptz(),
  ip_address: varchar({ length: 64 }).notNull().default(sql`''::character varying`),
});

export const sso_providers = auth.table('sso_providers', {
  id: uuid().primaryKey(),
  resource_id: text(),
  created_at: timestamptz(),
  updated_at: timestamptz(),
  disabled: boolean(),
});

export const sso_domains = auth.table('sso_domains', {
  id: uuid().primaryKey(),
  sso_provider_id: uuid().notNull(),
  domain: text().notNull(),
  created_at: timestamptz(),
  updated_at: timestamptz(),
});

export const saml_providers = auth.table('saml_providers', {
  id: uuid().primaryKey(),
  sso_provider_id: uuid().notNull(),
  entity_id: text().notNull(),
  metadata_xml: text().notNull(),
  metadata_url: text(),
  attribute_mapping: jsonb(),
  created_at: timestamptz(),
  updated_at: timestamptz(),
  name_id_format: text(),
});

export const saml_relay_states = auth.table('saml_relay_states', {
  id: uuid().primaryKey(),
  sso_provider_id: uuid().notNull(),
  request_id: text().notNull(),
  for_email: text(),
  redirect_to: text(),
  created_at: timestamptz(),
  updated_at: timestamptz(),
  flow_state_id: uuid(),
});

export const oauth_client_states = auth.table('oauth_client_states', {
  id: uuid().primaryKey(),
  provider_type: text().notNull(),
  code_verifier: text(),
  created_at: timestamptz().notNull(),
});

export const oauth_authorizations = auth.table('oauth_authorizations', {
  id: uuid().primaryKey(),
  authorization_id: text().notNull(),
  client_id: uuid().notNull(),
  user_id: uuid(),
  redirect_uri: text().notNull(),
  scope: text().notNull(),
  state: text(),
  resource: text(),
  code_challenge: text(),
  code_challenge_method: code_challenge_method(),
  response_type: oauth_response_type().notNull().default(sql`'code'::auth.oauth_response_type`),
  status: oauth_authorization_status().notNull().default(sql`'pending'::auth.oauth_authorization_status`),
  authorization_code: text(),
  created_at: timestamptz().notNull().default(sql`now()`),
  expires_at: timestamptz().notNull().default(sql`(now() + '00:03:00'::interval)`),
  approved_at: timestamptz(),
  nonce: text(),
});

export const oauth_consents = auth.table('oauth_consents', {
  id: uuid().primaryKey(),
  user_id: uuid().notNull(),
  client_id: uuid().notNull(),
  scopes: text().notNull(),
  granted_at: timestamptz().notNull().default(sql`now()`),
  revoked_at: timestamptz(),
});

export const custom_oauth_providers = auth.table('custom_oauth_providers', {
  id: uuid().primaryKey().default(sql`gen_random_uuid()`),
  provider_type: text().notNull(),
  identifier: text().notNull(),
  name: text().notNull(),
  client_id: text().notNull(),
  client_secret: text().notNull(),
  acceptable_client_ids: text().array().notNull().default(sql`'{}'::text[]`),
  scopes: text().array().notNull().default(sql`'{}'::text[]`),
  pkce_enabled: boolean().notNull().default(sql`true`),
  attribute_mapping: jsonb().notNull().default(sql`'{}'::jsonb`),
  authorization_params: jsonb().notNull().default(sql`'{}'::jsonb`),
  enabled: boolean().notNull().default(sql`true`),
  email_optional: boolean().notNull().default(sql`false`),
  issuer: text(),
  discovery_url: text(),
  skip_nonce_check: boolean().notNull().default(sql`false`),
  cached_discovery: jsonb(),
  discovery_cached_at: timestamptz(),
  authorization_url: text(),
  token_url: text(),
  userinfo_url: text(),
  jwks_uri: text(),
  created_at: timestamptz().notNull().default(sql`now()`),
  updated_at: timestamptz().notNull().default(sql`now()`),
  custom_claims_allowlist: text().array().notNull().default(sql`'{}'::text[]`),
});

export const webauthn_credentials = auth.table('webauthn_credentials', {
  id: uuid().primaryKey().default(sql`gen_random_uuid()`),
  user_id: uuid().notNull(),
  credential_id: bytea().notNull(),
  public_key: bytea().notNull(),
  attestation_type: text().notNull().default(sql`''::text`),
  aaguid: uuid(),
  sign_count: bigint({ mode: 'number' }).notNull().default(sql`0`),
  transports: jsonb().notNull().default(sql`'[]'::jsonb`),
  backup_eligible: boolean().notNull().default(sql`false`),
  backed_up: boolean().notNull().default(sql`false`),
  friendly_name: text().notNull().default(sql`''::text`),
  created_at: timestamptz().notNull().default(sql`now()`),
  updated_at: timestamptz().notNull().default(sql`now()`),
  last_used_at: timestamptz(),
});

export const webauthn_challenges = auth.table('webauthn_challenges', {
  id: uuid().primaryKey().default(sql`gen_random_uuid()`),
  user_id: uuid(),
  challenge_type: text().notNull(),
  session_data: jsonb().notNull(),
  created_at: timestamptz().notNull().default(sql`now()`),
  expires_at: timestamptz().notNull(),
});
