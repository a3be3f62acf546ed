/** Where GET /verify leads, and what it says there (contract §7.3): the portal reads it from the query or the fragment. */
import type { AuthError } from '../errors.ts';
import type { TokenResponse } from '../sessions/session-response.ts';

/** Of OAuth's errors, the one that a status comes to; of others there is none. */
const oauthErrors: Record<number, string> = {
  400: 'invalid_request',
  401: 'unauthorized_client',
  403: 'access_denied',
  500: 'server_error',
  503: 'temporarily_unavailable',
};

/** Tokens, in a fragment: it reaches the page and no server. GoTrue appends it, also to one that is there. */
export function withTokens(redirect_to: string, tokens: TokenResponse, type: string): string {
  const { access_token, expires_at, expires_in, refresh_token, token_type } = tokens;
  const members = { access_token, expires_at, expires_in, refresh_token, sb: '', token_type, type };
  return `${redirect_to}#${encoded(members)}`;
}

/** A code, in the query; a fragment stays. */
export function withCode(redirect_to: string, code: string): string {
  const [address, fragment] = parted(redirect_to, '#');
  return withQuery(address, { code }) + fragment;
}

/** @param inQuery whether the portal, which began a flow, looks in the query */
export function withMessage(redirect_to: string, message: string, inQuery: boolean): string {
  return withMembers(redirect_to, { message }, inQuery);
}

/** @param inQuery whether the portal, which began a flow, looks in the query */
export function withError(redirect_to: string, { status, error_code, message }: AuthError, inQuery: boolean): string {
  const error = oauthErrors[status];
  const members = { ...(error && { error }), error_code, error_description: message };
  return withMembers(redirect_to, members, inQuery);
}

/** In a fragment, in the place of one that is there. `sb` tells the client that it is ours. */
function withMembers(redirect_to: string, members: Record<string, string>, inQuery: boolean): string {
  const [address] = parted(redirect_to, '#');
  return `${inQuery ? withQuery(address, members) : address}#${encoded({ ...members, sb: '' })}`;
}

function withQuery(address: string, members: Record<string, string>): string {
  const [base, query] = parted(address, '?');
  const params = new URLSearchParams(query.slice(1));
  for (const [name, value] of Object.entries(members)) params.set(name, value);
  params.sort();
  return `${base}?${params}`;
}

/** What stands before the first mark, and the rest with it. */
function parted(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at)];
}

function encoded(members: Record<string, string | number>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(members)) params.append(name, String(value));
  return params.toString();
}
