import { expect, test } from 'vitest';
import { describeVerification } from '../../src/backup/describe.ts';

test('a name of what was restored is written out where it would steer the terminal or pass for a line of ours', () => {
  const said = describeVerification({
    id: '2026-11-01T020000Z-0a1b2c',
    verified_at: '2026-11-02T08:00:00Z',
    verdict: 'different',
    differences: ['rows of public."\u001b[2Ja\nproven: backup" differ'],
    not_checked: [],
    restore_seconds: 1,
    seconds: 2,
    recovery_point_seconds: 60,
    scratch: 'PostgreSQL 15',
    newest_event: null,
    checked: '',
  });
  expect(said.split('\n')).toEqual([
    'NOT PROVEN: backup 2026-11-01T020000Z-0a1b2c is not what was backed up',
    String.raw`  rows of public."\u001b[2Ja\u000aproven: backup" differ`,
    'found out in 2.0 s (PostgreSQL 15)',
    'what happened in the last 60 s would be lost',
  ]);
});
