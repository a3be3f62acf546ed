/** The bar of a migration: how far, how fast, how long still. */
import { expect, test } from 'vitest';
import { createBar, createProgress } from '../../src/migrate/progress.ts';
import type { MigrationEvent } from '../../src/migrate/run.ts';

const plan = { event: 'plan', plan: { tables: [{ source_rows: 60_000 }, { source_rows: 40_000 }] } };
const events = [
  plan,
  { event: 'started', run_id: 'x' },
  { event: 'progress', table: 'users', rows: 25_000, of: 60_000 },
  { event: 'progress', table: 'users', rows: 25_100, of: 60_000 },
  { event: 'indexing', table: 'users' },
  { event: 'remembering', table: 'users' },
  { event: 'table', outcome: { table: 'users', rows: 60_000 } },
  { event: 'progress', table: 'sessions', rows: 15_000, of: 40_000 },
  { event: 'proving', table: 'users' },
] as MigrationEvent[];
const times = [0, 1_000, 1_050, 3_000];

function drawn(isTerminal: boolean): string {
  let text = '';
  const clock = times.values();
  const bar = createBar(
    (piece) => (text += piece),
    isTerminal,
    () => clock.next().value ?? 0,
  );
  const draw = createProgress(bar);
  for (const event of events) draw(event);
  return text;
}

test('redraws one line on a terminal, at most ten times a second', () => {
  expect(drawn(true).split('\r\u001b[2K').slice(1)).toEqual([
    '[######..................] 25 %  users  25,000 rows/s  0:03 left',
    'indexing users',
    'remembering users',
    '[##################......] 75 %  sessions  25,000 rows/s  0:01 left',
    'proving users',
  ]);
});

test('writes no bar where there is no terminal', () => {
  expect(drawn(false)).toBe('');
});
