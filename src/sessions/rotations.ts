/** Refresh tokens exchanged together where many are presented at once, as after an outage (docs/decisions/refreshes-together.md). */
import type { Settings } from '../config.ts';
import type { Database } from '../db/database.ts';
import { gathered } from '../db/gathered.ts';
import { policyArgs } from './session-policy.sql.ts';
import { ROTATIONS_AT_ONCE, type Rotation, rotateRefreshTokens, type SessionRow } from './sessions.sql.ts';

/** One is at work, one on its way. */
const LANES = 2;

/** @see rotateRefreshTokens */
export type RotateRefreshToken = (presented: Rotation) => Promise<SessionRow | undefined>;

export function createRotations(db: Database, settings: Settings): RotateRefreshToken {
  const policy = policyArgs(settings);
  return gathered<Rotation, SessionRow | undefined>((rotations) => rotateRefreshTokens(db, policy, rotations), {
    lanes: LANES,
    most: ROTATIONS_AT_ONCE,
  });
}
