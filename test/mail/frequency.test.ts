import { afterAll, expect, test } from 'vitest';
import { readConfig, type Settings } from '../../src/config.ts';
import { inTransaction } from '../../src/db/database.ts';
import type { AuthError } from '../../src/errors.ts';
import { refuseTooSoon, spendMailBudget } from '../../src/mail/frequency.ts';
import { freshDatabase } from '../harness/postgres.ts';

const database = await freshDatabase();
afterAll(() => database.drop());
const { settings } = readConfig({ SECRET_KEY: 'a secret of tests, and of nobody else, in 48 bytes' }, 'command');

let hour = Date.UTC(2027, 2, 4, 10);
/** Hours of its own for each test: what is spent in one is not spent in the next. */
const freshHour = () => {
  hour += 24 * 3_600_000;
  return hour;
};

function spend(now: Date, own: Partial<Settings>): Promise<boolean> {
  return inTransaction(database.db, (tx) => spendMailBudget(tx, { ...settings, ...own }, now)).then(
    () => true,
    (error: AuthError) => {
      expect(error).toMatchObject({
        error_code: 'over_email_send_rate_limit',
        status: 429,
        message: 'email rate limit exceeded',
      });
      return false;
    },
  );
}

const perHour = (limit: number) => ({ rate_limit_email_sent: { limit, refill_seconds: null } });

test.each([1, 7, 30])('of an hour’s %i mails each can be sent at any time in it, and not one more', async (limit) => {
  const start = freshHour();
  const at = (minutes: number) => new Date(start + minutes * 60_000);
  for (let i = 0; i < limit; i++) expect(await spend(at(i), perHour(limit))).toBe(true);
  expect(await spend(at(59), perHour(limit))).toBe(false);
  expect(await spend(new Date(start + 3_599_999), perHour(limit))).toBe(false);
  for (let i = 0; i < limit; i++) expect(await spend(at(60), perHour(limit))).toBe(true);
  expect(await spend(at(61), perHour(limit))).toBe(false);
});

test('forty who ask at once get what is left, exactly', async () => {
  const now = new Date(freshHour());
  const told = await Promise.all(Array.from({ length: 40 }, () => spend(now, perHour(25))));
  expect(told.filter(Boolean)).toHaveLength(25);
});

test('a burst is followed by one mail per pause', async () => {
  const burst = { rate_limit_email_sent: { limit: 3, refill_seconds: 60 } };
  const start = freshHour();
  const at = (seconds: number) => spend(new Date(start + seconds * 1000), burst);
  expect([await at(0), await at(0), await at(0), await at(0)]).toEqual([true, true, true, false]);
  expect([await at(59), await at(60), await at(61), await at(120)]).toEqual([false, true, false, true]);
});

test('zero is none at all; where addresses need no mail nothing is counted', async () => {
  const now = new Date(freshHour());
  expect(await spend(now, perHour(0))).toBe(false);
  expect(await spend(now, { ...perHour(0), mailer_autoconfirm: true })).toBe(true);
});

test('what is not committed is not spent', async () => {
  const now = new Date(freshHour());
  await expect(
    inTransaction(database.db, async (tx) => {
      await spendMailBudget(tx, { ...settings, ...perHour(1) }, now);
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect(await spend(now, perHour(1))).toBe(true);
});

test('one person waits a minute between two mails of a kind, and is told how much of it is left', () => {
  const sent_at = '2027-03-04T10:00:00.250Z';
  const ask = (time: string) => () => refuseTooSoon(sent_at, settings, new Date(time));
  expect(ask('2027-03-04T10:00:00.250Z')).toThrow(
    expect.objectContaining({
      error_code: 'over_email_send_rate_limit',
      message: 'For security purposes, you can only request this after 60 seconds.',
      retry_after_seconds: 60,
    }),
  );
  expect(ask('2027-03-04T10:01:00.000Z')).toThrow('after 1 seconds.');
  expect(ask('2027-03-04T10:01:00.250Z')).not.toThrow();
  expect(() => refuseTooSoon(null, settings, new Date(sent_at))).not.toThrow();
});
