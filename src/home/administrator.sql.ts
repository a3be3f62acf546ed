/** Whether anybody was ever given the right to manage users. */
import { sql } from '../db/drizzle.ts';
import { statement } from '../db/statement.ts';

/** The audit log remembers a grant that was taken away, or whose user is gone: who did that wants no new administrator. */
export const findFormerGrant = statement<Record<never, never>, { found: boolean }>(
  'find_former_grant',
  sql`
  select exists (select from gatehouse.role_grants where role = 'admin')
      or exists (select from audit.events where action = 'role_granted' and details ->> 'role' = 'admin') as found`,
);
