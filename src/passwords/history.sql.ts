/** gatehouse.password_history: hashes of passwords that users had before. */
import { sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';

/** The last so many, the latest first. */
export const listFormerHashes = statement<{ user_id: string; most: number }, { encrypted_password: string }>(
  'list_former_hashes',
  sql`
  select encrypted_password from gatehouse.password_history
   where user_id = ${arg('user_id')}::uuid
   order by id desc
   limit ${arg('most')}::int`,
);

/** Remembers a hash of a locked user, where there is one to remember, and forgets what is beyond the last `most`. */
export const keepFormerHash = statement<
  { user_id: string; encrypted_password: string | undefined; most: number; now: string },
  never
>(
  'keep_former_hash',
  sql`
  with latest as (
    insert into gatehouse.password_history (user_id, encrypted_password, replaced_at)
    select ${arg('user_id')}::uuid, ${arg('encrypted_password')}::text, ${arg('now')}::timestamptz
     where ${arg('encrypted_password')}::text is not null and ${arg('most')}::int > 0
    returning id)
  delete from gatehouse.password_history
   where user_id = ${arg('user_id')}::uuid
     and id not in (select id from gatehouse.password_history
                     where user_id = ${arg('user_id')}::uuid
                     order by id desc
                     limit greatest(${arg('most')}::int - (select count(*) from latest), 0))`,
);
