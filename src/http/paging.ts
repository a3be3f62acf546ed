/** Pages by number, as GoTrue counts them (contract §9.1): `page` and `per_page`, `X-Total-Count` and `Link`. */
import type { Request, Response } from 'express';
import { AuthError } from '../errors.ts';
import { query } from './query.ts';

const DEFAULT_PER_PAGE = 50;
/** GoTrue has none. More than this in one answer is memory and seconds that other requests lack. */
const MAX_PER_PAGE = 10_000;
const UINT64_MAX = 2n ** 64n - 1n;
/** What PostgreSQL can skip: beyond it every page is empty. */
const INT64_MAX = 2n ** 63n - 1n;
/** No more of what was sent goes back than shows which parameter is meant. */
const QUOTED_LENGTH = 32;

export interface Page {
  /** As asked for: 0, which GoTrue takes for the first, stays 0 in the links. */
  number: bigint;
  limit: number;
  /** Rows before the page, as text: it need not fit a number. */
  offset: string;
}

/**
 * The page that a request asks for; the first 50 unless it says so. Empty is absent: the client sends `page=&per_page=`.
 *
 * @throws AuthError `validation_failed` for what is no count, and for pages of nothing
 */
export function pageOf(req: Request): Page {
  const number = count(req, 'page') ?? 1n;
  const per_page = count(req, 'per_page') ?? BigInt(DEFAULT_PER_PAGE);
  if (per_page === 0n) throw refused('per_page must not be 0');
  const limit = least(per_page, BigInt(MAX_PER_PAGE));
  const offset = (number > 0n ? number - 1n : 0n) * limit;
  return { number, limit: Number(limit), offset: String(least(offset, INT64_MAX)) };
}

/** Says how many there are and where the next and the last page is, by the URL that was asked for. */
export function setPageHeaders(req: Request, res: Response, page: Page, total: number): void {
  const last = (BigInt(total) + BigInt(page.limit) - 1n) / BigInt(page.limit);
  const link = (number: bigint, rel: string) => `<${urlOfPage(req, number)}>; rel="${rel}"`;
  const links = [...(last > page.number ? [link(page.number + 1n, 'next')] : []), link(last, 'last')];
  res.setHeader('X-Total-Count', total);
  res.setHeader('Link', links.join(', '));
}

/** Go's spelling: names in order, so that `page` comes where auth-js looks for it, and no comma. */
function urlOfPage(req: Request, number: bigint): string {
  const start = req.url.indexOf('?');
  const path = start < 0 ? req.url : req.url.slice(0, start);
  const parameters = new URLSearchParams(start < 0 ? '' : req.url.slice(start + 1));
  parameters.set('page', String(number));
  parameters.sort();
  return `${path}?${String(parameters).replaceAll('*', '%2A').replaceAll('%7E', '~')}`;
}

function count(req: Request, name: string): bigint | undefined {
  const text = query(req, name);
  if (!text) return undefined;
  const quoted = JSON.stringify(text.slice(0, QUOTED_LENGTH));
  if (!/^\d+$/.test(text)) throw refused(`strconv.ParseUint: parsing ${quoted}: invalid syntax`);
  const value = BigInt(text);
  if (value > UINT64_MAX) throw refused(`strconv.ParseUint: parsing ${quoted}: value out of range`);
  return value;
}

function refused(complaint: string): AuthError {
  return new AuthError('validation_failed', { message: `Bad Pagination Parameters: ${complaint}` });
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
