/**
 * Where somebody is sent in the end: `redirect_to` (contract §2.0). Tokens travel there, so an address is let through only
 * when it is the portal's own or one that URI_ALLOW_LIST names. Addresses and patterns are taken apart first, and scheme,
 * host, port, path and query are matched each for itself: a `*` cannot reach across any of them. What a browser would take
 * apart otherwise than we do is refused.
 */
import { isIP } from 'node:net';
import type { Request } from 'express';
import type { Settings } from '../config.ts';
import { canonicalAddress } from './caller.ts';
import { query } from './query.ts';

export type RedirectSettings = Pick<Settings, 'site_url' | 'uri_allow_list'>;

const MAX_LENGTH = 2048;
/** They run or read something instead of going anywhere. */
const NEVER = new Set(['javascript', 'data', 'vbscript', 'file', 'blob', 'filesystem', 'about']);

/**
 * The address that the request may ask for: the header `redirect_to`, else the query parameter; where that one is not
 * allowed, the page that it came from; else SITE_URL. Nothing is an error here.
 */
export function redirectTo(req: Request, settings: RedirectSettings): string {
  const header = req.headers.redirect_to;
  const asked = (typeof header === 'string' && header) || query(req, 'redirect_to');
  return (
    allowedAddress(asked || undefined, settings) ?? allowedAddress(req.headers.referer, settings) ?? settings.site_url
  );
}

/** The address as it can stand in a header or a link, where it is allowed. */
export function allowedAddress(text: string | undefined, settings: RedirectSettings): string | undefined {
  const address = text === undefined ? undefined : readAddress(text);
  return address && isAllowed(address, rulesOf(settings)) ? written(address) : undefined;
}

interface Address {
  /** As written; so are the others, the marks `?` and `#` included. */
  scheme: string;
  host: string;
  port: string;
  path: string;
  query: string;
  fragment: string;
  /** The path that a browser asks for, dots resolved. Undefined where the scheme is an app's. */
  resolvedPath: string | undefined;
}

/** RFC 3986 §3, for addresses that name a host. */
const ADDRESS =
  /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<authority>[^/?#]*)(?<path>[^?#]*)(?<query>\?[^#]*)?(?<fragment>#.*)?$/i;
/** No user: nobody needs one here, and it makes addresses look like others. */
const AUTHORITY = /^(?<host>\[[\da-f:.]+\]|[!-9;-?A-Z\\^-~]*)(?::(?<port>\d{0,5}))?$/i;
const HOSTNAME = /^(?!-)[a-z\d-]{1,63}(?<!-)(?:\.(?!-)[a-z\d-]{1,63}(?<!-))*$/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const MISREAD = /[\x00-\x1f\x7f\\]|^\s|\s$|%(?![\da-f]{2})/i;
const WEB = /^https?$/i;

function readAddress(text: string): Address | undefined {
  if (text.length > MAX_LENGTH || MISREAD.test(text)) return undefined;
  const { scheme = '', authority = '', path = '', query = '', fragment = '' } = ADDRESS.exec(text)?.groups ?? {};
  const { host = '', port = '' } = AUTHORITY.exec(authority)?.groups ?? {};
  const url = URL.parse(text.toWellFormed());
  if (!url || scheme === '' || NEVER.has(scheme.toLowerCase()) || url.username || url.password) return undefined;
  if (url.protocol !== `${scheme.toLowerCase()}:`) return undefined;
  const address = { scheme, host, port, path, query, fragment };
  if (!WEB.test(scheme)) return host === '' && authority !== '' ? undefined : { ...address, resolvedPath: undefined };

  const isSameHost = host.startsWith('[')
    ? canonicalAddress(host) !== undefined && canonicalAddress(host) === canonicalAddress(url.hostname)
    : HOSTNAME.test(host) && url.hostname === host.toLowerCase();
  return isSameHost ? { ...address, resolvedPath: url.pathname } : undefined;
}

/** What a header holds and a link survives: everything else percent-encoded. */
function written({ scheme, host, port, path, query, fragment }: Address): string {
  const rest = `${path}${query}${fragment}`.toWellFormed().replace(/[^!-~]|["'<>^`{|}]/gu, (character) => {
    return character === "'" ? '%27' : encodeURIComponent(character);
  });
  return `${scheme.toLowerCase()}://${host}${port && `:${port}`}${rest}`;
}

interface Rules {
  site: Address | undefined;
  listed: Pattern[];
}

interface Pattern {
  scheme: string;
  host: RegExp;
  port: RegExp;
  path: RegExp;
  query: RegExp;
}

const known = new WeakMap<RedirectSettings, Rules>();

function rulesOf(settings: RedirectSettings): Rules {
  let rules = known.get(settings);
  if (!rules) {
    rules = {
      site: readAddress(settings.site_url),
      listed: settings.uri_allow_list.flatMap((pattern) => readPattern(pattern) ?? []),
    };
    known.set(settings, rules);
  }
  return rules;
}

function isAllowed(address: Address, { site, listed }: Rules): boolean {
  if (site && isOnSite(address, site)) return true;
  const ip = canonicalAddress(address.host);
  if (ip !== undefined || isIP(address.host)) {
    // An address of this machine: somebody who develops. Others stand for whoever has them at the moment.
    const isLoopback = ip !== undefined && (ip === '::1' || ip.startsWith('127.'));
    if (!isLoopback) return false;
    if (WEB.test(address.scheme)) return true;
  }
  return listed.some((pattern) => matches(address, pattern));
}

/** Any path of the portal; on localhost, which has no others, any port. */
function isOnSite({ scheme, host, port }: Address, site: Address): boolean {
  return (
    scheme.toLowerCase() === site.scheme.toLowerCase() &&
    host === site.host &&
    (port === site.port || host === 'localhost')
  );
}

function matches({ scheme, host, port, path, query, resolvedPath }: Address, pattern: Pattern): boolean {
  const paths = resolvedPath === undefined || path === '' ? [path] : [path, resolvedPath];
  return (
    scheme === pattern.scheme &&
    pattern.host.test(host) &&
    pattern.port.test(port) &&
    paths.every((each) => pattern.path.test(each)) &&
    pattern.query.test(query)
  );
}

/**
 * A pattern of URI_ALLOW_LIST: `*` is anything within one label or segment, `**` any number of them. What `**` ends, ends
 * anyhow: with any query, and after a host with any path.
 */
function readPattern(pattern: string): Pattern | undefined {
  const { scheme, authority = '', path = '', query } = ADDRESS.exec(pattern)?.groups ?? {};
  const { host, port = '' } = /^(?<host>\[[^\]]*\]|[^:@]*)(?::(?<port>[\d*]*))?$/.exec(authority)?.groups ?? {};
  if (scheme === undefined || host === undefined) return undefined;
  const isOpen = path === '' && query === undefined && authority.endsWith('**');
  return {
    scheme,
    host: glob(host, '[^.]*', '.*'),
    port: glob(port, '\\d*', '\\d*'),
    path: isOpen ? /^/ : glob(path, '[^/]*', '.*'),
    query: query === undefined && (isOpen || path.endsWith('**')) ? /^/ : glob(query ?? '', '.*', '.*'),
  };
}

/** @param star what `*` stands for, @param stars what `**` stands for */
function glob(pattern: string, star: string, stars: string): RegExp {
  const source = pattern.replace(/\*\*|\*|[^*]+/g, (part) => {
    if (part === '**') return stars;
    return part === '*' ? star : part.replace(/[\\^$.+?()[\]{}|/]/g, '\\$&');
  });
  return new RegExp(`^${source}$`, 's');
}
