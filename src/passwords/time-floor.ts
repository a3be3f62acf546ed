/**
 * When a refusal may leave, so that its time does not tell whether the account exists or how its password is stored
 * (OWASP ASVS 5.0, 6.3.8). An unknown address costs one argon2id hash, an account that came from Supabase bcrypt, ten times
 * as long. To let both do the dearer work would cost every wrong guess the cores of ten sign-ins; to wait costs nothing.
 * So every refusal is held, without slot, core or connection, and the time it leaves is built in two steps:
 *
 * - the hash counts as having taken at least the floor, three times what the slowest kind of hash takes on this machine:
 *   its own duration never shows, however long it stood in the queue;
 * - the whole, waiting included, is rounded up to a step of twice the floor: on a server that is not overloaded the
 *   answer to anybody comes after exactly one step, so what others' hashes did to the queue does not show either.
 *
 * Success is not held: it says in words what its time could say. What remains visible: a hash dearer than GoTrue's own
 * (bcrypt above 10, a gibibyte of argon2) raises the floor for everybody from its first verification in this process on,
 * so that one verification stands out, as does any that takes longer than {@link MAX_FLOOR_MS}; and whoever signs in to an
 * account of their own at the same moment feels how long others' hashes hold the slots. Rehashing at sign-in ends all three.
 */

/** A busy machine stretches a hash; beyond this, which takes a machine busy twice over, it would show. */
const HEADROOM = 3;
const STEP_IN_FLOORS = 2;
/** Nobody's typing error waits longer than two of these. */
const MAX_FLOOR_MS = 2000;

export interface TimeFloor {
  /** Learns what one verification of this kind of hash took, once it had its slot. */
  observe(kind: string, worked_ms: number): void;
  /** How long a refusal is still to be held that waited in the queue and then worked that long. */
  holdMs(waited_ms: number, worked_ms: number): number;
}

/** @param fixed_floor_ms a floor that does not learn; 0 holds nothing */
export function createTimeFloor(fixed_floor_ms?: number): TimeFloor {
  /** By kind, because the fastest run is the one that load and calibration at start disturbed least. */
  const fastest = new Map<string, number>();
  const floorMs = () => fixed_floor_ms ?? Math.min(HEADROOM * Math.max(0, ...fastest.values()), MAX_FLOOR_MS);

  return {
    observe(kind, worked_ms) {
      fastest.set(kind, Math.min(worked_ms, fastest.get(kind) ?? Number.POSITIVE_INFINITY));
    },
    holdMs(waited_ms, worked_ms) {
      const floor = floorMs();
      if (floor === 0) return 0;
      const step = STEP_IN_FLOORS * floor;
      return Math.ceil((waited_ms + Math.max(worked_ms, floor)) / step) * step - waited_ms - worked_ms;
    },
  };
}
