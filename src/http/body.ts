/**
 * Request bodies, read as GoTrue reads them (contract §2.0, appendix C): the whole body is JSON whatever its content
 * type says, member names match without case, unknown members are ignored, and a member that is `null` is absent.
 */
import type { Request } from 'express';
import { z } from 'zod';
import { AuthError } from '../errors.ts';

const BODY_MAX_BYTES = 1_048_576;
export const METADATA_MAX_BYTES = 65_536;
/** Far below where jsonb, JSON.stringify or we ourselves run out of stack. */
const METADATA_MAX_DEPTH = 100;

/** Go's `FormValue` has consumed these before the JSON decoder comes, so to GoTrue such a body is empty. */
const FORM = /^(?:application\/x-www-form-urlencoded|multipart\/form-data)\b/i;
const ENDS_EARLY = 'Could not parse request body as JSON: unexpected end of JSON input';

/** The client went away before its request was complete: nobody is left to answer. */
export class RequestAborted extends Error {
  override readonly name = 'RequestAborted';
}

/** What a body may hold. Made once per door by `bodyOf`; zod compiles it at its first use. */
export interface BodySchema<Body> {
  members: ReadonlyMap<string, string>;
  shape: z.ZodType<Body>;
}

/** Text that is stored or looked up: no NUL, which PostgreSQL cannot hold, and U+FFFD for lone surrogates, as in Go. */
export const text = z.string().overwrite(storable);

/** Text that is only hashed or compared: a password may hold any character. */
export const secretText = z.string().overwrite((value) => value.toWellFormed());

export const flag = z.boolean();

export type Metadata = Record<string, unknown>;

/** A JSON object that somebody keeps with us, user or app metadata: at most 64 KiB as JSON, 100 levels deep. */
export const metadata = z.custom<Metadata>(isObject).transform((value) => {
  const kept = storableMembers(value, 1);
  if (Buffer.byteLength(JSON.stringify(kept)) > METADATA_MAX_BYTES) {
    throw new AuthError('validation_failed', { message: `Metadata is too large (max ${METADATA_MAX_BYTES} bytes)` });
  }
  return kept;
});

/** A body with these members. Each is optional, as in Go: doors say themselves what they cannot do without. */
export function bodyOf<Shape extends Record<string, z.ZodType>>(
  shape: Shape,
): BodySchema<{ [Member in keyof Shape]: z.output<Shape[Member]> | undefined }> {
  const optional = Object.entries(shape).map(([name, schema]) => [name, schema.optional()] as const);
  return {
    members: new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name])),
    shape: z.object(Object.fromEntries(optional)) as never,
  };
}

/**
 * The request's body as the schema says. May be asked more than once: the bytes are read once.
 *
 * @throws AuthError `request_entity_too_large` above 1 MiB; `bad_json` for what is no JSON object or has a member of
 *   another type; `validation_failed` for values that cannot be kept
 * @throws RequestAborted where the client went away
 */
export async function parseBody<Body>({ members, shape }: BodySchema<Body>, req: Request): Promise<Body> {
  const json = await readJson(req);
  if (json !== null && !isObject(json)) throw new AuthError('bad_json');

  const known: Record<string, unknown> = {};
  for (const key in json) {
    const name = members.get(key) ?? members.get(key.toLowerCase());
    if (name !== undefined && json[key] !== null) known[name] = json[key];
  }
  const parsed = shape.safeParse(known);
  if (parsed.success) return parsed.data;
  throw new AuthError('bad_json', { reason: `${String(parsed.error.issues[0]?.path[0])} is of another type` });
}

/** The same where a request may do without a body. */
export async function parseOptionalBody<Body>(schema: BodySchema<Body>, req: Request): Promise<Body | undefined> {
  const hasBody = req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;
  return hasBody ? parseBody(schema, req) : undefined;
}

export function isForm(req: Request): boolean {
  return /^application\/x-www-form-urlencoded\b/i.test(req.headers['content-type'] ?? '');
}

/**
 * The request's body as a form (RFC 7662, 7009). Of a repeated name `get` gives the first value.
 *
 * @throws AuthError `request_entity_too_large`; `validation_failed` for a NUL or another content type
 * @throws RequestAborted where the client went away
 */
export async function parseForm(req: Request): Promise<URLSearchParams> {
  if (!isForm(req)) {
    throw new AuthError('validation_failed', { message: 'The request body must be a form' });
  }
  const form = new URLSearchParams((await readBody(req)).toString('utf8'));
  for (const value of form.values()) storable(value);
  return form;
}

const decoded = Symbol('decoded body');

function readJson(req: Request & { [decoded]?: Promise<unknown> }): Promise<unknown> {
  req[decoded] ??= FORM.test(req.headers['content-type'] ?? '')
    ? Promise.reject(new AuthError('bad_json', { message: ENDS_EARLY, reason: 'a form' }))
    : readBody(req).then(decodeJson);
  return req[decoded];
}

/** Bytes that are no UTF-8 become U+FFFD, as in Go. The decoder's own words, which quote the body, go nowhere. */
function decodeJson(body: Buffer): unknown {
  const source = body.toString('utf8');
  try {
    return JSON.parse(source);
  } catch (error) {
    throw new AuthError('bad_json', endsEarly(source, String(error)) ? { message: ENDS_EARLY } : {});
  }
}

function endsEarly(source: string, complaint: string): boolean {
  const position = /at position (\d+)/.exec(complaint)?.[1];
  return position === undefined ? complaint.endsWith('end of JSON input') : Number(position) >= source.length;
}

function readBody(req: Request): Promise<Buffer> {
  if (Number(req.headers['content-length']) > BODY_MAX_BYTES) {
    return Promise.reject(new AuthError('request_entity_too_large'));
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > BODY_MAX_BYTES) {
        // What still comes is thrown away; nobody keeps it.
        req.removeAllListeners('data').resume();
        reject(new AuthError('request_entity_too_large'));
      } else {
        chunks.push(chunk);
      }
    });
    req.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    req.on('error', () => reject(new RequestAborted()));
    // It comes after every body; an error is made, with its stack, only where it says something.
    req.on('close', () => req.complete || reject(new RequestAborted()));
  });
}

/** @throws AuthError `validation_failed` for a NUL */
function storable(value: string): string {
  if (value.includes('\0')) throw new AuthError('validation_failed', { message: 'Null characters are not allowed' });
  return value.toWellFormed();
}

function storableMembers(object: Metadata, depth: number): Metadata {
  if (depth > METADATA_MAX_DEPTH)
    throw new AuthError('validation_failed', { message: 'Metadata is nested too deeply' });
  const kept: Metadata = {};
  for (const [name, value] of Object.entries(object)) {
    // Assigning it would change what the object inherits (OWASP ASVS 15.3.6). No metadata needs it.
    if (name !== '__proto__') kept[storable(name)] = storableValue(value, depth + 1);
  }
  return kept;
}

function storableValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return storable(value);
  // 1e999: a number to the grammar, and to no machine.
  if (typeof value === 'number' && !Number.isFinite(value)) throw new AuthError('bad_json');
  if (Array.isArray(value)) return storableItems(value, depth);
  return isObject(value) ? storableMembers(value, depth) : value;
}

function storableItems(items: unknown[], depth: number): unknown[] {
  if (depth > METADATA_MAX_DEPTH)
    throw new AuthError('validation_failed', { message: 'Metadata is nested too deeply' });
  return items.map((item) => storableValue(item, depth + 1));
}

function isObject(value: unknown): value is Metadata {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
