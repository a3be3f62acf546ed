/** Settings of the service itself: where it listens, whom it believes, how it ends. */
import { setting } from './setting.ts';
import {
  duration,
  flag,
  headerName,
  integer,
  list,
  MINUTE,
  oneOf,
  origins,
  port,
  proxies,
  seconds,
  text,
  uri,
  webUrl,
} from './values.ts';

export const service = {
  api_host: setting(
    text,
    '127.0.0.1',
    'The address to listen on. The default is reached from this machine alone; in a container, or behind a proxy on another machine, set 0.0.0.0.',
    { also: ['HOST'], example: '0.0.0.0' },
  ),
  api_port: setting(port, 9999, 'The port to listen on.', { also: ['PORT'], example: '8080' }),
  api_external_url: setting(
    webUrl,
    undefined,
    'The address under which browsers and mail readers reach this service, path included. Links in mails begin with it. Without it they begin with the address that the service listens on, which only works on this machine.',
    { also: ['API_EXTERNAL_URL'], example: 'https://auth.example.com' },
  ),
  site_url: setting(
    uri,
    'http://localhost:3000',
    'The portal: where a person is sent after following a link, unless the request names another address that URI_ALLOW_LIST allows.',
    { example: 'https://portal.example.com' },
  ),
  uri_allow_list: setting(
    list,
    [],
    'Other addresses that a request may ask to be sent to, separated by commas. `*` stands for anything within one label of the host or one segment of the path, `**` for any number of segments.',
    { example: 'https://portal.example.com/**,com.example.app://callback' },
  ),
  api_request_id_header: setting(
    headerName,
    undefined,
    'The header in which your proxy sends an id of the request. It then stands in the log and in the audit log, so that one request can be followed through all of them. Without it each request gets a random one.',
    { also: ['REQUEST_ID_HEADER'], example: 'X-Request-Id' },
  ),
  api_max_request_duration: setting(
    duration(1, 5 * MINUTE),
    10,
    'A request without an answer after this time is refused with 504. From 1s to 5m.',
    { example: '10s' },
  ),
  trusted_proxies: setting(
    proxies,
    [],
    'Which peers may say for whom they speak (`X-Forwarded-For`): addresses and ranges separated by commas, `loopback`, `linklocal`, `uniquelocal`, or one number, the count of proxies in front. Without it forwarded addresses are believed of nobody, and behind a proxy all callers share one rate limit and one address in the audit log.',
    { ours: true, example: '10.0.0.0/8' },
  ),
  security_sb_forwarded_for_enabled: setting(
    flag,
    false,
    'Whether the header `Sb-Forwarded-For`, which the gateway of the hosted platform sets, names the caller. Only where a gateway in front removes what clients send under that name.',
  ),
  cors_allowed_origins: setting(
    origins,
    ['*'],
    'The pages that may call this service from a browser, as origins separated by commas. `*`, the default, is any page, then without credentials (cookies); supabase-js needs none.',
    { ours: true, example: 'https://portal.example.com' },
  ),
  cors_allowed_headers: setting(
    list,
    [],
    'Request headers that pages may send beside those of supabase-js, separated by commas.',
    { example: 'X-Client-Version' },
  ),
  console_enabled: setting(flag, true, 'Whether the pages for the security team are served at /console.', {
    ours: true,
    awaits: 'a console',
  }),
  web_concurrency: setting(
    integer(1, 256),
    1,
    'Processes that serve. One uses one core; more than there are cores gains nothing. They share the port, and one that dies is replaced.',
    { also: ['WEB_CONCURRENCY'], ours: true, example: '4' },
  ),
  drain_seconds: setting(
    seconds(0, 10 * MINUTE),
    25,
    'How long requests under way may take to finish after SIGTERM, before everything is ended. Less than what your platform waits before it kills (Kubernetes: 30 s).',
    { ours: true, example: '25' },
  ),
  data_directory: setting(
    text,
    '.gatehouse',
    'Where `npm start` without a database of yours keeps one, its secrets and outgoing mail.',
    { ours: true, example: '/var/lib/gatehouse' },
  ),
  embedded_postgres_port: setting(
    port,
    undefined,
    'The port of that database on 127.0.0.1. A free one at each start unless set.',
    { ours: true, example: '54322' },
  ),
  log_level: setting(
    oneOf('panic', 'fatal', 'error', 'warn', 'warning', 'info', 'debug', 'trace'),
    'info',
    'The least important lines of the log that are written.',
    { example: 'warn' },
  ),
};
