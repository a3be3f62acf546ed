/** gatehouse.clients: backend services that may ask about tokens. */
import { sql } from 'drizzle-orm';
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
