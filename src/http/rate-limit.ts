/** How often one caller may ask (contract §10.1). */
import type { RequestHandler } from 'express';
import type { Log } from './log.ts';
import type { RateLimitStore } from './rate-limit-store.ts';

export interface RateLimitSettings {
  rate_limit_header?: string | undefined;
  rate_limit_token_refresh: number;
  rate_limit_verify: number;
  rate_limit_otp: number;
  rate_limit_anonymous_users: number;
  /** Whether callers on this machine are limited as well. */
  rate_limit_loopback: boolean;
  trusted_proxies: readonly string[];
}

/** One handler per bucket. */
export interface RateLimits {
  token: RequestHandler;
  verify: RequestHandler;
  /** Signups, or AnonymousSignIns where the body has neither address nor phone. */
  signup: RequestHandler;
  recover: RequestHandler;
  resend: RequestHandler;
  magiclink: RequestHandler;
  otp: RequestHandler;
  user: RequestHandler;
}

export function createRateLimits(_settings: RateLimitSettings, _store: RateLimitStore, _log: Log): RateLimits {
  throw new Error('not yet');
}
