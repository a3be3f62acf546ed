import { describe, expect, it } from 'vitest';
import { readHash, writeArgon2 } from '../../src/passwords/encoded-hash.ts';
import vectors from '../vectors/passwords.json' with { type: 'json' };

const SALT = 'cG9ydGFsc2FsdHNpeHRlZQ';
const DIGEST = 'MEKKQiVz/syCSV/L1I+gA88WCPMqC5muRPopriJh9i4';
const argon2 = (params: string, scheme = 'argon2id') => `$${scheme}$v=19$${params}$${SALT}$${DIGEST}`;
const bcrypt = (prefix: string) => `${prefix}r.VB8wXXhfhncTQI0Rz3p.rMLDpAmobDW6XHNq6QbOKOzsGCxg3I.`;
const firebase = (params: string) => `$fbscrypt$${params},ss=Bw==,sk=AAECAw==$c2FsdHNhbHQ=$AAECAw==`;

describe('a stored value', () => {
  it.each(vectors.refused)('that GoTrue refuses as a hash is none: $encrypted_password', ({ encrypted_password }) => {
    expect(readHash(encrypted_password)).toBeUndefined();
  });

  it.each([
    ['nothing', ''],
    ['plain text', 'correct horse battery'],
    ['MD5', '5f4dcc3b5aa765d61d8327deb882cf99'],
    ['an encrypted column', '{"key_id":"k","alg":"aes-gcm-hkdf","data":"AA==","nonce":"AA=="}'],
    ['bcrypt with a line before it', `\n${bcrypt('$2a$10$')}`],
    ['bcrypt of another major version', bcrypt('$3a$10$')],
    ['bcrypt cut short', bcrypt('$2a$10$').slice(0, -1)],
    ['bcrypt of cost 3', bcrypt('$2a$03$')],
    ['bcrypt of a cost with one digit', bcrypt('$2a$6$')],
    ['argon2 without a version', `$argon2id$m=64,t=1,p=1$${SALT}$${DIGEST}`],
    ['argon2 with parameters in another order', argon2('m=64,p=1,t=1')],
    ['argon2 with a key id', argon2('m=64,t=1,p=1,keyid=AA')],
    ['argon2 with associated data', argon2('m=64,t=1,p=1,data=AA')],
    ['argon2 of no passes', argon2('m=64,t=0,p=1')],
    ['argon2 of no lanes', argon2('m=64,t=1,p=0')],
    ['argon2 of less than 8 KiB a lane', argon2('m=15,t=1,p=2')],
    ['argon2 with padding', `${argon2('m=64,t=1,p=1')}=`],
    ['argon2 in the URL alphabet', argon2('m=64,t=1,p=1').replaceAll('/', '_')],
    ['argon2 with a digest of no whole number of bytes', `$argon2id$v=19$m=64,t=1,p=1$${SALT}$MEKKQ`],
    ['argon2 with a salt of 7 bytes', `$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAA$${DIGEST}`],
    ['argon2 with a digest of 3 bytes', `$argon2id$v=19$m=64,t=1,p=1$${SALT}$AAAA`],
    ['argon2 of a digit in another script', argon2('m=٦٤,t=1,p=1')],
    ['Firebase scrypt without padding', firebase('v=1,n=4,r=8,p=1').replaceAll('=$', '$')],
    ['Firebase scrypt without a salt', '$fbscrypt$v=1,n=4,r=8,p=1,sk=AAECAw==$$AAECAw=='],
    ['Firebase scrypt with r of zero', firebase('v=1,n=4,r=0,p=1')],
    ['Firebase scrypt with p of zero', firebase('v=1,n=4,r=8,p=0')],
  ])('is no hash when it is %s', (_, encrypted_password) => {
    expect(readHash(encrypted_password)).toBeUndefined();
  });

  // A row costs whoever signs in against it: its parameters are input, and their owner may not be a friend.
  it.each([
    ['$2a$15$', '$2a$16$', bcrypt],
    ['m=1048576,t=1,p=1', 'm=1048577,t=1,p=1', argon2],
    ['m=1048576,t=2,p=1', 'm=1048576,t=3,p=1', argon2],
    ['m=104857,t=20,p=1', 'm=104858,t=20,p=1', argon2],
    ['m=64,t=20,p=1', 'm=64,t=21,p=1', argon2],
    ['m=128,t=1,p=16', 'm=136,t=1,p=17', argon2],
    ['v=1,n=17,r=8,p=1', 'v=1,n=18,r=8,p=1', firebase],
    ['v=1,n=14,r=8,p=8', 'v=1,n=14,r=8,p=9', firebase],
    ['v=1,n=1,r=1,p=1', 'v=1,n=9999,r=1,p=1', firebase],
  ])('is a hash with %s, and too much work with %s', (most, more, stored) => {
    expect(readHash(stored(most))).toBeDefined();
    expect(readHash(stored(more))).toBeUndefined();
  });

  it('of argon2 is written as it was read, parameters in the order that GoTrue reads', () => {
    const stored = argon2('m=19456,t=2,p=1');
    const hash = readHash(stored);
    expect(hash?.scheme === 'argon2id' && writeArgon2(hash)).toBe(stored);
  });
});
