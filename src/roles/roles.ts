/**
 * Rights beyond the JWT role (DESIGN §4): rows of gatehouse.role_grants, looked up at each use, so that taking one away
 * holds at once. `auditor` reads the audit log, `admin` manages users; neither includes the other.
 */
import type { Actor } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { type Database, inTransaction, type Tx } from '../db/database.ts';
import type { Occasion } from '../http/caller.ts';
import * as rows from './roles.sql.ts';

export type { Candidate } from './roles.sql.ts';

export const roles = ['auditor', 'admin'] as const;
export type Role = (typeof roles)[number];

/** Whether the user has the role now. */
export async function hasRole(on: Database | Tx, user_id: string, role: Role): Promise<boolean> {
  return (await rows.findGrant(on, { user_id, role })).length > 0;
}

export interface RoleChange {
  user_id: string;
  role: Role;
  /** Who gives or takes it. */
  actor: Actor;
}

/** Gives a user the role, on record as `role_granted`. Resolves to false, without a record, where nothing changed. */
export function grantRole(db: Database, { user_id, role, actor }: RoleChange, occasion: Occasion): Promise<boolean> {
  const now = occasion.now.toISOString();
  return inTransaction(db, async (tx) => {
    const granted = await rows.insertGrant(tx, { user_id, role, granted_by: actor.id, now });
    if (granted.length === 0) return false;
    await record(
      tx,
      { action: 'role_granted', outcome: 'success', actor, subject_id: user_id, details: { role } },
      occasion,
    );
    return true;
  });
}

/** Takes the role away, on record as `role_revoked`. Resolves to false, without a record, where nothing changed. */
export function revokeRole(db: Database, { user_id, role, actor }: RoleChange, occasion: Occasion): Promise<boolean> {
  return inTransaction(db, async (tx) => {
    const revoked = await rows.deleteGrant(tx, { user_id, role });
    if (revoked.length === 0) return false;
    await record(
      tx,
      { action: 'role_revoked', outcome: 'success', actor, subject_id: user_id, details: { role } },
      occasion,
    );
    return true;
  });
}

/** Who has which role; with `role`, only that one. */
export function listGrants(db: Database, role?: Role): Promise<rows.Grant[]> {
  return rows.listGrants(db, { role });
}

/** Who may be meant: by an id one user or none; an address as it is stored may belong to users of several SSO providers. */
export function listCandidates(db: Database, person: { id: string } | { email: string }): Promise<rows.Candidate[]> {
  return rows.listCandidates(db, { id: undefined, email: undefined, ...person });
}
