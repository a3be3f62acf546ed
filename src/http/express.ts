/** An Express application with the defaults that this API needs. */
import express, { type Express } from 'express';
import { trustProxy } from './caller.ts';

export interface ExpressSettings {
  /** Proxies that may say for whom they speak; none unless listed. */
  trusted_proxies: readonly string[];
}

/**
 * An application whose routes match as GoTrue's do (by case, `/token/` is not `/token`), that hashes no body for an
 * ETag, names no product, and believes forwarded addresses only of the listed proxies.
 */
export function createExpress(settings: ExpressSettings): Express {
  const app = express();
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.disable('etag');
  app.disable('x-powered-by');
  // query.ts reads the query string: one value per name.
  app.disable('query parser');
  app.set('trust proxy', trustProxy(settings.trusted_proxies));
  return app;
}
