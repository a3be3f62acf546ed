/** The only place that knows how a refusal looks on the wire (contract §3.1). */
import type { ErrorRequestHandler, Request, Response } from 'express';
import pg from 'pg';
import { AuthError } from '../errors.ts';
import { RequestAborted } from './body.ts';
import { callerOf } from './caller.ts';
import { faultOf } from './fault.ts';
import { type Log, noteRefusal } from './log.ts';
import { sendJson } from './send-json.ts';

/** The first version with the newer shape, and the last that there is. */
const API_VERSION = '2024-01-01';

/** What a client lacks that sent no token or a useless one (RFC 6750 §3, RFC 9470 §3). */
const challenges: Partial<Record<string, string>> = {
  no_authorization: 'Bearer',
  bad_jwt: 'Bearer error="invalid_token"',
  session_not_found: 'Bearer error="invalid_token"',
  insufficient_aal: 'Bearer error="insufficient_user_authentication"',
  invalid_client: 'Basic realm="gatehouse", charset="UTF-8"',
};

/**
 * Answers every error of every route; the last of the middleware. A refusal is answered as it says. Anything else is
 * a fault: the log learns what it was, the client that there was one and whether to come back.
 */
export function sendError(log: Log): ErrorRequestHandler {
  return (error: unknown, req, res, _next) => {
    if (error instanceof RequestAborted) return void res.destroy();
    const isRefusal = error instanceof AuthError;
    if (isRefusal ? isOurFault(error) : !isMalformedPath(error)) {
      log.error({ request_id: callerOf(req).request_id, fault: faultOf(error) }, 'fault');
    }

    const refusal = isRefusal ? error : answerTo(error);
    noteRefusal(res, refusal);
    // Once the time was up the client has its answer, and what the handler came to later is for the log alone.
    if (res.headersSent) return;
    const raised = isRefusal ? undefined : raisedByTrigger(error);
    if (raised && !speaksVersion(req)) sendJson(res, raised.body, raised.status);
    else sendRefusal(req, res, refusal);
  };
}

/** A refusal because something of ours went wrong: `service_overloaded` has no cause, a mail that did not leave has. */
function isOurFault({ status, cause }: AuthError): boolean {
  return status >= 500 && cause !== undefined;
}

function sendRefusal(req: Request, res: Response, refusal: AuthError): void {
  const { error_code, status, message, oauth_error, weak_password } = refusal;
  const challenge = challenges[error_code];
  if (challenge && !res.hasHeader('WWW-Authenticate')) res.setHeader('WWW-Authenticate', challenge);
  if (refusal.retry_after_seconds !== undefined) res.setHeader('Retry-After', Math.ceil(refusal.retry_after_seconds));

  // What OAuth defines has OAuth's shape (RFC 6749 §5.2), whatever version the client speaks (contract §3.1).
  if (oauth_error !== undefined) {
    if (speaksVersion(req)) res.setHeader('X-Supabase-Api-Version', API_VERSION);
    sendJson(res, { error: oauth_error, error_description: message }, status);
  } else if (speaksVersion(req)) {
    res.setHeader('X-Supabase-Api-Version', API_VERSION);
    if (!weak_password && status !== 500) res.setHeader('X-Sb-Error-Code', error_code);
    sendJson(res, { code: error_code, message, weak_password }, status);
  } else {
    if (status !== 500) res.setHeader('X-Sb-Error-Code', error_code);
    const error_id = status >= 500 ? callerOf(req).request_id : undefined;
    sendJson(res, { code: status, error_code, msg: message, error_id, weak_password }, status);
  }
}

/** Whether the client knows the shape of 2024-01-01: a plain date, that one or a later one. */
function speaksVersion({ headers }: Request): boolean {
  const version = headers['x-supabase-api-version'];
  if (version === API_VERSION) return true;
  if (typeof version !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(version) || version < API_VERSION) return false;
  const date = new Date(version);
  return !Number.isNaN(date.valueOf()) && date.toISOString().startsWith(version);
}

/** Express could not decode the path (`/admin/users/%zz`): nobody's fault but the caller's. */
function isMalformedPath(error: unknown): boolean {
  return error instanceof URIError;
}

/** What the client is told of a fault. */
function answerTo(fault: unknown): AuthError {
  if (isMalformedPath(fault)) return new AuthError('validation_failed', { message: 'Malformed path' });
  const sqlstate = sqlstateOf(fault);
  if (sqlstate && UNSTORABLE.has(sqlstate)) return new AuthError('validation_failed');
  if (sqlstate === QUERY_CANCELED) return new AuthError('request_timeout');
  if (sqlstate ? PASSES.test(sqlstate) : isConnectionFault(fault)) {
    return new AuthError('unexpected_failure', {
      status: 503,
      message: 'The service cannot answer right now, please retry after a moment.',
      retry_after_seconds: 2,
    });
  }
  return new AuthError('unexpected_failure');
}

/** Values that no schema refused and no column holds: bytes that are no text, too long, out of range. */
const UNSTORABLE = new Set(['22021', '22P05', '22001', '22003', '22008']);
const QUERY_CANCELED = '57014';
/**
 * What a retry may get past: connection exceptions, resources, locks and deadlocks, a server that starts, stops or has
 * become a standby. A 5xx, because auth-js ends the session over a refresh refused with 4xx (contract appendix A).
 */
const PASSES = /^(?:08...|53...|57P0[1-5]|55P03|40001|40P01|25006)$/;

function sqlstateOf(fault: unknown): string | undefined {
  const cause = fault instanceof Error && fault.cause instanceof pg.DatabaseError ? fault.cause : fault;
  return cause instanceof pg.DatabaseError ? cause.code : undefined;
}

function isConnectionFault(fault: unknown): boolean {
  if (!(fault instanceof Error)) return false;
  const { code } = fault as NodeJS.ErrnoException;
  return (
    /^E(?:CONN(?:REFUSED|RESET|ABORTED)|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|NOTFOUND|AI_AGAIN)$/.test(code ?? '') ||
    // pg and its pool say these with words alone.
    /^(?:timeout exceeded when trying to connect|Connection terminated)/.test(fault.message)
  );
}

/**
 * What a trigger of the portal's own means for its client: `raise exception`, with the status in the state if it is
 * `PTnnn`. Constraint violations, which GoTrue passes on in the same way, tell who else has an account: not passed on.
 */
function raisedByTrigger(fault: unknown): { status: number; body: object } | undefined {
  const cause = fault instanceof Error && fault.cause instanceof Error ? fault.cause : fault;
  if (!(cause instanceof pg.DatabaseError)) return undefined;
  const { code = '', message, detail, hint } = cause;
  const [, status] = /^PT([45]\d\d)$/.exec(code) ?? [];
  if (!status && code !== 'P0001') return undefined;
  return { status: Number(status ?? 500), body: { code, message, detail, hint } };
}
