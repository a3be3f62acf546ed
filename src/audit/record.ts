/** The one way into the audit log: in the transaction of the change that the event describes (DESIGN §1.6). */
import type { Database, Tx } from '../db/database.ts';
import type { AuthError } from '../errors.ts';
import type { Occasion } from '../http/caller.ts';
import { type AuditEvent, type GotrueAction, gotrueActions } from './events.ts';
import { insertEvent, occasionArgs } from './record.sql.ts';

const NIL_UUID = '00000000-0000-0000-0000-000000000000';

/**
 * Writes the event in the transaction of the change it describes, and GoTrue's own row beside it where GoTrue records
 * the action. If it cannot be written, nothing of the transaction happens.
 */
export async function record(tx: Tx, event: AuditEvent, occasion: Occasion): Promise<void> {
  await insertEvent(tx, eventArgs(event, occasion));
}

/**
 * Writes a refusal with its code and private reason, and returns it: to be returned from a transaction that has changed
 * something (a family revoked, a counter raised), or thrown where there was nothing to change.
 */
export async function recordRefusal(
  on: Tx | Database,
  refusal: AuthError,
  event: Omit<AuditEvent, 'outcome' | 'error_code' | 'reason'>,
  occasion: Occasion,
): Promise<AuthError> {
  const { error_code, reason } = refusal;
  await insertEvent(on, eventArgs({ ...event, outcome: 'failure', error_code, reason }, occasion));
  refusal.recorded = true;
  return refusal;
}

function eventArgs(event: AuditEvent, occasion: Occasion): Record<string, unknown> {
  const { actor } = event;
  return {
    ...occasionArgs(occasion),
    payload: occasion.without_gotrue_audit ? undefined : gotruePayload(event),
    action: event.action,
    outcome: event.outcome,
    error_code: event.error_code,
    reason: event.reason,
    actor_id: actor?.id,
    actor_role: actor?.role,
    actor_name: actor?.id ? undefined : actor?.username,
    subject_id: event.subject_id,
    session_id: event.session_id,
    details: JSON.stringify({ ...event.details, ...event.remarks }),
  };
}

/**
 * What GoTrue would write (contract §9.8), or nothing where it writes nothing: it knows no failures, but for a sign-up that
 * is repeated and refused.
 */
function gotruePayload({ action, outcome, details, ...event }: AuditEvent): string | undefined {
  const actor = event.gotrue_actor ?? event.actor;
  if (!(action in gotrueActions) || (outcome === 'failure' && action !== 'user_repeated_signup')) return undefined;
  return JSON.stringify({
    action,
    actor_id: actor?.id ?? NIL_UUID,
    actor_name: actor?.full_name,
    actor_username: actor?.username ?? '',
    actor_via_sso: actor?.via_sso ?? false,
    log_type: gotrueActions[action as GotrueAction],
    traits: details,
  });
}
