import { describe, expect, it } from 'vitest';
import { type ColumnKeys, decryptColumn } from '../../src/db/column-encryption.ts';

const key = Buffer.from('AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8', 'base64url');
const keys: ColumnKeys = new Map([
  ['2026-01', key],
  ['key <2>', key],
]);
const OBJECT_ID = '7a2f0d3e-5b0c-4d1e-9a52-5f1f3f3f9c01';

/** Made with Go's crypto/aes, crypto/cipher, encoding/json and golang.org/x/crypto/hkdf, as GoTrue makes them. */
const made = [
  {
    object_id: OBJECT_ID,
    plain: '$2a$10$r.VB8wXXhfhncTQI0Rz3p.rMLDpAmobDW6XHNq6QbOKOzsGCxg3I.',
    stored:
      '{"key_id":"2026-01","alg":"aes-gcm-hkdf","data":"7fldZNA2khphQxBihU7xQUgjNnKZerOUQ+rxKN1XOCJy0FSur0gM2mreYyHNp0eK6hoSBF32vmJqRUUbDVF1J3Jr65T2nPrab064BQ==","nonce":"8L2gyj5yIQltsgMq"}',
  },
  {
    object_id: '7a2f0d3e-5b0c-4d1e-9a52-5f1f3f3f9c02',
    plain: 'JBSWY3DPEHPK3PXP',
    stored: String.raw`{"key_id":"key \u003c2\u003e","alg":"aes-gcm-hkdf","data":"6K8dDxUWCC5B1uYFr8Rqe74U1t+ZaFBZIvQr1W27l7g=","nonce":"eIuygRKj6E3SMOH0"}`,
  },
  {
    object_id: '7a2f0d3e-5b0c-4d1e-9a52-5f1f3f3f9c03',
    plain: '',
    stored: '{"key_id":"2026-01","alg":"aes-gcm-hkdf","data":"C+uhYauPY3swd31m8VRhVQ==","nonce":"uZOTNrs/NMupMMZF"}',
  },
  {
    object_id: '7a2f0d3e-5b0c-4d1e-9a52-5f1f3f3f9c04',
    plain: 'Zürich 🦊',
    stored:
      '{"key_id":"2026-01","alg":"aes-gcm-hkdf","data":"4lB/aZ5lIhsKjo11eKfkt86+OaRk6ZH+AHj2oQ==","nonce":"+s0kE+ThFUhb2wI2"}',
  },
] as const;
const envelope = made[0].stored;
const members = JSON.parse(envelope) as Record<string, string>;

describe('an encrypted column', () => {
  it.each(made)('that GoTrue wrote is read: $plain', ({ object_id, plain, stored }) => {
    expect(decryptColumn(stored, object_id, keys)).toBe(plain);
  });

  // Whoever can write rows but has no key must not be able to give one user another's hash or second factor.
  it('cannot be read in another row', () => {
    expect(decryptColumn(envelope, '7a2f0d3e-5b0c-4d1e-9a52-5f1f3f3f9c02', keys)).toBeUndefined();
  });

  it.each([
    ['its key is not known', { key_id: '2025-12' }],
    ['its key id names a member of every object', { key_id: '__proto__' }],
    ['another key has the same id', {}, new Map([['2026-01', Buffer.alloc(32)]])],
    ['its data is altered', { data: `A${members.data?.slice(1)}` }],
    ['its data is cut', { data: members.data?.slice(0, -4) }],
    ['its data is shorter than a tag', { data: 'AAAA' }],
    ['its nonce is altered', { nonce: 'AAAAAAAAAAAAAAAA' }],
    ['its nonce has another length', { nonce: 'AAAA' }],
    ['its nonce is not base64', { nonce: '!!!!' }],
  ])('cannot be read when %s', (_, change, known: ColumnKeys = keys) => {
    const stored = JSON.stringify({ ...members, ...change });
    expect(decryptColumn(stored, OBJECT_ID, known)).toBeUndefined();
  });
});

// Tables hold both: a value is encrypted at its next write, not when encryption is switched on.
describe('a plain column', () => {
  it.each([
    '',
    '$2a$10$r.VB8wXXhfhncTQI0Rz3p.rMLDpAmobDW6XHNq6QbOKOzsGCxg3I.',
    '{',
    '{}',
    'null',
    '[]',
    '{"key_id":"2026-01","alg":"aes-gcm-hkdf","data":"AAAA"}',
    '{"key_id":"","alg":"aes-gcm-hkdf","data":"AAAA","nonce":"AAAA"}',
    '{"key_id":"2026-01","alg":"rot13","data":"AAAA","nonce":"AAAA"}',
    '{"key_id":1,"alg":"aes-gcm-hkdf","data":"AAAA","nonce":"AAAA"}',
    ` ${envelope}`,
  ])('is what it is: %j', (text) => {
    expect(decryptColumn(text, OBJECT_ID, keys)).toBe(text);
  });
});
