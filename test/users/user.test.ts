/** How a row of auth.users looks on the wire, where the database leaves it to us. */
import { expect, test } from 'vitest';
import { type Factor, type Identity, type UserRow, userJson } from '../../src/users/user.ts';

const identity = (provider: string, created_at: string | null) => ({ provider, created_at }) as Identity;
const factor = (id: string, created_at: string) => ({ id, created_at, updated_at: created_at }) as Factor;
const row = (identities: Identity[], factors: Factor[] = []) => ({ identities, factors }) as unknown as UserRow;

test('identities are in the order in which they were made, those of one moment by provider', () => {
  const shown = userJson(
    row([
      identity('phone', null),
      identity('google', '2026-11-25T10:00:00.5+00:00'),
      identity('email', '2026-11-25T10:00:00+00:00'),
      identity('azure', '2026-11-25T10:00:00.5+00:00'),
      identity('github', '2026-11-25T10:00:00.499999+00:00'),
    ]),
  );
  expect(shown.identities?.map(({ provider, created_at }) => [provider, created_at])).toEqual([
    ['email', '2026-11-25T10:00:00Z'],
    ['github', '2026-11-25T10:00:00.499999Z'],
    ['azure', '2026-11-25T10:00:00.5Z'],
    ['google', '2026-11-25T10:00:00.5Z'],
    ['phone', null],
  ]);
});

test('factors are in the order in which they were made', () => {
  const shown = userJson(row([], [factor('b', '2026-11-25T10:00:01+00:00'), factor('a', '2026-11-25T10:00:00+00:00')]));
  expect(shown.factors?.map(({ id, created_at }) => [id, created_at])).toEqual([
    ['a', '2026-11-25T10:00:00Z'],
    ['b', '2026-11-25T10:00:01Z'],
  ]);
});
