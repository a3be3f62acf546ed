/** Headers that tell browsers and caches to expect nothing of this API but JSON for whoever asked (OWASP ASVS 3.4, 14.3). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RequestHandler } from 'express';
import helmet from 'helmet';

const apiHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
  },
  // Browsers heed it over TLS only. Neighbours below our host name are not ours to decide for.
  strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: false },
  referrerPolicy: { policy: 'no-referrer' },
  frameguard: { action: 'deny' },
  // For pages and old browsers; an API has nothing they would guard.
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
  dnsPrefetchControl: false,
  ieNoOpen: false,
  permittedCrossDomainPolicies: false,
  xssFilter: false,
});

/**
 * Sets helmet's headers and `Cache-Control: no-store` on every answer; a door that has more to say (the JWKS may be
 * cached, the console is a page) sets its own over them. helmet's answer is always the same, so it is asked once.
 */
export function securityHeaders(): RequestHandler {
  const headers = [...recordedFrom(apiHeaders), ['Cache-Control', 'no-store'] as const];
  return (_req, res, next) => {
    for (const [name, value] of headers) res.setHeader(name, value);
    next();
  };
}

type HelmetMiddleware = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void;

function recordedFrom(middleware: HelmetMiddleware): [name: string, value: string][] {
  const headers = new Map<string, string>();
  const recorder = {
    setHeader: (name: string, value: string) => headers.set(name, value),
    removeHeader: (name: string) => headers.delete(name),
  };
  middleware({} as IncomingMessage, recorder as unknown as ServerResponse, (error) => {
    if (error) throw error;
  });
  return [...headers];
}
