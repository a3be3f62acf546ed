/** The keys that supabase-js is made with: tokens that name a role and nobody, as Supabase's do. */
import { createSigningKeys } from './signing-keys.ts';

export interface ApiKeys {
  /** For browsers: public, and may do what anybody may. */
  anon: string;
  /** For servers: may use /admin, and passes row security. */
  service_role: string;
}

const LIFE_SECONDS = 10 * 365 * 24 * 3600;

/** The keys of a secret, good for ten years. The same secret and second make the same keys. */
export async function makeApiKeys(secret_key: string, now: Date): Promise<ApiKeys> {
  const iat = Math.floor(now.getTime() / 1000);
  const keys = createSigningKeys(
    { secret_key, verify_only_secrets: [], jwt_keys: undefined },
    { jwt_key_id: undefined, jwt_valid_methods: [] },
  );
  const sign = (role: string) => keys.sign({ iss: 'supabase', role, iat, exp: iat + LIFE_SECONDS });
  return { anon: await sign('anon'), service_role: await sign('service_role') };
}
