/** auth.audit_log_entries, GoTrue's own log, as GET /admin/audit asks it. */
import { sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';

/** What an entry is looked for by; its text is a part of the value, whatever its case. */
export type EntryScope = 'author' | 'action' | 'type';

/** An entry in the members of the answer. */
export interface Entry {
  id: string;
  payload: Record<string, unknown>;
  created_at: string | null;
  ip_address: string;
}

interface Filter extends Record<string, unknown> {
  scope: EntryScope | undefined;
  text: string | undefined;
}

const contains = (member: string) =>
  sql`payload ->> ${sql.raw(`'${member}'`)} ilike '%' || ${arg('text')}::text || '%' escape ''`;

const matching = sql`
  case ${arg('scope')}::text
    when 'author' then ${contains('actor_username')} or ${contains('actor_name')}
    when 'action' then ${contains('action')}
    when 'type' then ${contains('log_type')}
    else true
  end`;

export const countEntries = statement<Filter, { total: number }>(
  'count_audit_log_entries',
  sql`select count(*) as total from auth.audit_log_entries where ${matching}`,
);

/** One page, newest first. By offset, because the contract's clients ask for pages by number. */
export const listEntries = statement<Filter & { limit: number; offset: string }, Entry>(
  'list_audit_log_entries',
  sql`
  select id, payload, created_at, ip_address
    from auth.audit_log_entries
   where ${matching}
   order by created_at desc, id desc
   limit ${arg('limit')}::bigint offset ${arg('offset')}::bigint`,
);
