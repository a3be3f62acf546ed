/** 200 with a session, and what GoTrue says about it in headers (contract §2.0). */
import type { Response } from 'express';
import type { Gatehouse } from '../gatehouse.ts';
import { sendJson } from '../http/send-json.ts';
import { type SessionToSend, tokenResponse } from './session-response.ts';

/** @param extra members of the answer that only this grant has */
export async function sendSession(
  res: Response,
  gatehouse: Gatehouse,
  sent: SessionToSend,
  now: Date,
  extra: Record<string, unknown> = {},
): Promise<void> {
  const { session } = sent;
  const body = await tokenResponse(gatehouse, sent, now);
  res.setHeader('sb-auth-user-id', session.id);
  res.setHeader('sb-auth-session-id', session.session_id);
  res.setHeader('sb-auth-refresh-token-counter', session.refresh_token_counter);
  sendJson(res, { ...body, ...extra });
}
