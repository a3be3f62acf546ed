/** An application of this room alone: everything that stands before and behind the doors, and the doors of a test. */
import { Writable } from 'node:stream';
import type { Express, RequestHandler } from 'express';
import { type CallerSettings, identifyCaller } from '../../src/http/caller.ts';
import { type CorsSettings, cors } from '../../src/http/cors.ts';
import { createExpress, type ExpressSettings } from '../../src/http/express.ts';
import { createLog, type Log, requestLog } from '../../src/http/log.ts';
import { mount, notFound, type Route } from '../../src/http/routes.ts';
import { securityHeaders } from '../../src/http/security-headers.ts';
import { sendError } from '../../src/http/send-error.ts';
import { requestTimeout } from '../../src/http/timeout.ts';

export interface SmallApp {
  app: Express;
  /** Every line of the log so far, as one text. */
  written: () => string;
  lines: () => Record<string, unknown>[];
  log: Log;
}

export type SmallAppSettings = Partial<CallerSettings & CorsSettings & ExpressSettings & { seconds: number }>;

export function smallApp(routes: Route[], settings: SmallAppSettings = {}): SmallApp {
  const { log, written, lines } = memoryLog();
  const app = createExpress({ trusted_proxies: settings.trusted_proxies ?? [] });
  app.use(
    identifyCaller(settings),
    requestLog(log),
    requestTimeout(settings.seconds ?? 10),
    securityHeaders(),
    cors({
      cors_allowed_origins: settings.cors_allowed_origins ?? ['*'],
      cors_allowed_headers: settings.cors_allowed_headers ?? [],
    }),
  );
  mount(app, routes);
  app.use(notFound, sendError(log));
  return { app, log, written, lines };
}

export function memoryLog(level = 'debug') {
  let text = '';
  const destination = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  return {
    log: createLog({ level, destination }),
    written: () => text,
    lines: (): Record<string, unknown>[] =>
      text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
  };
}

/** A door that does nothing but throw. */
export function throwing(error: unknown): RequestHandler {
  return () => {
    throw error;
  };
}
