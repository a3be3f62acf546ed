/** Comparing a new password with earlier ones, which is hashing and queues like all of it. */
import { expect, test } from 'vitest';
import { createPasswords } from '../../src/passwords/passwords.ts';
import { CHEAP_ARGON2 } from '../harness/app.ts';

const passwords = await createPasswords({ concurrency: 1, argon2_cost: CHEAP_ARGON2, refusal_floor_ms: 0 });
const former = await Promise.all(['the first', 'a second', 'zur Mühle'].map((password) => passwords.hash(password)));

test.each([
  ['the first', true],
  ['zur Mühle', true],
  ['zur Mu\u0308hle', true],
  ['The first', false],
  ['', false],
])('%j is one of them: %s', async (password, isOne) => {
  expect(await passwords.isOneOf(password, former)).toBe(isOne);
});

test('what cannot be read is none of them, and hides none', async () => {
  expect(await passwords.isOneOf('$md5$none', ['$md5$none', undefined, ...former])).toBe(false);
  expect(await passwords.isOneOf('a second', ['$md5$none', undefined, ...former])).toBe(true);
});

test('a comparison waits for its turn, one hash after the other', async () => {
  const other = passwords.hash('of somebody else');
  const comparison = passwords.isOneOf('none of them', former);
  expect(passwords.load).toEqual({ running: 1, waiting: 1 });
  await Promise.all([other, comparison]);
  expect(passwords.load).toEqual({ running: 0, waiting: 0 });
});

test('a comparison that nobody waits for any more leaves the queue', async () => {
  const other = passwords.hash('of somebody else');
  const gone = new AbortController();
  const comparison = expect(passwords.isOneOf('none of them', former, gone.signal)).rejects.toThrow('gone');
  gone.abort(new Error('gone'));
  await comparison;
  await other;
});
