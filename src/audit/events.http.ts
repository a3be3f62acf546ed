/**
 * GET /audit/events: the audit log, for users who were granted `auditor` (DESIGN §4). Rights are rows: a service key has
 * none and is not let in, however much it may do elsewhere. It is a secret of machines, and the log would not say who
 * read it.
 *
 * Filters, each at most once, all of which an event has to meet: `action` (a name, or its beginning and `*`), `outcome`,
 * `error_code`, `actor` (a user's or client's id, or the name of what has no id: `service_role`, an operator), `subject`,
 * `session`, `request_id`, `ip` (an address or a range, 10.0.0.0/8), `from` and `to` (RFC 3339; from inclusive, to exclusive).
 * Without `from`, the answer is of the last 24 hours before `to`, or before now, and says so. `order` is `desc` (newest
 * first) or `asc`; `limit` up to 1000, else 50; `cursor` is the `next_cursor` of the page before, with the same filters.
 */
import { isIP, isIPv4 } from 'node:net';
import type { Request, RequestHandler } from 'express';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { canonicalAddress, occasionOf } from '../http/caller.ts';
import { sendJson } from '../http/send-json.ts';
import { signedInOf } from '../sessions/bearer.http.ts';
import { actorOf } from '../users/user.ts';
import { actions } from './events.ts';
import { type EventFilters, type Question, readTrail } from './trail.ts';

const LIMIT = 50;
const LIMIT_MAX = 1000;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NAME = /^[a-z][a-z0-9_]{0,63}$/;
/** As in a header: printable, no blanks. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
const ACTOR_NAME = /^[^\p{C}]{1,128}$/u;
const PARAMETER_NAME = /^[a-z_]{1,32}$/i;

type Filters = Partial<EventFilters>;

/** What a parameter must be, and what it then asks for. */
type Parameter = readonly [must: string, read: (text: string) => Filters | undefined];

const parameters: Record<string, Parameter> = {
  action: [
    'be the name of an event, or the beginning of one and *',
    (text) => {
      const named = actions.filter((action) =>
        text.endsWith('*') ? action.startsWith(text.slice(0, -1)) : action === text,
      );
      return named.length > 0 ? { actions: named } : undefined;
    },
  ],
  outcome: [
    'be success or failure',
    (text) => (text === 'success' || text === 'failure' ? { outcome: text } : undefined),
  ],
  error_code: ['be an error code', (text) => (NAME.test(text) ? { error_code: text } : undefined)],
  actor: [
    'be an id or a name',
    (text) => {
      if (UUID.test(text)) return { actor_id: text };
      return ACTOR_NAME.test(text) ? { actor_name: text } : undefined;
    },
  ],
  subject: ["be a user's id", (text) => (UUID.test(text) ? { subject_id: text } : undefined)],
  session: ["be a session's id", (text) => (UUID.test(text) ? { session_id: text } : undefined)],
  request_id: ["be a request's id", (text) => (REQUEST_ID.test(text) ? { request_id: text } : undefined)],
  ip: ['be an address, or a range in CIDR notation', (text) => ifKnown('ip', addressRange(text))],
  from: ['be a time in RFC 3339, such as 2026-01-31T00:00:00Z', (text) => ifKnown('from', rfc3339(text))],
  to: ['be a time in RFC 3339, such as 2026-01-31T00:00:00Z', (text) => ifKnown('to', rfc3339(text))],
};

/** Answers `{ events, next_cursor, from }`. */
export function listEvents(gatehouse: Gatehouse): RequestHandler {
  return async (req, res) => {
    const { user, session_id } = signedInOf(req);
    const question = questionOf(req);
    sendJson(res, await readTrail(gatehouse, { actor: actorOf(user), session_id }, question, occasionOf(req)));
  };
}

/**
 * What the query string asks. Nothing of it is passed over: a filter that was mistyped, or given twice, would show more
 * than was asked for.
 *
 * @throws AuthError `validation_failed`
 */
function questionOf(req: Request): Question {
  const question: Question = { filters: {}, order: 'desc', limit: LIMIT, asked: {} };
  const start = req.url.indexOf('?');
  const seen = new Set<string>();
  for (const [name, text] of new URLSearchParams(start < 0 ? '' : req.url.slice(start + 1))) {
    if (seen.has(name)) throw refusal(`${name} may be given once`);
    readParameter(question, name, text);
    seen.add(name);
  }
  const { from, to } = question.filters;
  if (from && to && Date.parse(from) > Date.parse(to)) throw refusal('from must be before to');
  return question;
}

function readParameter(question: Question, name: string, text: string): void {
  if (name === 'cursor') {
    question.cursor = text;
  } else if (name === 'order') {
    if (text !== 'asc' && text !== 'desc') throw refusal('order must be asc or desc');
    question.order = text;
  } else if (name === 'limit') {
    question.limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
    if (question.limit < 1 || question.limit > LIMIT_MAX) throw refusal(`limit must be from 1 to ${LIMIT_MAX}`);
  } else {
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (!parameter) throw refusal(PARAMETER_NAME.test(name) ? `${name} is no parameter` : 'Unknown parameter');
    const [must, read] = parameter;
    const filters = read(text);
    if (!filters) throw refusal(`${name} must ${must}`);
    Object.assign(question.filters, filters);
    question.asked[name] = text;
  }
}

function refusal(message: string): AuthError {
  return new AuthError('validation_failed', { message });
}

function ifKnown(name: keyof EventFilters, value: string | undefined): Filters | undefined {
  return value === undefined ? undefined : { [name]: value };
}

/** As addresses are stored: IPv4 that is written inside IPv6 is IPv4 (`::ffff:10.0.0.0/104` is 10.0.0.0/8). */
function addressRange(text: string): string | undefined {
  const [, address = '', prefix] = /^([^/]{1,64})(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const canonical = isIP(address) ? canonicalAddress(address) : undefined;
  if (canonical === undefined || prefix === undefined) return canonical;
  const bits = isIPv4(canonical) ? 32 : 128;
  const length = Number(prefix) - (isIPv4(address) ? 0 : 128 - bits);
  return length >= 0 && length <= bits ? `${canonical}/${length}` : undefined;
}

const TIME = /^(?!0000)(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)$/;

/** The time as it was written, if there is such a time: JavaScript takes the 30th of February for the 2nd of March. */
function rfc3339(text: string): string | undefined {
  const [, date] = TIME.exec(text) ?? [];
  if (date === undefined || Number.isNaN(Date.parse(text))) return undefined;
  return new Date(`${date}T00:00:00Z`).toISOString().startsWith(date) ? text : undefined;
}
