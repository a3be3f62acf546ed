/** The months of audit.events: each is a partition of its own. */
import { sql } from '../db/drizzle.ts';
import { statement } from '../db/statement.ts';

/** Makes the partitions of this month and the next three where they are missing; a row for each that is new. */
export const ensurePartitions = statement<Record<never, never>, { partition: string }>(
  'ensure_partitions',
  sql`select partition from audit.ensure_partitions() as partition`,
);
