/**
 * The log: one JSON line per event, without secrets (OWASP ASVS 16.2.5, 16.4.1). Three things keep them out: members
 * with a secret's name are blanked at any depth, values that look like a secret are cut out of any text, and messages
 * are constants that nothing is put into.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { RequestHandler, Response } from 'express';
import pino from 'pino';
import { callerOf } from './caller.ts';
import { faultOf } from './fault.ts';

type Level = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** `never` for a message put together at run time: what varies is a field, where it is looked at. */
type Constant<Message extends string> = Record<never, never> extends Record<Message, 1> ? never : Message;

type Write = <Message extends string>(fields: Record<string, unknown>, message: Constant<Message>) => void;

export interface Log extends Record<Level, Write> {
  /** Resolves when everything written has left, or when it cannot. For the last lines of a process: none may follow. */
  finish: () => Promise<void>;
}

export interface Destination extends pino.DestinationStream {
  finish?: () => Promise<void>;
}

export interface LogOptions {
  /** GoTrue's spellings: panic, fatal, error, warn, warning, info, debug, trace. */
  level: string;
  /** Standard output unless given. */
  destination?: Destination;
}

const REDACTED = '[redacted]';
const SECRET_NAME =
  /authorization|cookie|api_?key|passw|secret|token|nonce|otp|hash|verifier|credential|private|^(?:auth_)?code$/i;
/**
 * JWTs, `Bearer` and what follows, user and password of a URL, stored password hashes, long random strings. The long
 * ones begin where a word begins: tried at every character they would cost more than the rest of the line.
 */
const SECRET_VALUE =
  /\beyJ[\w-]{8,}\.[\w.-]*|\bbearer \S+|:\/\/[^\s:/@]*:[^\s@]+@|\$(?:2[abxy]|argon2\w*|fbscrypt)\$\S+|(?<![\w-])[\w-]{40,}/gi;
/** Shorter than anything that SECRET_VALUE finds. */
const HARMLESS_LENGTH = 12;
const DEPTH_MAX = 8;

const levels: Record<string, string> = { panic: 'fatal', warning: 'warn' };

/** A log that writes JSON lines at `level` and above; each carries `time` (UTC) and `level` by name. */
export function createLog({ level, destination = standardOutput() }: LogOptions): Log {
  const logger = pino(
    {
      level: levels[level] ?? level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  const writeAt = (level: Level) => (fields: Record<string, unknown>, message: string) => {
    if (logger.isLevelEnabled(level)) logger[level](withoutSecrets(fields, 0), message);
  };
  return {
    debug: writeAt('debug'),
    info: writeAt('info'),
    warn: writeAt('warn'),
    error: writeAt('error'),
    fatal: writeAt('fatal'),
    finish: async () => destination.finish?.(),
  };
}

/** Lines wait for so many bytes of them, or so long. */
const WRITE_BYTES = 4096;
const WRITE_AFTER_MS = 200;
/** A reader that does not read keeps no process from ending for longer than this. */
const FINISH_WITHIN_MS = 1000;

/**
 * Standard output, a few lines at a time: to write each by itself costs a quarter of what this process does for a refresh.
 * Of a process that is killed, the last of them are lost; what must not be is in the audit log. That nobody reads, or that
 * the disk is full, is no reason to stop serving.
 */
export function standardOutput(): Destination {
  const stream = pino.destination({ sync: false, minLength: WRITE_BYTES, periodicFlush: WRITE_AFTER_MS });
  const over = Promise.withResolvers<void>();
  stream.on('close', over.resolve).on('error', over.resolve);
  return {
    write: (line) => stream.write(line),
    async finish() {
      stream.end();
      await Promise.race([over.promise, delay(FINISH_WITHIN_MS)]);
      // What is left by now would be tried for ever at the exit of the process.
      stream.destroy();
    },
  };
}

function withoutSecrets(fields: Record<string, unknown>, depth: number): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const name in fields) {
    const value = fields[name];
    if (value === undefined) continue;
    clean[name] = SECRET_NAME.test(name) ? REDACTED : withoutSecret(value, depth + 1);
  }
  return clean;
}

function withoutSecret(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.length < HARMLESS_LENGTH ? value : value.replace(SECRET_VALUE, REDACTED);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (depth > DEPTH_MAX || ArrayBuffer.isView(value)) return REDACTED;
  if (value instanceof Error) return withoutSecrets(faultOf(value), depth);
  if (Array.isArray(value)) return value.map((item) => withoutSecret(item, depth + 1));
  return withoutSecrets(value as Record<string, unknown>, depth);
}

const started = Symbol('started');
const refusal = Symbol('refusal');

export interface NotedRefusal {
  error_code: string;
  reason?: string | undefined;
}

type Observed = Response & { [started]?: number; [refusal]?: NotedRefusal };

/**
 * Writes one line per request once its answer has left or its client has gone, whichever comes first: who asked for
 * which route, what came of it, how long it took in milliseconds. After `identifyCaller`, before everything else.
 */
export function requestLog(log: Log): RequestHandler {
  function writeLine(this: Observed): void {
    const { req } = this;
    const { request_id, ip, method, path } = callerOf(req);
    const line = {
      request_id,
      ip,
      method,
      // The route's pattern, so that lines of one route count together; the path itself where there is no route.
      path: req.route ? String(req.route.path).replace('{/}', '') : path,
      status: this.statusCode,
      duration_ms: Math.round((performance.now() - (this[started] ?? 0)) * 100) / 100,
      error_code: this[refusal]?.error_code,
      reason: this[refusal]?.reason,
      aborted: this.writableFinished ? undefined : true,
    };
    if (this.statusCode >= 500) log.error(line, 'request');
    else log.info(line, 'request');
  }

  return (_req, res: Observed, next) => {
    res[started] = performance.now();
    res.once('close', writeLine);
    next();
  };
}

/** Leaves word of a refusal for the request's line. */
export function noteRefusal(res: Response, refused: NotedRefusal): void {
  (res as Observed)[refusal] = refused;
}
