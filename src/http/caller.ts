/** Who is connected: what the log line, the audit row and the session say about where a request came from. */
import { randomUUID } from 'node:crypto';
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import type { Request, RequestHandler } from 'express';

export interface Caller {
  /** Random, or what the configured header said. Sent back as `X-Request-Id`. */
  request_id: string;
  /** Canonical: IPv4 as such even where the socket speaks IPv6, no zone, no port. */
  ip: string;
  user_agent: string | undefined;
  method: string;
  /** As the caller wrote it, without the query: that one can carry tokens. */
  path: string;
}

/** From where and when: the part of an audit event that is the request's, not the domain's. */
export interface Occasion {
  caller: Caller;
  /** Read once: everything that a request does, it does at one time. */
  now: Date;
  /** Supabase's own table auth.audit_log_entries is left alone. */
  without_gotrue_audit?: boolean;
}

export interface CallerSettings {
  /** The header whose value becomes the request id (`GOTRUE_API_REQUEST_ID_HEADER`). */
  api_request_id_header?: string | undefined;
  /** Whether `Sb-Forwarded-For`, which the hosted platform's gateway sets, names the caller. */
  security_sb_forwarded_for_enabled?: boolean | undefined;
  audit_log_disable_postgres?: boolean | undefined;
}

const USER_AGENT_MAX_LENGTH = 512;
const PATH_MAX_LENGTH = 512;
/** Printable ASCII without blanks: it goes into a header, a log line and an audit row. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL_CHARACTERS = /[\x00-\x1f\x7f-\x9f]/g;

const occasion = Symbol('occasion');
type Identified = Request & { [occasion]?: Occasion };

/** Reads who is calling and when, once per request, before anything else; afterwards `occasionOf` knows. */
export function identifyCaller(settings: CallerSettings, clock: () => Date = () => new Date()): RequestHandler {
  const requestIdHeader = settings.api_request_id_header?.toLowerCase();
  const readForwardedFor = settings.security_sb_forwarded_for_enabled ?? false;
  const without_gotrue_audit = settings.audit_log_disable_postgres ?? false;

  return (req: Identified, res, next) => {
    const presented = requestIdHeader ? req.headers[requestIdHeader] : undefined;
    const request_id = typeof presented === 'string' && REQUEST_ID.test(presented) ? presented : randomUUID();
    const forwarded = readForwardedFor ? leftmostAddress(req.headers['sb-forwarded-for']) : undefined;
    const caller = {
      request_id,
      ip: forwarded ?? canonicalAddress(req.ip) ?? peerAddress(req),
      user_agent: req.headers['user-agent']?.slice(0, USER_AGENT_MAX_LENGTH).replace(CONTROL_CHARACTERS, ''),
      method: req.method,
      path: pathOf(req.originalUrl),
    };
    req[occasion] = { caller, now: clock(), without_gotrue_audit };
    res.setHeader('X-Request-Id', request_id);
    next();
  };
}

/** Who is calling, and when. */
export function occasionOf(req: Request): Occasion {
  const known = (req as Identified)[occasion];
  if (!known) throw new Error('identifyCaller runs before everything that asks who is calling');
  return known;
}

/** The caller of this request. */
export function callerOf(req: Request): Caller {
  return occasionOf(req).caller;
}

/** The address at the other end of the connection, whatever any header says. A Unix socket is this machine. */
export function peerAddress(req: Request): string {
  return canonicalAddress(req.socket.remoteAddress) ?? '127.0.0.1';
}

/**
 * One spelling per address, so that what is limited, logged and compared is the same caller: IPv4 mapped into IPv6
 * as IPv4, IPv6 compressed and lower-case, without zone, brackets or the port that some proxies append. Undefined for
 * what is no address.
 */
export function canonicalAddress(text: string | undefined): string | undefined {
  if (!text || text.length > 64) return undefined;
  if (isIPv4(text)) return text;
  if (text.startsWith('::ffff:') && isIPv4(text.slice(7))) return text.slice(7);

  const withPort = /^(?:\[([^\]]+)\]|(\d+\.\d+\.\d+\.\d+))(?::\d{1,5})?$/.exec(text);
  const [bare = ''] = (withPort?.[1] ?? withPort?.[2] ?? text).split('%');
  if (!isIPv6(bare)) return isIPv4(bare) ? bare : undefined;

  const compressed = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(compressed);
  if (!mapped) return compressed;
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** Answers whether the peer (hop 0) or a hop before it may say for whom it speaks: Express's `trust proxy` function. */
export type TrustProxy = (address: string, hop: number) => boolean;

const proxyRanges: Record<string, readonly string[]> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/**
 * Which peers are proxies of ours: addresses, CIDR ranges, `loopback`, `linklocal`, `uniquelocal`, or one number, the
 * count of proxies in front. An empty list trusts nobody.
 *
 * @throws Error that names the entry which is none of these. An IPv4 range written inside IPv6 (`::ffff:10.0.0.0/8`)
 *   is refused: a parser that reads it as IPv6 trusts every IPv4 address there is (CVE-2026-90711).
 */
export function trustProxy(proxies: readonly string[]): TrustProxy {
  const [only] = proxies;
  if (proxies.length === 1 && only && /^\d{1,2}$/.test(only)) {
    const hops = Number(only);
    return (_address, hop) => hop < hops;
  }
  const trusted = new BlockList();
  for (const proxy of proxies.flatMap((entry) => proxyRanges[entry] ?? [entry])) trustRange(trusted, proxy);
  return (address) => {
    const canonical = canonicalAddress(address);
    return canonical !== undefined && trusted.check(canonical, isIPv4(canonical) ? 'ipv4' : 'ipv6');
  };
}

function trustRange(trusted: BlockList, range: string): void {
  const [, address = '', prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(range) ?? [];
  const bits = isIPv4(address) ? 32 : 128;
  const length = prefix === undefined ? bits : Number(prefix);
  const isMapped = isIPv6(address) && isIPv4(canonicalAddress(address) ?? '');
  if (!isIP(address) || length < 1 || length > bits || (isMapped && length < bits)) {
    throw new Error(`"${range}" is not an address, a range (10.0.0.0/8), loopback, linklocal, uniquelocal or a count`);
  }
  const canonical = canonicalAddress(address) ?? address;
  if (isIPv4(canonical)) trusted.addSubnet(canonical, isMapped ? 32 : length, 'ipv4');
  else trusted.addSubnet(canonical, length, 'ipv6');
}

/** The first value of a comma-separated header that names the caller, where it is an address. */
function leftmostAddress(header: string | string[] | undefined): string | undefined {
  return canonicalAddress(
    String(header ?? '')
      .split(',', 1)[0]
      ?.trim(),
  );
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return (query < 0 ? url : url.slice(0, query)).slice(0, PATH_MAX_LENGTH);
}
