/**
 * What can happen: the closed list of audit actions. GoTrue's names where GoTrue records the thing (contract §9.8), ours
 * in the same manner for what it does not: every refusal, every use of a right, every step of a migration.
 */

/** GoTrue's actions with the `log_type` that `auth.audit_log_entries` files them under. */
export const gotrueActions = {
  login: 'account',
  logout: 'account',
  invite_accepted: 'account',
  user_signedup: 'team',
  user_invited: 'team',
  user_deleted: 'team',
  token_revoked: 'token',
  token_refreshed: 'token',
  user_modified: 'user',
  user_recovery_requested: 'user',
  user_reauthenticate_requested: 'user',
  user_confirmation_requested: 'user',
  user_repeated_signup: 'user',
  user_updated_password: 'user',
  identity_linked: 'user',
  identity_unlinked: 'user',
  passkey_deleted: 'user',
  factor_in_progress: 'factor',
  factor_unenrolled: 'factor',
  factor_deleted: 'factor',
  factor_updated: 'factor',
  challenge_created: 'factor',
  verification_attempted: 'factor',
} as const;

export type GotrueAction = keyof typeof gotrueActions;

/** Refusals, one per door: what was tried and did not come to pass. */
const refusedActions = [
  'login_failed',
  'token_refresh_failed',
  'token_grant_failed',
  'signup_failed',
  'verification_failed',
  'recovery_failed',
  'sign_in_link_failed',
  'resend_failed',
  'reauthentication_failed',
  'logout_failed',
  'user_read_failed',
  'user_modify_failed',
  'admin_request_failed',
  'introspection_failed',
  'revocation_failed',
  'identity_link_failed',
  'identity_unlink_failed',
  'audit_read_failed',
  'request_failed',
] as const;

export type RefusedAction = (typeof refusedActions)[number];

const ownActions = [
  ...refusedActions,
  'anonymous_signedup',
  'link_generated',
  'email_change_requested',
  'email_change_confirmed',
  'refresh_token_reused',
  'sessions_revoked',
  'everyone_signed_out',
  'account_locked',
  'token_introspected',
  'audit_read',
  'users_read',
  'client_created',
  'client_disabled',
  'role_granted',
  'role_revoked',
  'breach_check_failed',
  'mail_sent',
  'mail_failed',
  'mail_template_failed',
  'schema_changed',
  'backup_finished',
  'backup_failed',
  'backup_verified',
  'backup_expired',
  'migration_started',
  'migration_finished',
  'migration_failed',
  'migration_verified',
] as const;

export type Action = GotrueAction | (typeof ownActions)[number];

export const actions = [...Object.keys(gotrueActions), ...ownActions] as readonly Action[];

/** Who acted. A service key and a command have a name and no id. */
export interface Actor {
  id?: string | undefined;
  /** JWT role: `authenticated`, `service_role`; `operator` for a command on this machine. */
  role?: string | undefined;
  /** What GoTrue files as `actor_username`: the phone when there is one, else the email; a role's name. */
  username?: string | undefined;
  full_name?: string | undefined;
  via_sso?: boolean | undefined;
}

export interface AuditEvent {
  action: Action;
  outcome: 'success' | 'failure';
  actor?: Actor | undefined;
  /** Whom GoTrue's own table names in place of the actor. */
  gotrue_actor?: Actor | undefined;
  /** The user it happened to. */
  subject_id?: string | undefined;
  session_id?: string | undefined;
  /** The refusal's code, as the client saw it. */
  error_code?: string | undefined;
  /** Why, in our words; never what the caller sent. */
  reason?: string | undefined;
  /** GoTrue's `traits`. Never a secret, never a request body. */
  details?: Record<string, unknown> | undefined;
  /** Our own particulars, which stand beside them in `audit.events` and not in GoTrue's table. */
  remarks?: Record<string, unknown> | undefined;
}
