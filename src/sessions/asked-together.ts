/** What clients ask all day, in one statement for all who ask at the same time (docs/decisions/asked-together.md). */
import type { Settings } from '../config.ts';
import type { Database } from '../db/database.ts';
import { gathered } from '../db/gathered.ts';
import {
  AT_ONCE,
  findSignedIn,
  type PresentedSession,
  type Rotation,
  rotateRefreshTokens,
  type SignedInRow,
} from './asked-together.sql.ts';
import { policyArgs } from './session-policy.sql.ts';
import type { SessionRow } from './sessions.sql.ts';

/** One is at work, one on its way. */
const LANES = 2;

export interface AskedTogether {
  /** @see rotateRefreshTokens */
  rotateRefreshToken(presented: Rotation): Promise<SessionRow | undefined>;
  /** @see findSignedIn */
  findSignedIn(presented: PresentedSession): Promise<SignedInRow | undefined>;
}

export function createAskedTogether(db: Database, settings: Settings): AskedTogether {
  const policy = policyArgs(settings);
  const options = { lanes: LANES, most: AT_ONCE };
  return {
    rotateRefreshToken: gathered((presented: Rotation[]) => rotateRefreshTokens(db, policy, presented), options),
    findSignedIn: gathered((presented: PresentedSession[]) => findSignedIn(db, presented), options),
  };
}
