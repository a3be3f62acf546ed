/** Addresses as people are looked up by them. Looks-alike and second readings are how accounts are taken (CVE class 46). */
import { expect, it } from 'vitest';
import { emailAddress, phoneNumber } from '../../src/users/address.ts';

it.each<[what: string, text: string, stored: string]>([
  ['capital letters', 'Ann.Ledger@Example.COM', 'ann.ledger@example.com'],
  ['a tag', 'ann+portal@example.com', 'ann+portal@example.com'],
  ['every sign that may be in a local part', "!#$%&'*+/=?^_`{|}~-@example.com", "!#$%&'*+/=?^_`{|}~-@example.com"],
  ['a host without a dot', 'root@localhost', 'root@localhost'],
  ['255 bytes', `${'x'.repeat(243)}@example.com`, `${'x'.repeat(243)}@example.com`],
])('an address with %s is kept in lower case', (_what, text, stored) => {
  expect(emailAddress(text)).toBe(stored);
});

it.each<[what: string, text: string, message?: string]>([
  ['nothing', ''],
  ['no @', 'ann.example.com'],
  ['two @', 'ann@example.com@evil.example'],
  ['a quoted @', '"ann@evil.example"@example.com'],
  ['a full-width @', 'ann＠example.com'],
  ['a name before it', 'Ann Ledger <ann@example.com>'],
  ['blanks around it', ' ann@example.com '],
  ['a line break after it', 'ann@example.com\n'],
  ['a second address', 'ann@example.com,bob@example.com'],
  ['letters of another alphabet', 'zoë@example.com'],
  ['a host of another alphabet', 'ann@exämple.com'],
  ['a dot too many', 'ann..ledger@example.com'],
  ['a dot at the beginning', '.ann@example.com'],
  ['a host that ends in a dot', 'ann@example.com.'],
  ['a host with a hyphen at its edge', 'ann@-example.com'],
  ['a comment', 'ann(her)@example.com'],
  ['256 bytes', `${'x'.repeat(244)}@example.com`, 'An email address is too long'],
  ['256 bytes in fewer characters', `${'ü'.repeat(122)}@example.com`, 'An email address is too long'],
])('%s is no address', (_what, text, message = 'Unable to validate email address: invalid format') => {
  expect(() => emailAddress(text)).toThrow(expect.objectContaining({ error_code: 'validation_failed', message }));
});

it.each<[text: string, stored: string]>([
  ['+15550001111', '15550001111'],
  ['1 555 000 1111', '15550001111'],
  ['+49 30 123456', '4930123456'],
])('the number %s is kept as %s', (text, stored) => {
  expect(phoneNumber(text)).toBe(stored);
});

it.each([
  '',
  '+',
  'call me',
  '0123',
  '1',
  '1234567890123456',
  '++15550001111',
  '1555-000-1111',
  '١٥٥٥٠٠٠',
  '15550001111\n',
])('%j is no number', (text) => {
  expect(() => phoneNumber(text)).toThrow(
    expect.objectContaining({
      error_code: 'validation_failed',
      message: 'Invalid phone number format (E.164 required)',
    }),
  );
});
