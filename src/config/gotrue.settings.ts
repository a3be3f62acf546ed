/** Settings of GoTrue's own operation, which are known here and have no effect. */
import { awaitsProviders } from './providers.settings.ts';
import { family, secret, setting } from './setting.ts';
import { flag, integer, list, text } from './values.ts';

const awaitsGotrue = { awaits: "this part of GoTrue's own operation" };
export const gotrue = {
  security_refresh_token_algorithm_version: setting(
    integer(0, 2),
    2,
    'Which refresh tokens GoTrue issues. Ours are always version 2; those of version 1 are taken and replaced.',
    { awaits: 'a choice of refresh tokens' },
  ),
  security_refresh_token_upgrade_percentage: setting(
    integer(0, 100),
    100,
    'How many sessions GoTrue turns to version 2. We turn each at its first refresh.',
    { awaits: 'a choice of refresh tokens' },
  ),
  operator_token: secret(text, "Of Netlify's days.", awaitsGotrue),
  ...family(
    'db_*',
    'POOL',
    [
      'max_idle_pool_size',
      'conn_percentage',
      'conn_max_lifetime',
      'conn_max_idle_time',
      'health_check_period',
      'migrations_path',
    ],
    setting(text, undefined, 'How GoTrue keeps its connections.', awaitsGotrue),
  ),
  db_cleanup_enabled: setting(flag, false, 'Whether rows that have ended are removed in passing.', awaitsGotrue),
  ...family(
    'db_advisor_*',
    'ADVISOR',
    ['enabled', 'sampling_interval', 'observation_interval'],
    setting(text, undefined, "GoTrue's advice about its pool.", awaitsGotrue),
  ),
  experimental_providers_with_own_linking_domain: setting(
    list,
    [],
    'Providers whose accounts are never linked by address.',
    awaitsProviders,
  ),
  experimental_cursor_pagination_enabled: setting(
    flag,
    false,
    'Whether /admin/users has pages by cursor.',
    awaitsGotrue,
  ),
  experimental_scim_enabled: setting(flag, false, 'Whether directories keep users over SCIM.', { awaits: 'SCIM' }),
  ...family(
    'mailer_*',
    'MAILER',
    [
      'email_validation_extended',
      'email_validation_service_url',
      'email_validation_service_headers',
      'email_validation_blocked_mx',
      'template_reloading_enabled',
      'template_reloading_max_idle',
    ],
    setting(text, undefined, "GoTrue's checks of addresses and care for templates.", awaitsGotrue),
  ),
  ...family(
    'index_worker_*',
    'INDEX',
    ['ensure_user_search_indexes_exist', 'max_users_threshold'],
    setting(
      text,
      undefined,
      'Whether GoTrue makes indexes for searching users; ours are made with the schema.',
      awaitsGotrue,
    ),
  ),
  api_endpoint: setting(text, undefined, "Of Netlify's days.", awaitsGotrue),
};
