/** GET /metrics, from a client that says who it is by HTTP Basic. */
import type { RequestHandler } from 'express';
import type { Gatehouse } from '../gatehouse.ts';
import { occasionOf } from '../http/caller.ts';
import { clientOf } from './client-of.http.ts';
import { readMetrics } from './metrics.ts';

export function metrics(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const text = await readMetrics(gatehouse, clientOf(req, new URLSearchParams()), occasionOf(req));
    if (res.headersSent) return;
    res.setHeader('Content-Type', 'text/plain; version=0.0.4; charset=utf-8');
    res.end(text);
  };
}
