/** Schema audit as drizzle sees it: the record of what happened. Partitions and triggers are in drizzle/0001_gatehouse.sql. */
import { timestamptz, xid8 } from './column-types.ts';
import { inet, jsonb, pgSchema, primaryKey, sql, text, uuid } from './drizzle.ts';

export const audit = pgSchema('audit');

export const events = audit.table(
  'events',
  {
    id: uuid().notNull(),
    occurred_at: timestamptz().notNull(),
    action: text().notNull(),
    outcome: text({ enum: ['success', 'failure'] }).notNull(),
    error_code: text(),
    reason: text(),
    actor_id: uuid(),
    actor_role: text(),
    actor_name: text(),
    subject_id: uuid(),
    session_id: uuid(),
    ip: inet(),
    user_agent: text(),
    request_id: text(),
    method: text(),
    path: text(),
    details: jsonb().$type<Record<string, unknown>>().notNull().default(sql`'{}'::jsonb`),
    xid: xid8().notNull().default(sql`pg_current_xact_id()`),
  },
  (table) => [primaryKey({ columns: [table.occurred_at, table.id] })],
);
