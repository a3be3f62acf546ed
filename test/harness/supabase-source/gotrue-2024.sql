-- What Supabase Auth added since mid-2024 taken away again: a project that was never updated.
set session_replication_role = origin;
delete from auth.sessions where refresh_token_counter is not null;
alter table auth.sessions
  drop column oauth_client_id, drop column refresh_token_hmac_key, drop column refresh_token_counter, drop column scopes;
alter table auth.mfa_factors drop column last_webauthn_challenge_data;
alter table auth.flow_state
  drop column invite_token, drop column referrer, drop column oauth_client_state_id, drop column linking_target_id,
  drop column email_optional;
drop table auth.oauth_consents, auth.oauth_authorizations, auth.oauth_clients, auth.oauth_client_states,
  auth.custom_oauth_providers, auth.webauthn_credentials, auth.webauthn_challenges;
delete from auth.schema_migrations where version > '20240806073726';
