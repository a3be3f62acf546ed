/** The log: one JSON line per event, without secrets. */
import type { ErrorRequestHandler, RequestHandler, Response } from 'express';
import pino from 'pino';

/** `never` for a message that is put together at run time: what varies belongs into a field, where it is redacted. */
type Constant<Message extends string> = Record<never, never> extends Record<Message, 1> ? never : Message;

type Write = <Message extends string>(fields: Record<string, unknown>, message: Constant<Message>) => void;

export interface Log {
  debug: Write;
  info: Write;
  warn: Write;
  error: Write;
  fatal: Write;
  isLevelEnabled: (level: Level) => boolean;
  /** Everything written so far has reached the destination. */
  flush: () => void;
}

export type Level = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

export interface LogOptions {
  /** GoTrue's names: panic, fatal, error, warn, warning, info, debug, trace. */
  level: string;
  /** Standard output unless given. */
  destination?: pino.DestinationStream;
}

export function createLog({ level, destination }: LogOptions): Log {
  return pino({ level }, destination ?? pino.destination({ sync: false })) as unknown as Log;
}

/** One line per request, when its answer has left or its client has gone. First of all middleware after identifyCaller. */
export function requestLog(_log: Log): RequestHandler {
  throw new Error('not yet');
}

/** Leaves word for the request's line. */
export function noteRefusal(_res: Response, _refusal: { error_code: string; reason?: string | undefined }): void {}
export type { ErrorRequestHandler };
