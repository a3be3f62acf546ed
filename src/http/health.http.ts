/**
 * GET /health (contract §2.2), and for whoever runs us: GET /livez, the process answers; GET /readyz, it should be
 * sent requests.
 */
import type { RequestHandler } from 'express';
import { answersWithin, type Database } from '../db/database.ts';
import { sendJson } from './send-json.ts';

const PING_TIMEOUT_MS = 1_000;

/** GoTrue's self-description. Clients look for its name, so it stays; the version is ours. */
export function health(version: string): RequestHandler {
  const body = { version, name: 'GoTrue', description: 'GoTrue is a user registration and authentication API' };
  return (_req, res) => sendJson(res, body);
}

export const livez: RequestHandler = (_req, res) => sendJson(res, { status: 'alive' });

export interface Readiness {
  handler: RequestHandler;
  /** From now on not ready, so that load balancers look elsewhere while open requests end. */
  drain: () => void;
}

/** Ready while the database answers within a second and nobody has asked us to drain. */
export function readiness(db: Database): Readiness {
  let draining = false;
  let ping: Promise<boolean> | undefined;

  return {
    drain: () => {
      draining = true;
    },
    handler: async (_req, res) => {
      // However many ask at once, the database is asked once.
      ping ??= answersWithin(db, PING_TIMEOUT_MS).finally(() => {
        ping = undefined;
      });
      const databaseAnswers = await ping;
      if (draining) return sendJson(res, { status: 'draining' }, 503);
      if (!databaseAnswers) return sendJson(res, { status: 'no database' }, 503);
      sendJson(res, { status: 'ready' });
    },
  };
}
