/**
 * Where the next page of an answer begins, in the client's hands and not of the client's making. A cursor is believed only
 * with our MAC, and only for the question that it was made for: page tokens that anybody could write led to SQL
 * injection in Kratos, Hydra and Keto (CVE-2026-33503 to -33505).
 */
import { createHmac, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { Position } from './events.sql.ts';

const MAC_BYTES = 32;
const KEY_BYTES = 32;
const MAX_LENGTH = 512;

export interface Continuation {
  after: Position;
  /** Since when the first page asked, said or not: all pages are of one span of time. */
  from: string;
}

/** The cursor: base64url of an HMAC-SHA-256 and what it is over, a JSON array of three strings. */
export function writeCursor(serverSecret: KeyObject, question: string, { after, from }: Continuation): string {
  const body = Buffer.from(JSON.stringify([from, after.occurred_at, after.id]));
  return Buffer.concat([macOf(serverSecret, question, body), body]).toString('base64url');
}

/** What a cursor says; undefined where it is not ours, not whole, or of another question. */
export function readCursor(serverSecret: KeyObject, question: string, cursor: string): Continuation | undefined {
  const bytes = Buffer.from(cursor, 'base64url');
  // Decoding passes over what is no base64url: a cursor has one spelling.
  if (cursor.length > MAX_LENGTH || bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor)
    return undefined;
  const body = bytes.subarray(MAC_BYTES);
  if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), macOf(serverSecret, question, body))) return undefined;
  const [from, occurred_at, id] = JSON.parse(body.toString()) as [string, string, string];
  return { from, after: { occurred_at, id } };
}

/** The question's length stands before it, so that no part of it can pass for a part of the body. */
function macOf(serverSecret: KeyObject, question: string, body: Uint8Array): Buffer {
  const key = Buffer.from(hkdfSync('sha256', serverSecret, '', 'gatehouse audit cursor', KEY_BYTES));
  return createHmac('sha256', key)
    .update(`${Buffer.byteLength(question)}:${question}`)
    .update(body)
    .digest();
}
