/** Backend services that may ask whether a token is valid: each with an id and a secret of its own (DESIGN §4). */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Actor, RefusedAction } from '../audit/events.ts';
import { record, recordRefusal } from '../audit/record.ts';
import { type Database, inTransaction } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import type { Occasion } from '../http/caller.ts';
import * as rows from './clients.sql.ts';

export type { Client } from './clients.sql.ts';

export interface NewClient {
  client_id: string;
  /** Shown once: nobody can read it again. */
  client_secret: string;
}

/** 256 random bits as base64url. Kept as SHA-256: there is nothing to guess, so nothing to slow down. */
const SECRET_BYTES = 32;

function secretHash(client_secret: string): Buffer {
  return createHash('sha256').update(client_secret).digest();
}

/** Makes a client, on record as `client_created`. Undefined where the name is taken, by a disabled client too. */
export function createClient(
  db: Database,
  { name, actor }: { name: string; actor: Actor },
  occasion: Occasion,
): Promise<NewClient | undefined> {
  const client_id = randomUUID();
  const client_secret = randomBytes(SECRET_BYTES).toString('base64url');
  const secret_hash = secretHash(client_secret);
  return inTransaction(db, async (tx) => {
    const made = await rows.insertClient(tx, { id: client_id, name, secret_hash, now: occasion.now.toISOString() });
    if (made.length === 0) return undefined;
    await record(tx, { action: 'client_created', outcome: 'success', actor, details: { client_id, name } }, occasion);
    return { client_id, client_secret };
  });
}

/**
 * Refuses the client from now on, on record as `client_disabled`. Resolves to the client as it was found: one that was
 * disabled already stays so since then, without another record. Undefined where there is none of that name or id.
 */
export function disableClient(
  db: Database,
  { named, actor }: { named: string; actor: Actor },
  occasion: Occasion,
): Promise<rows.Client | undefined> {
  return inTransaction(db, async (tx) => {
    const [client] = await rows.lockClient(tx, { named });
    if (!client || client.disabled_at !== null) return client;
    await rows.disableClient(tx, { id: client.id, now: occasion.now.toISOString() });
    const details = { client_id: client.id, name: client.name };
    await record(tx, { action: 'client_disabled', outcome: 'success', actor, details }, occasion);
    return client;
  });
}

export function listClients(db: Database): Promise<rows.Client[]> {
  return rows.listClients(db, {});
}

export interface ClientCredentials {
  client_id: string;
  client_secret: string;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NONCE_BYTES = 16;

/**
 * What a statement takes that looks for the client with `askingClient`.
 *
 * @throws AuthError `invalid_client` where there can be none
 */
export function clientArgs({ client_id, client_secret }: ClientCredentials) {
  if (!UUID.test(client_id)) throw new AuthError('invalid_client', { reason: 'no such client' });
  return { client_id, secret_hash: secretHash(client_secret), nonce: randomBytes(NONCE_BYTES) };
}

/** @throws AuthError `invalid_client`, alike for every reason, recorded as `action` */
export async function refuseUnlessLetIn(
  db: Database,
  { client_id, matches, disabled }: rows.FoundClient,
  action: RefusedAction,
  occasion: Occasion,
): Promise<void> {
  if (client_id && matches && !disabled) return;
  const reason = !client_id ? 'no such client' : matches ? 'the client is disabled' : 'wrong client secret';
  const details = client_id ? { client_id } : {};
  throw await recordRefusal(db, new AuthError('invalid_client', { reason }), { action, details }, occasion);
}
