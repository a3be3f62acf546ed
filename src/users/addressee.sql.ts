/** Whom a mail is for: named by the address alone, and nobody has shown to be that person. */
import { sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';
import type { UserRow } from './user.ts';
import { userColumns, userStatement } from './user-columns.sql.ts';

/** The user of the audience with this address, locked against every other change. */
export const lockAddressee = userStatement<{ email: string; aud: string }, UserRow>(
  'lock_addressee',
  sql`
  select ${userColumns(sql`u`)}
    from auth.users as u
   where u.email = ${arg('email')}::text and u.aud = ${arg('aud')}::text and not u.is_sso_user and u.deleted_at is null
     for no key update of u`,
);

/** A locked user is invited. */
export const setInvited = statement<{ id: string; now: string }, never>(
  'set_invited',
  sql`
  update auth.users set invited_at = ${arg('now')}::timestamptz, updated_at = ${arg('now')}::timestamptz
   where id = ${arg('id')}::uuid`,
);
