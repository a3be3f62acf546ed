/** Backend services that may ask whether a token is valid: each with an id and a secret of its own (DESIGN §4). */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Actor } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { type Database, inTransaction } from '../db/database.ts';
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

export function secretHash(client_secret: string): Buffer {
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
