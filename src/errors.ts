/**
 * The closed list of ways we say no. A refusal is an outcome of the domain and carries GoTrue's own error code
 * (contract §3.2); everything else is a fault: 500 `unexpected_failure`, logged, never described to the client.
 */

/** `error_code` → status and the text that a client sees when the refusal names no text of its own. */
const catalogue = {
  anonymous_provider_disabled: [422, 'Anonymous sign-ins are disabled'],
  bad_code_verifier: [400, 'code challenge does not match previously saved code verifier'],
  bad_json: [400, 'Could not parse request body as JSON'],
  bad_jwt: [403, 'invalid JWT: unable to parse or verify signature'],
  bad_oauth_callback: [400, 'OAuth state parameter missing'],
  bad_oauth_state: [400, 'OAuth state parameter is invalid'],
  conflict: [409, 'Too many concurrent requests'],
  current_password_invalid: [400, 'Current password is not valid'],
  current_password_required: [400, 'Current password is required when setting new password.'],
  custom_provider_not_found: [404, 'Custom OAuth provider not found'],
  email_conflict_identity_not_deletable: [422, 'Unable to unlink identity due to email conflict'],
  email_exists: [422, 'A user with this email address has already been registered'],
  email_not_confirmed: [400, 'Email not confirmed'],
  email_provider_disabled: [422, 'Email logins are disabled'],
  feature_disabled: [404, 'Feature is disabled'],
  flow_state_expired: [422, 'invalid flow state, flow state has expired'],
  flow_state_not_found: [404, 'invalid flow state, no valid flow state found'],
  identity_not_found: [422, "Identity doesn't exist"],
  insufficient_aal: [401, 'AAL2 session is required to update email or password when MFA is enabled.'],
  invalid_client: [401, 'Client authentication failed'],
  invalid_credentials: [400, 'Invalid login credentials'],
  manual_linking_disabled: [404, 'Manual linking is disabled'],
  mfa_factor_name_conflict: [422, 'A factor with the same friendly name for this user already exists'],
  mfa_factor_not_found: [404, 'Factor not found'],
  mfa_phone_enroll_not_enabled: [422, 'MFA enroll is disabled for Phone'],
  mfa_phone_verify_not_enabled: [422, 'MFA verification is disabled for Phone'],
  mfa_totp_enroll_not_enabled: [422, 'MFA enroll is disabled for TOTP'],
  mfa_totp_verify_not_enabled: [422, 'MFA verification is disabled for TOTP'],
  mfa_webauthn_enroll_not_enabled: [422, 'MFA enroll is disabled for WebAuthn'],
  mfa_webauthn_verify_not_enabled: [422, 'MFA verification is disabled for WebAuthn'],
  no_authorization: [401, 'This endpoint requires a valid Bearer token'],
  not_admin: [403, 'User not allowed'],
  otp_expired: [403, 'Token has expired or is invalid'],
  over_email_send_rate_limit: [429, 'Email rate limit exceeded'],
  over_request_rate_limit: [429, 'Request rate limit reached'],
  passkey_disabled: [404, 'Passkeys are disabled'],
  phone_exists: [422, 'Phone number already registered by another user'],
  phone_not_confirmed: [400, 'Phone not confirmed'],
  phone_provider_disabled: [422, 'Phone logins are disabled'],
  provider_disabled: [400, 'Provider is not enabled'],
  reauthentication_needed: [400, 'Password update requires reauthentication'],
  reauthentication_not_valid: [422, 'Nonce has expired or is invalid'],
  refresh_token_already_used: [400, 'Invalid Refresh Token: Already Used'],
  refresh_token_not_found: [400, 'Invalid Refresh Token: Refresh Token Not Found'],
  request_entity_too_large: [413, 'Request body too large (max 1048576 bytes)'],
  request_timeout: [504, 'Processing this request timed out, please retry after a moment.'],
  same_password: [422, 'New password should be different from the old password.'],
  saml_provider_disabled: [404, 'SAML 2.0 is disabled'],
  service_overloaded: [503, 'Too many sign-ins at once, please retry after a moment.'],
  session_expired: [400, 'Invalid Refresh Token: Session Expired'],
  session_not_found: [403, 'Session from session_id claim in JWT does not exist'],
  signup_disabled: [422, 'Signups not allowed for this instance'],
  single_identity_not_deletable: [422, 'User must have at least 1 identity after unlinking'],
  sso_provider_not_found: [404, 'SSO Identity Provider not found'],
  unexpected_audience: [403, "Token audience doesn't match request audience"],
  unexpected_failure: [500, 'Unexpected failure, please check server logs for more information'],
  user_already_exists: [422, 'User already registered'],
  user_banned: [400, 'User is banned'],
  user_not_found: [404, 'User not found'],
  user_sso_managed: [422, 'Update user failed: user is managed by SSO'],
  validation_failed: [400, 'Validation failed'],
  weak_password: [422, 'Password is too weak'],
  web3_provider_disabled: [422, 'Web3 provider is disabled'],
} as const satisfies Record<string, readonly [status: number, message: string]>;

export type ErrorCode = keyof typeof catalogue;

export interface RefusalDetail {
  /** The wire's text where GoTrue has several for one code. Never contains what the caller sent. */
  message?: string;
  /** Where GoTrue answers one code with several statuses. */
  status?: number;
  /** Why, in our own words: for the audit log and the log line, never for the client. */
  reason?: string;
  /** Sent as `Retry-After`. */
  retry_after_seconds?: number;
  /** OAuth's `error`, for what OAuth's shape is the answer to: `{ error, error_description }` (contract §3.1). */
  oauth_error?: string;
  /** Reasons of a `weak_password`, beside the code in both error shapes. */
  weak_password?: { reasons: string[] };
  cause?: unknown;
}

/** A refusal: GoTrue's code, the text that a client sees, and a private reason. */
export class AuthError extends Error {
  override readonly name = 'AuthError';
  readonly error_code: ErrorCode;
  readonly status: number;
  readonly reason: string | undefined;
  readonly retry_after_seconds: number | undefined;
  readonly oauth_error: string | undefined;
  readonly weak_password: { reasons: string[] } | undefined;
  /** True once the audit log has it: a refusal is remembered once. */
  recorded = false;

  constructor(error_code: ErrorCode, detail: RefusalDetail = {}) {
    const [status, message] = catalogue[error_code];
    super(detail.message ?? message, { cause: detail.cause });
    this.error_code = error_code;
    this.status = detail.status ?? status;
    this.reason = detail.reason;
    this.retry_after_seconds = detail.retry_after_seconds;
    this.oauth_error = detail.oauth_error ?? (error_code === 'invalid_client' ? error_code : undefined);
    this.weak_password = detail.weak_password;
  }
}
