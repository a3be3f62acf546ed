/** How an answer leaves. Express's `res.json` also hashes every body for an ETag that nobody may cache by. */
import type { Response } from 'express';

/** Answers with JSON. What JSON cannot say (undefined members) is left out. */
export function sendJson(res: Response, body: unknown, status = 200): void {
  // The time was up, and the client has been told so.
  if (res.headersSent) return;
  res.statusCode = status;
  res.setHeader('Content-Type', 'application/json');
  res.end(JSON.stringify(body));
}
