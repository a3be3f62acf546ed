/**
 * How a client of ours says who it is: by HTTP Basic, or by `client_id` and `client_secret` in the form (RFC 6749 §2.3.1).
 */
import type { Request } from 'express';
import { AuthError } from '../errors.ts';
import type { ClientCredentials } from './clients.ts';

/** @throws AuthError `invalid_client` where there is none; `validation_failed` for two at once (RFC 6749 §2.3) */
export function clientOf(req: Request, form: URLSearchParams): ClientCredentials {
  const client_id = only(form, 'client_id');
  const client_secret = only(form, 'client_secret');
  const basic = basicCredentials(req.headers.authorization);
  if (basic && client_secret !== undefined) {
    throw new AuthError('validation_failed', { message: 'A client authenticates in one way' });
  }
  if (basic) return basic;
  if (client_id === undefined || client_secret === undefined) {
    throw new AuthError('invalid_client', { reason: 'no client credentials' });
  }
  return { client_id, client_secret };
}

/** HTTP Basic as OAuth has it: both halves are encoded as in a form before they are joined (RFC 6749 §2.3.1). */
function basicCredentials(header: string | undefined): ClientCredentials | undefined {
  const [, encoded] = /^basic ([A-Za-z0-9+/=_-]{1,1024})$/i.exec(header ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? [];
  if (id === undefined || secret === undefined) return undefined;
  try {
    return { client_id: formDecoded(id), client_secret: formDecoded(secret) };
  } catch {
    return undefined; // A percent sign that begins nothing.
  }
}

const formDecoded = (text: string) => decodeURIComponent(text.replaceAll('+', ' '));

/** A parameter that must not be there twice (RFC 6749 §3.2); undefined where it is not there. */
export function only(form: URLSearchParams, name: string): string | undefined {
  const [value, ...others] = form.getAll(name);
  if (others.length > 0) throw new AuthError('validation_failed', { message: `${name} may be given once` });
  return value;
}
