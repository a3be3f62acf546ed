/**
 * How often one caller may ask (contract §10.1). On for everybody, unlike GoTrue, which limits nobody until a header is
 * named.
 *
 * Who "one caller" is: the address that `identifyCaller` found, IPv6 by its /64. Where `rate_limit_header` is set, the
 * header says it instead, but only to a peer that may speak for others: a declared proxy, or this machine, because
 * who names a header has put something in front that sends it. Of `X-Forwarded-For` the last entry that is no proxy
 * counts, which is the one that a client cannot write; of any other header the first, as in GoTrue.
 *
 * Callers on this machine who speak for nobody are not limited: health checks, the bench, an administrator's curl, and
 * whoever else is there already could do worse. `rate_limit_loopback` limits them too.
 */
import type { Request, RequestHandler } from 'express';
import { type AugmentedRequest, ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { AuthError } from '../errors.ts';
import { bodyOf, parseBody, text } from './body.ts';
import { callerOf, canonicalAddress, peerAddress, type TrustProxy, trustProxy } from './caller.ts';
import type { Log } from './log.ts';
import { query } from './query.ts';
import type { Bucket, RateLimitStore } from './rate-limit-store.ts';

export interface RateLimitSettings {
  /** The header in which a proxy names the caller; unset, the address does. */
  rate_limit_header?: string | undefined;
  /** Password, refresh and the other grants of `/token` together, per 5 minutes. */
  rate_limit_token_refresh: number;
  /** Per 5 minutes. */
  rate_limit_verify: number;
  /** Sign-up, recover, resend, magic link, OTP and user changes, each, per 5 minutes. */
  rate_limit_otp: number;
  /** Per hour. */
  rate_limit_anonymous_users: number;
  rate_limit_loopback: boolean;
  trusted_proxies: readonly string[];
}

export interface RateLimitContext {
  settings: RateLimitSettings;
  clock: () => Date;
  log: Log;
}

export interface RateLimits {
  token: RequestHandler;
  verify: RequestHandler;
  /** Of `/signup`: a body with neither address nor phone is an anonymous sign-in, which has a bucket of its own. */
  signup: RequestHandler;
  recover: RequestHandler;
  resend: RequestHandler;
  magiclink: RequestHandler;
  otp: RequestHandler;
  /** Of `PUT /user`. */
  user: RequestHandler;
}

const BURST = 30;
const FIVE_MINUTES = 300;
const HOUR = 3600;
const IPV6_PREFIX = 64;
const KEY_MAX_LENGTH = 128;

const GRANTS = new Set<string | undefined>(['password', 'refresh_token', 'pkce', 'id_token']);
const signupIdentifiers = bodyOf({ email: text, phone: text });

/**
 * The limiters of all routes, counting in the store. Beyond its limit a caller gets 429 `over_request_rate_limit` with
 * `Retry-After`.
 */
export function createRateLimits({ settings, clock, log }: RateLimitContext, store: RateLimitStore): RateLimits {
  const callerKey = callerKeyBy(settings, log);

  function limit(bucket: Bucket): RequestHandler {
    const limited = rateLimit({
      limit: bucket.burst,
      store: store.bucket(bucket),
      keyGenerator: (req) => callerKey(req) ?? '',
      handler: (req, _res, next) => next(refusal(req, clock())),
      legacyHeaders: false,
      standardHeaders: false,
      // They look for mistakes with `req.ip`, which is not what we count by.
      validate: false,
    });
    return (req, res, next) => (callerKey(req) === undefined ? next() : limited(req, res, next));
  }

  function perFiveMinutes(name: string, refill: number): RequestHandler {
    return limit({ name, burst: BURST, refill, per_seconds: FIVE_MINUTES });
  }

  const anonymous = settings.rate_limit_anonymous_users;
  const anonymousSignIns = limit({ name: 'anonymous', burst: anonymous, refill: anonymous, per_seconds: HOUR });
  const signups = perFiveMinutes('signup', settings.rate_limit_otp);
  const token = perFiveMinutes('token', settings.rate_limit_token_refresh);

  return {
    // A grant that does not exist is refused as such, whoever asks and however often.
    token: (req, res, next) => (GRANTS.has(query(req, 'grant_type')) ? token(req, res, next) : next()),
    verify: perFiveMinutes('verify', settings.rate_limit_verify),
    signup: async (req, res, next) => {
      const { email, phone } = await parseBody(signupIdentifiers, req);
      return email || phone ? signups(req, res, next) : anonymousSignIns(req, res, next);
    },
    recover: perFiveMinutes('recover', settings.rate_limit_otp),
    resend: perFiveMinutes('resend', settings.rate_limit_otp),
    magiclink: perFiveMinutes('magiclink', settings.rate_limit_otp),
    otp: perFiveMinutes('otp', settings.rate_limit_otp),
    user: perFiveMinutes('user', settings.rate_limit_otp),
  };
}

function refusal(req: Request, now: Date): AuthError {
  const { resetTime = now } = (req as unknown as AugmentedRequest).rateLimit ?? {};
  return new AuthError('over_request_rate_limit', {
    retry_after_seconds: Math.max(1, (resetTime.getTime() - now.getTime()) / 1000),
  });
}

/** Whose allowance a request is on; undefined where it is on nobody's. */
function callerKeyBy(settings: RateLimitSettings, log: Log): (req: Request) => string | undefined {
  const header = settings.rate_limit_header?.toLowerCase();
  const isProxy = trustProxy(settings.trusted_proxies);
  const mayName: TrustProxy = (address, hop) => isLoopback(address) || isProxy(address, hop);
  let warned = false;

  return (req) => {
    const peer = peerAddress(req);
    const named = header ? req.headers[header] : undefined;
    if (typeof named === 'string' && named !== '' && mayName(peer, 0)) {
      return keyOf(header === 'x-forwarded-for' ? lastNamed(named, peer, mayName) : firstOf(named));
    }
    const forwarded = named ?? req.headers['x-forwarded-for'];
    if (forwarded !== undefined && !isProxy(peer, 0) && !warned) {
      warned = true;
      log.warn({ peer }, 'a peer that is not in trusted_proxies names other callers: it is not believed');
    }
    const { ip } = callerOf(req);
    return isLoopback(ip) && !settings.rate_limit_loopback ? undefined : keyOf(ip);
  };
}

/** @param address canonical */
function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** An address by its network, a mapped one as IPv4; a name that is no address, which only a proxy can give, as it is. */
function keyOf(name: string): string {
  const address = canonicalAddress(name);
  return address ? ipKeyGenerator(address, IPV6_PREFIX) : name.slice(0, KEY_MAX_LENGTH);
}

function firstOf(list: string): string {
  return list.split(',', 1)[0]?.trim() ?? '';
}

/** From the peer backwards, the first of the chain that may not speak for the one before it. */
function lastNamed(forwardedFor: string, peer: string, mayName: TrustProxy): string {
  const chain = [peer, ...forwardedFor.split(',').reverse()].map(
    (entry) => canonicalAddress(entry.trim()) ?? entry.trim(),
  );
  return chain.find((entry, hop) => !mayName(entry, hop)) ?? chain.at(-1) ?? peer;
}
