/** How long somebody is banned, in Go's spelling and with Go's complaints (recordings admin-put-ban-formats, admin-create-and-banned). */
import { describe, expect, it, test } from 'vitest';
import { bannedUntil } from '../../src/users/ban-duration.ts';

const now = new Date('2026-11-25T12:00:00Z');

it.each<[ban_duration: string, until: string]>([
  ['24h', '2026-11-26T12:00:00.000Z'],
  ['90s', '2026-11-25T12:01:30.000Z'],
  ['1h15m30.5s', '2026-11-25T13:15:30.500Z'],
  ['300ms', '2026-11-25T12:00:00.300Z'],
  ['.5h', '2026-11-25T12:30:00.000Z'],
  ['1.h', '2026-11-25T13:00:00.000Z'],
  ['+1h', '2026-11-25T13:00:00.000Z'],
  ['-1h', '2026-11-25T11:00:00.000Z'],
  ['1000000µs', '2026-11-25T12:00:01.000Z'],
  ['876000h', '2126-11-01T12:00:00.000Z'],
])('%s from now on is until %s', (ban_duration, until) => {
  expect(bannedUntil(ban_duration, now)?.toISOString()).toBe(until);
});

it.each(['none', '0', '0s', '-0h', '0h0m'])('%s lifts a ban', (ban_duration) => {
  expect(bannedUntil(ban_duration, now)).toBeNull();
});

describe('what is no duration is refused in Go’s words', () => {
  it.each<[ban_duration: string, complaint: string]>([
    ['for ever', 'invalid duration "for ever"'],
    ['None', 'invalid duration "None"'],
    ['+', 'invalid duration "+"'],
    ['.h', 'invalid duration ".h"'],
    ['1h-1m', 'unknown unit "h-" in duration "1h-1m"'],
    ['24', 'missing unit in duration "24"'],
    ['1h2', 'missing unit in duration "1h2"'],
    ['1d', 'unknown unit "d" in duration "1d"'],
    ['2 days', 'unknown unit " days" in duration "2 days"'],
    ['1"h', 'unknown unit "\\"h" in duration "1\\"h"'],
    ['1ö', 'unknown unit "\\xc3\\xb6" in duration "1\\xc3\\xb6"'],
    // Longer than Go can count: 292 years.
    ['2562048h', 'invalid duration "2562048h"'],
    [`${'9'.repeat(400)}h`, `invalid duration "${'9'.repeat(64)}"`],
  ])('%s', (ban_duration, complaint) => {
    expect(() => bannedUntil(ban_duration, now)).toThrow(
      expect.objectContaining({
        error_code: 'validation_failed',
        message: `invalid format for ban duration: time: ${complaint}`,
      }),
    );
  });
});

test('the longest ban ends at a time that PostgreSQL has', () => {
  expect(bannedUntil('2562047h', now)?.getUTCFullYear()).toBe(2319);
});
