/** Counts of failed attempts: what locks, for how long, what is forgotten, and what is removed. */
import { afterAll, beforeEach, expect, it, test } from 'vitest';
import { inTransaction } from '../../src/db/database.ts';
import { countFailure, deleteForgottenAttempts, forgetAttempts } from '../../src/lockout/attempts.sql.ts';
import { attemptArgs, isLocked, recordFailure } from '../../src/lockout/lockout.ts';
import { startApp } from '../harness/app.ts';

const app = await startApp({ settings: { lockout_max_attempts: 3, lockout_duration: 60 } });
afterAll(() => app.close());
const { db } = app.gatehouse;

beforeEach(() => app.database.pool.query('delete from gatehouse.attempts'));

const whose = { user_id: '11111111-1111-4111-8111-111111111111' };
const args = () => attemptArgs(app.gatehouse, 'password', whose, app.clock.now());
const fail = async () => (await countFailure(db, args()))[0];
const locked = () => inTransaction(db, (tx) => isLocked(tx, args()));

it('locks at the limit, for twice as long each further time, up to a day', async () => {
  await fail();
  await fail();
  expect(await locked()).toBe(false);
  let seconds = 60;
  for (let lock = 0; lock < 14; lock++) {
    expect(await fail()).toMatchObject({ locks: true });
    app.clock.advance(Math.min(seconds, 86_400) - 1);
    expect(await locked()).toBe(true);
    app.clock.advance(1);
    expect(await locked()).toBe(false);
    seconds *= 2;
  }
});

it('counts nothing while it is locked', async () => {
  for (let n = 0; n < 3; n++) await fail();
  app.clock.advance(1);
  expect(await fail()).toBeUndefined();
});

it('counts failures of the same moment one by one, whoever writes first', async () => {
  await Promise.all(Array.from({ length: 20 }, fail));
  const { rows } = await app.database.pool.query('select attempts from gatehouse.attempts');
  expect(rows).toEqual([{ attempts: 3 }]);
});

it('begins anew after a day in which nobody guessed, and after a success', async () => {
  await fail();
  await fail();
  app.clock.advance(86_401);
  expect(await fail()).toEqual({ attempts: 1, locks: false });
  await forgetAttempts(db, args());
  expect(await fail()).toEqual({ attempts: 1, locks: false });
});

it('keeps kinds, users and addresses apart, and names none of them', async () => {
  const now = app.clock.now();
  const subjects = [
    attemptArgs(app.gatehouse, 'password', whose, now),
    attemptArgs(app.gatehouse, 'otp', whose, now),
    attemptArgs(app.gatehouse, 'password', { address: whose.user_id }, now),
  ].map(({ subject }) => subject.toString('hex'));
  expect(new Set(subjects).size).toBe(3);
  expect(subjects.join()).not.toContain('1111');
});

test('the failure that locks is an event of its own, once, however many come at that moment', async () => {
  const occasion = {
    caller: { request_id: 'r', ip: '192.0.2.1', user_agent: undefined, method: 'POST', path: '/token' },
    now: app.clock.now(),
  };
  const counted = await Promise.all(
    Array.from({ length: 10 }, () => inTransaction(db, (tx) => recordFailure(tx, args(), whose.user_id, occasion))),
  );
  expect(counted.filter(Boolean)).toHaveLength(3);
  const { rows } = await app.database.pool.query(
    `select outcome, subject_id, details from audit.events where action = 'account_locked'`,
  );
  expect(rows).toEqual([{ outcome: 'failure', subject_id: whose.user_id, details: { kind: 'password', attempts: 3 } }]);
});

it('what is forgotten is removed; what locks, or counts, stays', async () => {
  for (let n = 0; n < 3; n++) await fail();
  const other = attemptArgs(app.gatehouse, 'otp', whose, app.clock.now());
  await countFailure(db, other);
  app.clock.advance(86_401);
  await countFailure(db, attemptArgs(app.gatehouse, 'otp', { address: 'new' }, app.clock.now()));
  await deleteForgottenAttempts(db, { now: app.clock.now().toISOString() });
  const { rows } = await app.database.pool.query('select kind, attempts from gatehouse.attempts');
  expect(rows).toEqual([{ kind: 'otp', attempts: 1 }]);
});
