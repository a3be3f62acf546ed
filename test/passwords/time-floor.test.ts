import { describe, expect, it } from 'vitest';
import { createTimeFloor } from '../../src/passwords/time-floor.ts';

const ARGON2_MS = 6;
const BCRYPT_MS = 50;

/** When the answer leaves, in milliseconds after the request came. */
function leaves(floor: ReturnType<typeof createTimeFloor>, waited_ms: number, worked_ms: number): number {
  return waited_ms + worked_ms + floor.holdMs(waited_ms, worked_ms);
}

function measured() {
  const floor = createTimeFloor();
  floor.observe('argon2id', ARGON2_MS);
  floor.observe('bcrypt 10', BCRYPT_MS);
  return floor;
}

// User enumeration by timing (CWE-208): a quick refusal would say that the hash was the decoy.
describe('the time of a refusal', () => {
  it.each([0, 7, 49, 120, 170, 270, 333, 5000])(
    'is the same for every kind of hash after %i ms in the queue',
    (waited_ms) => {
      const floor = measured();
      expect(leaves(floor, waited_ms, ARGON2_MS)).toBeCloseTo(leaves(floor, waited_ms, BCRYPT_MS));
    },
  );

  it('is the same while what others ask for takes slots for a moment', () => {
    const floor = measured();
    expect(leaves(floor, BCRYPT_MS, ARGON2_MS)).toBeCloseTo(leaves(floor, 0, ARGON2_MS));
  });

  it('is the same for a hash that took thrice as long as ever because the machine was busy', () => {
    const floor = measured();
    expect(leaves(floor, 0, 3 * BCRYPT_MS)).toBeCloseTo(leaves(floor, 0, ARGON2_MS));
  });

  it('is not lengthened by one slow run of a kind that is known to be quicker', () => {
    const floor = measured();
    floor.observe('bcrypt 10', 900);
    expect(leaves(floor, 0, ARGON2_MS)).toBeCloseTo(6 * BCRYPT_MS);
  });

  it('is longer for everybody once a dearer kind of hash was met', () => {
    const floor = measured();
    floor.observe('bcrypt 12', 200);
    expect(leaves(floor, 0, ARGON2_MS)).toBeCloseTo(1200);
    expect(leaves(floor, 0, 200)).toBeCloseTo(1200);
  });

  it('has a bound, whatever hash is met', () => {
    const floor = measured();
    floor.observe('argon2id of a gibibyte', 20_000);
    expect(leaves(floor, 0, ARGON2_MS)).toBeLessThanOrEqual(4000);
  });

  it('is that of the work alone where the floor is set to zero', () => {
    const floor = createTimeFloor(0);
    floor.observe('bcrypt 10', BCRYPT_MS);
    expect(floor.holdMs(3, BCRYPT_MS)).toBe(0);
  });
});
