/** Page cursors that only we can write (CVE class 29, CVE-2026-33503 to -33505: forged page tokens that became SQL). */
import { createSecretKey, randomBytes } from 'node:crypto';
import { expect, it, test } from 'vitest';
import { readCursor, writeCursor } from '../../src/audit/cursor.ts';

const secret = createSecretKey(randomBytes(32));
const question = '["desc",[["action","login"]]]';
const continuation = {
  from: '2026-11-24T00:00:00Z',
  after: { occurred_at: '2026-11-25T12:00:00.000001Z', id: '0197f1f0-0000-7000-8000-000000000001' },
};
const cursor = writeCursor(secret, question, continuation);
const bytes = Buffer.from(cursor, 'base64url');

it('says where the next page begins, to whoever asks the same again', () => {
  expect(readCursor(secret, question, cursor)).toEqual(continuation);
});

test('with any bit changed it is none', () => {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const forged = Buffer.from(bytes);
    forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(readCursor(secret, question, forged.toString('base64url'))).toBeUndefined();
  }
});

test('cut or lengthened at either end it is none', () => {
  for (let length = 0; length < cursor.length; length++) {
    expect(readCursor(secret, question, cursor.slice(0, length))).toBeUndefined();
    expect(readCursor(secret, question, cursor.slice(cursor.length - length))).toBeUndefined();
  }
  for (const more of ['A', '=', ' ', '\0', '.', 'AAAA']) {
    expect(readCursor(secret, question, cursor + more)).toBeUndefined();
    expect(readCursor(secret, question, more + cursor)).toBeUndefined();
  }
});

it.each([
  ['nothing', ''],
  ['text', 'null'],
  ['plain JSON', '["2026-01-01T00:00:00Z","2026-01-01T00:00:00Z","x"]'],
  ['its body without a MAC', bytes.subarray(32).toString('base64url')],
  ['its body under a MAC of zeros', Buffer.concat([Buffer.alloc(32), bytes.subarray(32)]).toString('base64url')],
  ['SQL', Buffer.from(`${'x'.repeat(32)}["1","1'; drop table audit.events; --","1"]`).toString('base64url')],
  ['very much', 'A'.repeat(1_000_000)],
])('%s is none', (_, forged) => {
  expect(readCursor(secret, question, forged)).toBeUndefined();
});

it('belongs to its question and to its secret', () => {
  expect(readCursor(secret, question.replace('login', 'logout'), cursor)).toBeUndefined();
  expect(readCursor(secret, question.replace('desc', 'asc'), cursor)).toBeUndefined();
  expect(readCursor(createSecretKey(randomBytes(32)), question, cursor)).toBeUndefined();
});

// Otherwise a question that ends as a body begins could lend its MAC to another.
test('what is question and what is body cannot be shifted', () => {
  const body = bytes.subarray(32).toString();
  const shifted = Buffer.concat([bytes.subarray(0, 32), Buffer.from(body.slice(1))]).toString('base64url');
  expect(readCursor(secret, question + body.slice(0, 1), shifted)).toBeUndefined();
});
