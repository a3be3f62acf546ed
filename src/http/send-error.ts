/** The only place that knows how a refusal looks on the wire (contract §3.1). */
import type { ErrorRequestHandler } from 'express';
import type { Log } from './log.ts';

/** Answers every error of every route; last of all middleware. */
export function sendError(_log: Log): ErrorRequestHandler {
  throw new Error('not yet');
}
