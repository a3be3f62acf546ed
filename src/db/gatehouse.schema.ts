/** Schema gatehouse as drizzle sees it: what is ours. Keys, indexes and checks are in drizzle/0001_gatehouse.sql. */
import { bytea, timestamptz } from './column-types.ts';
import { bigint, integer, jsonb, pgSchema, primaryKey, sql, text, uuid } from './drizzle.ts';

export const gatehouse = pgSchema('gatehouse');

export const schema_changes = gatehouse.table('schema_changes', {
  version: text().primaryKey(),
  applied_at: timestamptz().notNull().default(sql`now()`),
  checksum: text().notNull(),
});

export const role_grants = gatehouse.table(
  'role_grants',
  {
    user_id: uuid().notNull(),
    role: text({ enum: ['auditor', 'admin'] }).notNull(),
    granted_by: uuid(),
    granted_at: timestamptz().notNull().default(sql`now()`),
  },
  (table) => [primaryKey({ columns: [table.user_id, table.role] })],
);

export const password_history = gatehouse.table(
  'password_history',
  {
    user_id: uuid().notNull(),
    id: bigint({ mode: 'bigint' }).generatedAlwaysAsIdentity(),
    encrypted_password: text().notNull(),
    replaced_at: timestamptz().notNull(),
  },
  (table) => [primaryKey({ columns: [table.user_id, table.id] })],
);

export const clients = gatehouse.table('clients', {
  id: uuid().primaryKey(),
  name: text().notNull(),
  secret_hash: bytea().notNull(),
  created_at: timestamptz().notNull().default(sql`now()`),
  disabled_at: timestamptz(),
  last_used_at: timestamptz(),
});

export const attempts = gatehouse.table(
  'attempts',
  {
    kind: text().notNull(),
    subject: bytea().notNull(),
    attempts: integer().notNull(),
    first_at: timestamptz().notNull(),
    last_at: timestamptz().notNull(),
    locked_until: timestamptz(),
  },
  (table) => [primaryKey({ columns: [table.kind, table.subject] })],
);

export const rate_limits = gatehouse.table('rate_limits', {
  key: text().primaryKey(),
  spent_until: timestamptz().notNull(),
});

export const mail_outbox = gatehouse.table('mail_outbox', {
  id: uuid().primaryKey(),
  user_id: uuid(),
  recipient: text().notNull(),
  kind: text().notNull(),
  subject: text().notNull(),
  body_text: text().notNull(),
  body_html: text().notNull(),
  created_at: timestamptz().notNull().default(sql`now()`),
  next_attempt_at: timestamptz().notNull().default(sql`now()`),
  attempts: integer().notNull().default(sql`0`),
  sent_at: timestamptz(),
  last_error: text(),
});

export const portal_copies = gatehouse.table('portal_copies', {
  id: uuid().primaryKey(),
  source_address: text().notNull(),
  source_identity: text().notNull(),
  definitions: text(),
  started_at: timestamptz().notNull(),
  finished_at: timestamptz(),
});

export const portal_copy_steps = gatehouse.table(
  'portal_copy_steps',
  {
    copy_id: uuid().notNull(),
    step: text().notNull(),
    details: jsonb().notNull(),
    done_at: timestamptz().notNull(),
  },
  (table) => [primaryKey({ columns: [table.copy_id, table.step] })],
);
