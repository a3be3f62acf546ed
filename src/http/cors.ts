/**
 * Which pages may call us from a browser (contract §2.0). As GoTrue answers, but for two things: `*` never goes
 * together with credentials, and `apikey`, which supabase-js always sends, is an allowed header.
 */
import type { Request, RequestHandler, Response } from 'express';

export interface CorsSettings {
  /** Origins as browsers spell them (`https://portal.example`), or `*` for any page, then without credentials. */
  cors_allowed_origins: readonly string[];
  /** Request headers that pages may send beside GoTrue's own. */
  cors_allowed_headers: readonly string[];
}

const METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);
const EXPOSED = 'X-Total-Count, Link, X-Supabase-Api-Version';
const ALWAYS_ALLOWED_HEADERS = [
  'accept',
  'apikey',
  'authorization',
  'content-type',
  'origin',
  'x-client-ip',
  'x-client-info',
  'x-jwt-aud',
  'x-use-cookie',
  'x-supabase-api-version',
];
/** How long a browser may remember what it was allowed: 10 minutes. */
const MAX_AGE_SECONDS = '600';

/** Answers preflights and marks every other answer with who may read it. Before everything that can refuse. */
export function cors(settings: CorsSettings): RequestHandler {
  const origins = new Set(settings.cors_allowed_origins);
  const anyOrigin = origins.has('*');
  const allowedHeaders = new Set([
    ...ALWAYS_ALLOWED_HEADERS,
    ...settings.cors_allowed_headers.map((name) => name.toLowerCase()),
  ]);

  /** Says who may read the answer; false where nobody else may. */
  function share(origin: string | undefined, res: Response): boolean {
    if (origin === undefined) return false;
    if (anyOrigin) {
      res.setHeader('Access-Control-Allow-Origin', '*');
      return true;
    }
    if (!origins.has(origin)) return false;
    res.setHeader('Access-Control-Allow-Origin', origin);
    res.setHeader('Access-Control-Allow-Credentials', 'true');
    return true;
  }

  function answerPreflight({ headers }: Request, method: string, res: Response): void {
    const requested = headers['access-control-request-headers'];
    res.setHeader('Vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers');
    if (METHODS.has(method) && allAllowed(requested) && share(headers.origin, res)) {
      res.setHeader('Access-Control-Allow-Methods', method);
      if (requested) res.setHeader('Access-Control-Allow-Headers', requested);
      res.setHeader('Access-Control-Max-Age', MAX_AGE_SECONDS);
    }
    res.statusCode = 204;
    res.end();
  }

  function allAllowed(requested: string | undefined): boolean {
    return !requested || requested.split(',').every((name) => allowedHeaders.has(name.trim().toLowerCase()));
  }

  return (req, res, next) => {
    const preflightMethod = req.headers['access-control-request-method'];
    if (req.method === 'OPTIONS' && preflightMethod) return answerPreflight(req, preflightMethod, res);

    if (!anyOrigin) res.setHeader('Vary', 'Origin');
    if (share(req.headers.origin, res)) res.setHeader('Access-Control-Expose-Headers', EXPOSED);
    next();
  };
}
