/** gatehouse.clients: backend services that may ask about tokens. */
import { sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';

export interface Client {
  id: string;
  name: string;
  created_at: string;
  disabled_at: string | null;
  last_used_at: string | null;
}

/** No row when the name is taken, by a disabled client too. */
export const insertClient = statement<{ id: string; name: string; secret_hash: Buffer; now: string }, { id: string }>(
  'insert_client',
  sql`
  insert into gatehouse.clients (id, name, secret_hash, created_at)
  values (${arg('id')}::uuid, ${arg('name')}::text, ${arg('secret_hash')}::bytea, ${arg('now')}::timestamptz)
      on conflict (name) do nothing
  returning id`,
);

/** A client by its id or its name, locked against a change. */
export const lockClient = statement<{ named: string }, Client>(
  'lock_client',
  sql`
  select id, name, created_at, disabled_at, last_used_at
    from gatehouse.clients
   where name = ${arg('named')}::text or id::text = ${arg('named')}::text
   order by name = ${arg('named')}::text desc
   limit 1
     for no key update`,
);

export const disableClient = statement<{ id: string; now: string }, never>(
  'disable_client',
  sql`update gatehouse.clients set disabled_at = ${arg('now')}::timestamptz where id = ${arg('id')}::uuid`,
);

export const listClients = statement<Record<string, never>, Client>(
  'list_clients',
  sql`select id, name, created_at, disabled_at, last_used_at from gatehouse.clients order by name`,
);

/** What a statement that a client asks says of the client. */
export interface FoundClient {
  /** Null where there is no such client. */
  client_id: string | null;
  matches: boolean | null;
  disabled: boolean | null;
}

/**
 * Common table expressions of a statement that a client asks: `client`, with whether the secret matches, and `asking`, the
 * row of one that is let in. What the statement looks up and changes belongs behind `asking`. Takes `client_id`,
 * `secret_hash`, `nonce` and `now`.
 *
 * The hashes are compared as hashes of themselves with a nonce of this request: PostgreSQL stops at the first byte that
 * differs, and so that byte tells nothing about the next request's.
 *
 * The client's row is written once a minute and never waited for: of its requests at one time one writes.
 */
export const askingClient = sql`
  client as (
    select id, name, disabled_at is not null as disabled,
           sha256(secret_hash || ${arg('nonce')}::bytea)
             = sha256(${arg('secret_hash')}::bytea || ${arg('nonce')}::bytea) as matches
      from gatehouse.clients where id = ${arg('client_id')}::uuid),
  asking as (select id, name from client where matches and not disabled),
  used as (
    update gatehouse.clients set last_used_at = ${arg('now')}::timestamptz
     where id = (select c.id from gatehouse.clients as c join asking on asking.id = c.id
                  where c.last_used_at is null or c.last_used_at <= ${arg('now')}::timestamptz - interval '1 minute'
                    for no key update of c skip locked))`;

/** Whether a client is let in that asks for something which is no row of its own. */
export const findAskingClient = statement<Record<string, unknown>, FoundClient>(
  'find_asking_client',
  sql`
  with ${askingClient}
  select client.id as client_id, client.matches, client.disabled
    from (values (1)) as one (row) left join client on true`,
);
