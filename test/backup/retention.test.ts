/** Which backups stay: what is promised holds for any backups and any retention. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Candidate, whatStays } from '../../src/backup/retention.ts';

const DAY_MS = 24 * 3600 * 1000;
const start = Date.UTC(2020, 0, 1);

const candidates = fc
  .array(fc.record({ at: fc.integer({ min: 0, max: 9 * 365 * 24 }), kept: fc.boolean(), proven: fc.boolean() }), {
    maxLength: 60,
  })
  .map((all) =>
    all.map(({ at, ...rest }, number) => ({ id: `backup-${number}`, at: new Date(start + at * 3_600_000), ...rest })),
  );
const count = fc.integer({ min: 0, max: 12 });
const retention = fc.record({ daily: count, weekly: count, monthly: count, yearly: count });
const minimum = fc.integer({ min: 1, max: 10 });

const newestFirst = (all: Candidate[]) => [...all].sort((a, b) => b.at.getTime() - a.at.getTime());

function staying(all: Candidate[], kept: Parameters<typeof whatStays>[1], least: number): Candidate[] {
  const reasons = whatStays(all, kept, least);
  return all.filter(({ id }) => (reasons.get(id) ?? []).length > 0);
}

/** A backup at noon of each of so many days, the last on a Thursday. */
function daily(days: number): Candidate[] {
  const last = Date.UTC(2026, 10, 26, 12);
  return Array.from({ length: days }, (_, ago) => {
    const at = new Date(last - ago * DAY_MS);
    return { id: at.toISOString().slice(0, 10), at, kept: false, proven: false };
  });
}

describe('whatever there is and is asked for', () => {
  it('never fewer than the minimum stay', () => {
    fc.assert(
      fc.property(candidates, retention, minimum, (all, kept, least) => {
        expect(staying(all, kept, least).length).toBeGreaterThanOrEqual(Math.min(least, all.length));
      }),
    );
  });

  it('the newest stays, the newest that was proven stays, and every one that is kept', () => {
    fc.assert(
      fc.property(candidates, retention, minimum, (all, kept, least) => {
        const stays = new Set(staying(all, kept, least).map(({ at }) => at.getTime()));
        const [newest] = newestFirst(all);
        const proven = newestFirst(all).find((each) => each.proven);
        for (const each of [newest, proven, ...all.filter((one) => one.kept)])
          if (each) expect(stays).toContain(each.at.getTime());
      }),
    );
  });

  it('a longer retention keeps whatever a shorter one keeps', () => {
    fc.assert(
      fc.property(candidates, retention, retention, minimum, (all, one, other, least) => {
        const longer = Object.fromEntries(
          Object.entries(one).map(([name, number]) => [name, Math.max(number, other[name as keyof typeof other])]),
        ) as typeof one;
        // Without the minimum, which fills up with others.
        const reasons = whatStays(all, longer, 1);
        for (const { id } of staying(all, one, 1)) expect(reasons.get(id)).not.toEqual([]);
        expect(staying(all, longer, least).length).toBeGreaterThanOrEqual(staying(all, one, least).length);
      }),
    );
  });

  it('expiring again removes nothing more', () => {
    fc.assert(
      fc.property(candidates, retention, minimum, (all, kept, least) => {
        const once = staying(all, kept, least);
        expect(staying(once, kept, least)).toEqual(once);
      }),
    );
  });
});

describe('of a backup each day', () => {
  it('7 daily, 5 weekly, 12 monthly, 7 yearly are the newest of each, of three years 7 + 4 + 11 + 2', () => {
    const ids = staying(daily(3 * 365), { daily: 7, weekly: 5, monthly: 12, yearly: 7 }, 3).map(({ id }) => id);
    expect(ids.slice(0, 7)).toEqual(daily(7).map(({ id }) => id));
    // Sundays end a week: that of 22 November is among the seven days.
    expect(ids.slice(7)).toEqual([
      '2026-11-15',
      '2026-11-08',
      '2026-11-01',
      ...['2026-10-31', '2026-09-30', '2026-08-31', '2026-07-31', '2026-06-30', '2026-05-31'],
      ...['2026-04-30', '2026-03-31', '2026-02-28', '2026-01-31', '2025-12-31'],
      '2024-12-31',
      '2023-12-31',
    ]);
  });

  it('a pause in backups removes none: periods without one do not count', () => {
    const old = daily(10).map(({ at, ...rest }) => ({ ...rest, at: new Date(at.getTime() - 400 * DAY_MS) }));
    expect(staying(old, { daily: 7, weekly: 0, monthly: 0, yearly: 0 }, 1)).toHaveLength(7);
  });
});
