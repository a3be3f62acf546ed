/** No request takes longer than it may: the client gets its answer, and what still runs for it is told to stop. */
import type { Request, RequestHandler, Response } from 'express';
import { AuthError } from '../errors.ts';

const timer = Symbol('timeout');
const controller = Symbol('abort controller');
type Timed = Response & { [timer]?: NodeJS.Timeout; [controller]?: AbortController };

/**
 * Refuses a request that has no answer after `seconds` with 504 `request_timeout`. What its handler does afterwards
 * changes nothing about the answer.
 */
export function requestTimeout(seconds: number): RequestHandler {
  const milliseconds = seconds * 1000;
  return (_req, res: Timed, next) => {
    res[timer] = setTimeout(expire, milliseconds, res, next);
    res.once('close', settle);
    next();
  };
}

/**
 * Aborts when the client has gone or the time is up: for what a handler waits on that takes a signal.
 */
export function abortSignalOf(req: Request): AbortSignal {
  const res = req.res as Timed;
  res[controller] ??= new AbortController();
  if (res.destroyed || res.closed) res[controller].abort();
  return res[controller].signal;
}

function expire(res: Timed, next: (error: unknown) => void): void {
  if (!res.headersSent) {
    // A body that has not come by now has nobody who reads it.
    if (!res.req.complete) res.setHeader('Connection', 'close');
    next(new AuthError('request_timeout'));
  }
  res[controller]?.abort();
}

function settle(this: Timed): void {
  clearTimeout(this[timer]);
  if (!this.writableFinished) this[controller]?.abort();
}
