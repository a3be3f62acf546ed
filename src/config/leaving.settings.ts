/** Settings of the time in which Supabase is being left. */
import { secret, setting } from './setting.ts';
import { flag, oneOf, text, webUrl } from './values.ts';

export const leaving = {
  mode: setting(
    oneOf('postgres', 'supabase', 'shadow'),
    'postgres',
    'Who answers: `postgres` is us. `supabase` (forward to Supabase Auth) and `shadow` (Supabase answers, we compare) are not built yet and refused.',
    { also: [['USE_SUPABASE', (value: string) => (flag(value) ? 'supabase' : 'postgres')]], ours: true },
  ),
  supabase_url: setting(webUrl, undefined, 'The Supabase project that is being left.', {
    also: ['SUPABASE_URL'],
    ours: true,
    awaits: 'forwarding to Supabase',
  }),
  supabase_key: secret(text, 'Its service key.', {
    also: ['SUPABASE_KEY'],
    ours: true,
    awaits: 'forwarding to Supabase',
  }),
};
