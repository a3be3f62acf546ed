import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { commonPasswords, folded } from '../../src/passwords/common-passwords.ts';
import { isTooLong, passwordRules, passwordWeakness, refuseUnfit } from '../../src/passwords/strength.ts';

const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const DIGITS = '0123456789';
const strict = { min_length: 10, required_characters: [LOWER, UPPER, DIGITS], blocklist: undefined };
const lax = { min_length: 6, required_characters: [], blocklist: undefined };
const nobody = {};

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
    expect(passwordWeakness(password, rules, nobody)).toEqual({ reasons, message });
  });

  it.each([
    ['Good Enough 123', strict],
    ['Long Enough 42', strict],
    ['sixsix', lax],
    ['üüüüüü', lax],
    ['🦊a1🦊🦊🦊', { ...lax, required_characters: ['🦊', 'xyza'] }],
  ])('nothing is wrong with %j', (password, rules) => {
    expect(passwordWeakness(password, rules, nobody)).toBeUndefined();
  });

  // GoTrue counts bytes: three letters with accents are six.
  it.each(['üüüüü', 'u\u0308'.repeat(5), '🦊🦊🦊🦊🦊'])('%j is five characters, however many bytes', (password) => {
    expect(passwordWeakness(password, lax, nobody)?.reasons).toEqual(['length']);
  });

  it('six characters are the least that a setting can ask for', () => {
    expect(passwordWeakness('five5', { ...lax, min_length: 0 }, nobody)?.message).toBe(
      'Password should be at least 6 characters.',
    );
  });

  it('a breached password is one more reason, in the order length, characters, pwned', () => {
    expect(passwordWeakness('short', strict, nobody, true)).toEqual({
      reasons: ['length', 'characters', 'pwned'],
      message: `${TOO_SHORT} ${MISSING} Password is known to be weak and easy to guess, please choose a different one.`,
    });
  });

  // Half of a surrogate pair of the set must not count as the set's character.
  it('an emoji in a set is one character', () => {
    expect(passwordWeakness('🦉🦉🦉🦉🦉🦉', { ...lax, required_characters: ['🦊'] }, nobody)?.reasons).toEqual([
      'characters',
    ]);
  });
});

describe('a new password', () => {
  it('is refused when it is weak, with status, words and reasons', () => {
    expect(() => refuseUnfit('short', strict, nobody)).toThrow(
      expect.objectContaining({
        error_code: 'weak_password',
        status: 422,
        message: `${TOO_SHORT} ${MISSING}`,
        weak_password: { reasons: ['length', 'characters'] },
      }),
    );
  });

  it('may be longer than the 72 bytes that GoTrue stops at', () => {
    expect(() => refuseUnfit('x'.repeat(73), lax, nobody)).not.toThrow();
    expect(() => refuseUnfit('ü'.repeat(1024), lax, nobody)).not.toThrow();
  });

  it('is refused beyond 1,024 code points, before anything else is said of it', () => {
    expect(() => refuseUnfit('x'.repeat(1025), strict, nobody)).toThrow(
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

describe('with the blocklist', () => {
  const { settings } = readConfig(
    { GATEHOUSE_SITE_URL: 'https://members.northwind.example', GATEHOUSE_SMTP_SENDER_NAME: 'Northwind Traders' },
    'command',
  );
  const rules = passwordRules(settings);
  const ann = { email: 'ann.smith-jones@acme.example', raw_user_meta_data: { full_name: 'Ann Zoë Smith-Jones' } };

  it.each(['654321', 'password', 'PassWord1!', 'qwerty123', 'iloveyou', 'ｐａｓｓｗｏｒｄ'])(
    '%j is what many people have, whatever the case',
    (password) => {
      expect(passwordWeakness(password, rules, nobody)).toEqual({
        reasons: ['pwned'],
        message: 'Password is known to be weak and easy to guess, please choose a different one.',
      });
    },
  );

  it('the list has tens of thousands, each as it is looked up and none that is too short anyhow', () => {
    expect(commonPasswords().size).toBeGreaterThan(45_000);
    const odd = [...commonPasswords()].filter((password) => folded(password) !== password || [...password].length < 6);
    expect(odd).toEqual([]);
  });

  it.each([
    'ann.smith-jones@acme.example',
    'Smith-Jones',
    'smithjones1985',
    'senoj-htims!',
    'ZOË Smith 2026',
    'acme2026!',
    'Northwind#1',
    'dniwhtron',
    'Traders99',
    'members.northwind.example',
  ])('%j is too close to who and where it is for', (password) => {
    expect(passwordWeakness(password, rules, ann)).toEqual({
      reasons: ['pwned'],
      message:
        'Password is too close to your name, your address or the name of this service, please choose a different one.',
    });
  });

  it.each(['correct horse battery', 'Ann went to sea, twice', 'the northwind blows', 'k7d2mpq4x9wz3v'])(
    '%j is a password, with or without a name in it',
    (password) => expect(passwordWeakness(password, rules, ann)).toBeUndefined(),
  );

  it('words of one person are no words of another', () => {
    expect(passwordWeakness('smithjones1985', rules, { email: 'bob@acme.example' })).toBeUndefined();
  });

  it.each([{ full_name: 7 }, { name: { first: 'Ann' } }, null])('names that are none are no words: %j', (data) => {
    expect(passwordWeakness('correct horse', rules, { raw_user_meta_data: data })).toBeUndefined();
  });

  it('the operator adds words', () => {
    const { settings } = readConfig({ GATEHOUSE_PASSWORD_CONTEXT_WORDS: 'Contoso, Project Aurora' }, 'command');
    const withMore = passwordRules(settings);
    expect(passwordWeakness('contoso-2026', withMore, nobody)?.reasons).toEqual(['pwned']);
    expect(passwordWeakness('Aurora!!', withMore, nobody)?.reasons).toEqual(['pwned']);
  });

  it('is not asked where it is off', () => {
    const { settings } = readConfig({ GATEHOUSE_PASSWORD_BLOCKLIST_ENABLED: 'false' }, 'command');
    expect(passwordWeakness('password', passwordRules(settings), { email: 'password@acme.example' })).toBeUndefined();
  });

  it('names as long as metadata can be, and a password as long as can be, cost next to nothing', () => {
    const names = { full_name: 'ab '.repeat(20_000), email: 'x'.repeat(60_000) };
    expect(
      passwordWeakness('ab '.repeat(341), rules, { email: '@'.repeat(60_000), raw_user_meta_data: names }),
    ).toBeUndefined();
  });
});
