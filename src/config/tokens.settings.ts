/** Settings of access tokens, and the secrets that sign and verify. */
import { secret, setting } from './setting.ts';
import { DAY, integer, list, MINUTE, oneOf, privateJwks, replaced, seconds, signingSecret, text } from './values.ts';

export const tokens = {
  secret_key: secret(
    signingSecret,
    'Signs access tokens (HS256): the bytes of this text, at least 32. Backends that check tokens themselves hold it too. Without a database of yours one is made and kept; with one, a start without it is refused.',
    { also: ['SECRET_KEY'], ours: true },
  ),
  jwt_secret: secret(
    signingSecret,
    "GoTrue's name for the key that signs. Where SECRET_KEY is set as well, this one only verifies.",
  ),
  supabase_jwt_secret: secret(
    signingSecret,
    'The JWT secret of the Supabase project that is being left. It only verifies, so that tokens and API keys made with it live out their time.',
    { also: ['JWT_SECRET'], ours: true },
  ),
  server_secret: secret(
    signingSecret,
    'What the keys of refresh tokens are derived from; SECRET_KEY unless set. Before you change SECRET_KEY, set this to its old value, or everybody has to sign in again.',
    { ours: true },
  ),
  jwt_key_id: setting(text, undefined, 'The `kid` in the header of tokens signed with SECRET_KEY.', {
    example: 'portal-2026',
  }),
  jwt_keys: secret(
    privateJwks,
    'Further keys, as a JSON array of private JWKs with a `kid` each. The one that has `sign` among its `key_ops` signs instead of SECRET_KEY, the others verify: so keys are rotated, and so backends verify with the public half (/.well-known/jwks.json) without being able to forge.',
  ),
  jwt_algorithm: setting(
    oneOf('HS256', 'ES256', 'RS256'),
    undefined,
    'How access tokens are signed: HS256 with SECRET_KEY, or what the signing key of JWT_KEYS is for. Only needed to be sure that the two agree.',
    { also: ['JWT_ALGORITHM'], ours: true },
  ),
  jwt_valid_methods: setting(
    list,
    [],
    'Algorithms that a token may be signed with, separated by commas. Those of the keys unless set.',
  ),
  jwt_exp: setting(
    replaced(seconds(0, 7 * DAY), (exp) => exp === 0, 30 * MINUTE),
    30 * MINUTE,
    'How long an access token is valid, in seconds, up to a week. Shorter than two minutes, supabase-js refreshes all the time; longer, a backend that does not ask /introspect believes a signed-out user longer.',
    {
      also: [['ACCESS_TOKEN_EXPIRE_MINUTES', (value: string) => integer(1, (7 * DAY) / MINUTE)(value) * MINUTE]],
      example: '1800',
    },
  ),
  jwt_issuer: setting(
    text,
    undefined,
    'The `iss` of access tokens, and demanded of those presented. Without it tokens have none.',
    { example: 'https://auth.example.com/auth/v1' },
  ),
  jwt_aud: setting(
    text,
    'authenticated',
    "The `aud` of new users, and with it of their tokens. It stays `authenticated` unless the portal's policies ask for another.",
  ),
  jwt_default_group_name: setting(text, 'authenticated', 'The `role` of new users, which row security policies read.'),
  jwt_admin_group_name: setting(
    text,
    'admin',
    'The `role` that lets a user change the `app_metadata` of their own account.',
  ),
  jwt_admin_roles: setting(
    list,
    ['service_role', 'supabase_admin'],
    'The roles of tokens that may use /admin, separated by commas.',
  ),
};
