/** GET /admin/audit?query=&page=&per_page= (contract §9.8). Who may: `requireAdmin`, on the route's line. */
import type { RequestHandler } from 'express';
import type { Gatehouse } from '../gatehouse.ts';
import { occasionOf } from '../http/caller.ts';
import { pageOf, setPageHeaders } from '../http/paging.ts';
import { query } from '../http/query.ts';
import { sendJson } from '../http/send-json.ts';
import { administratorOf } from '../sessions/bearer.http.ts';
import { entryFilter, readEntries } from './entries.ts';

/** A bare array, newest first. */
export function listAuditEntries({ db }: Gatehouse): RequestHandler {
  return async (req, res) => {
    const page = pageOf(req);
    const filter = entryFilter(query(req, 'query'));
    const by = { actor: administratorOf(req).actor, occasion: occasionOf(req) };
    const { total, entries } = await readEntries(db, { filter, page }, by);
    setPageHeaders(req, res, page, total);
    sendJson(res, entries);
  };
}
