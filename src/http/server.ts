/** The HTTP server below Express: what a socket may do before, and instead of, a request. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Express } from 'express';

/** From its first byte a request has this long to arrive, body included (a slow body keeps nothing open). */
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
/** Longer than the minute that load balancers keep theirs, so that it is never us who close under a request. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** A socket over which nothing moves in either direction: an answer that nobody reads. */
const IDLE_TIMEOUT_MS = 120_000;

/**
 * A server for the application, not listening yet. It reads HTTP strictly (`Content-Length` beside
 * `Transfer-Encoding`, which is how requests are smuggled, ends the connection), waits for nobody for ever, and answers
 * what is no request in GoTrue's shape.
 */
export function createHttpServer(app: Express): Server {
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: 5_000,
      insecureHTTPParser: false,
      requireHostHeader: true,
    },
    app,
  );
  server.timeout = IDLE_TIMEOUT_MS;
  server.on('clientError', answerClientError);
  return server;
}

const answers: Partial<Record<string, readonly [status: string, error_code: string, msg: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'validation_failed', 'Request headers too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'request_timeout', 'The request took too long to arrive'],
};

function answerClientError(error: NodeJS.ErrnoException, socket: Duplex & { _httpMessage?: ServerResponse }): void {
  // An answer that has begun cannot be replaced; a client that is gone needs none.
  if (!socket.writable || socket._httpMessage?.headersSent || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, error_code, msg] = answers[error.code ?? ''] ?? [
    '400 Bad Request',
    'validation_failed',
    'Malformed HTTP request',
  ];
  const body = JSON.stringify({ code: Number(status.slice(0, 3)), error_code, msg });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nX-Sb-Error-Code: ${error_code}\r\n` +
      `Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
}
