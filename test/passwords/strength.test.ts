import { describe, expect, it } from 'vitest';
import { isTooLong, passwordWeakness, refuseUnfit, requiredCharacterSets } from '../../src/passwords/strength.ts';

const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const DIGITS = '0123456789';
const strict = { min_length: 10, required_characters: [LOWER, UPPER, DIGITS] };
const lax = { min_length: 6, required_characters: [] };

const TOO_SHORT = 'Password should be at least 10 characters.';
const MISSING = `Password should contain at least one character of each: ${LOWER}, ${UPPER}, ${DIGITS}.`;

describe('what GoTrue says of a password', () => {
  // The answers recorded with a minimum of 10 and three sets, and with GoTrue's own minimum and none.
  it.each([
    ['short', strict, ['length', 'characters'], `${TOO_SHORT} ${MISSING}`],
    ['all lower case letters', strict, ['characters'], MISSING],
    ['ALL UPPER CASE 123', strict, ['characters'], MISSING],
    ['lowerUPPERonly', strict, ['characters'], MISSING],
    ['Aa1', strict, ['length'], TOO_SHORT],
    ['', strict, ['length', 'characters'], `${TOO_SHORT} ${MISSING}`],
    ['five5', lax, ['length'], 'Password should be at least 6 characters.'],
    ['', lax, ['length'], 'Password should be at least 6 characters.'],
  ] as const)('%j is weak in the recorded words', (password, rules, reasons, message) => {
    expect(passwordWeakness(password, rules)).toEqual({ reasons, message });
  });

  it.each([
    ['Good Enough 123', strict],
    ['Long Enough 42', strict],
    ['sixsix', lax],
    ['üüü', lax], // three characters, six bytes
    ['🦊a1', { min_length: 6, required_characters: ['🦊', 'xyza'] }],
  ])('nothing is wrong with %j', (password, rules) => {
    expect(passwordWeakness(password, rules)).toBeUndefined();
  });

  it('six bytes are the least that a setting can ask for', () => {
    expect(passwordWeakness('five5', { min_length: 0, required_characters: [] })?.message).toBe(
      'Password should be at least 6 characters.',
    );
  });

  it('a breached password is one more reason, in the order length, characters, pwned', () => {
    expect(passwordWeakness('short', strict, true)).toEqual({
      reasons: ['length', 'characters', 'pwned'],
      message: `${TOO_SHORT} ${MISSING} Password is known to be weak and easy to guess, please choose a different one.`,
    });
  });

  // Half of a surrogate pair of the set must not count as the set's character.
  it('an emoji in a set is one character', () => {
    expect(passwordWeakness('🦉🦉🦉', { min_length: 6, required_characters: ['🦊'] })?.reasons).toEqual(['characters']);
  });
});

describe('a new password', () => {
  it('is refused when it is weak, with status, words and reasons', () => {
    expect(() => refuseUnfit('short', strict)).toThrow(
      expect.objectContaining({
        error_code: 'weak_password',
        status: 422,
        message: `${TOO_SHORT} ${MISSING}`,
        weak_password: { reasons: ['length', 'characters'] },
      }),
    );
  });

  it('may be longer than the 72 bytes that GoTrue stops at', () => {
    expect(() => refuseUnfit('x'.repeat(73), lax)).not.toThrow();
    expect(() => refuseUnfit('ü'.repeat(1024), lax)).not.toThrow();
  });

  it('is refused beyond 1,024 code points, before anything else is said of it', () => {
    expect(() => refuseUnfit('x'.repeat(1025), strict)).toThrow(
      expect.objectContaining({
        error_code: 'validation_failed',
        status: 400,
        message: 'Password cannot be longer than 1024 characters',
      }),
    );
  });

  it.each([
    ['x'.repeat(1024), false],
    ['x'.repeat(1025), true],
    ['🦊'.repeat(1024), false],
    ['🦊'.repeat(1025), true],
    ['x'.repeat(1_000_000), true],
  ])('length is counted in code points (case %#)', (password, tooLong) => {
    expect(isTooLong(password)).toBe(tooLong);
  });
});

describe('the setting for required characters', () => {
  it.each([
    ['', []],
    ['abc', ['abc']],
    [`${LOWER}:${UPPER}:${DIGITS}`, [LOWER, UPPER, DIGITS]],
    ['abc::123', ['abc', '123']],
    ['!\\:?:abc', ['!:?', 'abc']],
    ['\\:\\:', ['::']],
  ])('%j is the sets %j', (setting, sets) => {
    expect(requiredCharacterSets(setting)).toEqual(sets);
  });
});
