/** The PKCE flow of a mail link (contract §7.6, RFC 7636): the challenge that a request brings, kept until the exchange. */
import { randomUUID } from 'node:crypto';
import type { Tx } from '../db/database.ts';
import { AuthError } from '../errors.ts';
import { insertFlowState, issueFlowCode } from './flow-state.sql.ts';

const CHALLENGE_LENGTH = { least: 43, most: 128 };
/** RFC 7636 §4.2. */
const CHALLENGE = /^[\w.~-]+$/;

export interface CodeChallenge {
  code_challenge: string;
  code_challenge_method: 's256' | 'plain';
}

/** The members of a body that bring a challenge. */
export interface ChallengeBody {
  code_challenge?: string | undefined;
  code_challenge_method?: string | undefined;
}

/** What the exchanged session will say how it came about; GoTrue's `authentication_method` of the flow. */
export type FlowMethod = 'email/signup' | 'magiclink' | 'recovery' | 'invite' | 'email_change';

/**
 * The challenge of a request; undefined where it brings none, which is the implicit flow. Empty is absent.
 *
 * @throws AuthError `validation_failed` for half a challenge, one of another length or alphabet, another method
 */
export function readCodeChallenge({ code_challenge, code_challenge_method }: ChallengeBody): CodeChallenge | undefined {
  if (!code_challenge && !code_challenge_method) return undefined;
  if (!code_challenge || !code_challenge_method) {
    throw refused('PKCE flow requires code_challenge_method and code_challenge');
  }
  const { least, most } = CHALLENGE_LENGTH;
  if (code_challenge.length < least || code_challenge.length > most) {
    throw refused(`code challenge has to be between ${least} and ${most} characters`);
  }
  if (!CHALLENGE.test(code_challenge)) {
    throw refused('code challenge can only contain alphanumeric characters, hyphens, periods, underscores and tildes');
  }
  const method = code_challenge_method.toLowerCase();
  if (method !== 's256' && method !== 'plain') throw refused('code challenge method has to be s256 or plain');
  return { code_challenge, code_challenge_method: method };
}

/**
 * Keeps the challenge until the user's mail link is clicked. The code that the click will hand out is random (122 bits)
 * and worth nothing before.
 *
 * @param provider_type what GoTrue calls the flow: the provider of a sign-up, else the method
 */
export async function startFlow(
  tx: Tx,
  challenge: CodeChallenge,
  flow: { user_id: string; provider_type: string; authentication_method: FlowMethod; now: Date },
): Promise<void> {
  await insertFlowState(tx, {
    ...challenge,
    ...flow,
    id: randomUUID(),
    auth_code: randomUUID(),
    now: flow.now.toISOString(),
  });
}

/**
 * The click that a flow has waited for: its code, to be exchanged by whoever has the verifier.
 *
 * @throws AuthError `flow_state_not_found` where no flow of this kind was begun
 */
export async function issueCode(
  tx: Tx,
  { user_id, authentication_method, now }: { user_id: string; authentication_method: FlowMethod; now: Date },
): Promise<string> {
  const [flow] = await issueFlowCode(tx, { user_id, authentication_method, now: now.toISOString() });
  if (!flow) throw new AuthError('flow_state_not_found', { status: 422 });
  return flow.auth_code;
}

function refused(message: string): AuthError {
  return new AuthError('validation_failed', { message });
}
