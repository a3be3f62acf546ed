/** GET /openapi.yaml: what this service answers, in OpenAPI 3.1, as the package holds it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { RequestHandler } from 'express';

/** The same path from src/http and from dist/http. */
const FILE = new URL('../../openapi.yaml', import.meta.url);
const CACHEABLE = 'public, max-age=3600';

/** Read once. Whoever has it already is told so (RFC 9110 §13.1.2). */
export function openapi(): RequestHandler {
  const document = readFileSync(FILE);
  const etag = `"${createHash('sha256').update(document).digest('base64url')}"`;
  return (req, res) => {
    res.setHeader('Cache-Control', CACHEABLE);
    res.setHeader('ETag', etag);
    if (isAmong(etag, req.headers['if-none-match'])) {
      res.statusCode = 304;
      res.end();
      return;
    }
    // RFC 9512
    res.setHeader('Content-Type', 'application/yaml');
    res.setHeader('Content-Length', document.length);
    res.end(document);
  };
}

/** A cache in between may have made a weak one of it. */
function isAmong(etag: string, list = ''): boolean {
  return list.trim() === '*' || list.split(',').some((one) => one.trim().replace(/^W\//, '') === etag);
}
