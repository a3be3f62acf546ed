/** Which tables make a user whole, in the order in which their foreign keys let them be filled. */

/** A table of schema auth that is carried over, row by row, under its own keys. */
export interface CarriedTable {
  name: string;
  /** Columns that refer to another carried table. */
  parents: Readonly<Record<string, string>>;
  /**
   * Columns that Supabase keeps in clear and we keep only as SHA-256: whoever reads our tables can redeem nothing
   * (DESIGN §1.4). NULL and '' stay as they are. All other columns are carried as they are, NULLs included.
   */
  hashed?: readonly string[];
}

export const carriedTables: readonly CarriedTable[] = [
  { name: 'users', parents: {} },
  { name: 'identities', parents: { user_id: 'users' } },
  { name: 'oauth_clients', parents: {} },
  { name: 'mfa_factors', parents: { user_id: 'users' } },
  { name: 'webauthn_credentials', parents: { user_id: 'users' } },
  { name: 'sessions', parents: { user_id: 'users', oauth_client_id: 'oauth_clients' } },
  { name: 'mfa_amr_claims', parents: { session_id: 'sessions' } },
  // Revoked tokens come too: they are what betrays the replay of a stolen one.
  { name: 'refresh_tokens', parents: { session_id: 'sessions' }, hashed: ['token', 'parent'] },
  { name: 'one_time_tokens', parents: { user_id: 'users' } },
  { name: 'oauth_consents', parents: { user_id: 'users', client_id: 'oauth_clients' } },
];

/** What a source must have to be a Supabase project at all. */
export const essentialTables = ['users', 'identities', 'sessions', 'refresh_tokens'] as const;

/** Tables that no user misses: state that lives for minutes, and bookkeeping of Supabase Auth. */
export const fleetingTables: ReadonlySet<string> = new Set([
  'flow_state',
  'mfa_challenges',
  'webauthn_challenges',
  'oauth_authorizations',
  'oauth_client_states',
  'saml_relay_states',
  'schema_migrations',
  'instances',
]);

/** A carried table as both databases have it. */
export interface TableShape extends CarriedTable {
  /** Columns that both have and that can be written, in the target's order. */
  columns: readonly string[];
}
