/** The HTTP server below Express: what a socket may do before, and instead of, a request. */
import type { Server } from 'node:http';
import type { Express } from 'express';

/** A server that waits for nobody for ever and answers broken requests itself. Not listening yet. */
export function createHttpServer(_app: Express): Server {
  throw new Error('not yet');
}
