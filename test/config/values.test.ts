/** Texts of variables as values: Go's syntax where GoTrue reads the variable too. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as values from '../../src/config/values.ts';

/** Go's units in nanoseconds. */
const units = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
type Unit = keyof typeof units;

const part = fc.tuple(fc.integer({ min: 0, max: 10_000 }), fc.constantFrom(...(Object.keys(units) as Unit[])));

describe('a duration', () => {
  it('is the sum of its parts, as Go adds them', () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
        const text = parts.map(([amount, unit]) => `${amount}${unit}`).join('');
        const nanoseconds = parts.reduce((sum, [amount, unit]) => sum + BigInt(amount) * units[unit], 0n);
        expect(values.duration()(text)).toBeCloseTo(Number(nanoseconds) / 1e9, 5);
      }),
    );
  });

  it('may have fractions and blanks around it', () => {
    expect([' 1.5h ', '.5s', '1h30m', '0', '1.s'].map(values.duration())).toEqual([5400, 0.5, 5400, 0, 1]);
  });

  it('without a unit is nobody’s guess: refused, as by GoTrue', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1 }), (number) => {
        expect(() => values.duration()(String(number))).toThrow(values.Unfit);
      }),
    );
  });

  it.each(['', 's', '1 h', '1h 30m', '-1h', '+1h', '1d', '1e3s', '1h30', 'h1', '1,5h', '٣s'])('is not %j', (text) => {
    expect(() => values.duration()(text)).toThrow(values.Unfit);
  });

  it('keeps its bounds', () => {
    const bounded = values.duration(1, 300);
    expect(['1s', '5m'].map(bounded)).toEqual([1, 300]);
    for (const text of ['999ms', '301s', '0']) expect(() => bounded(text)).toThrow('from 1 to 300 seconds');
  });
});

it('seconds may go without a unit, where GoTrue takes them so', () => {
  expect(['1800', '30m', '0.5', '1h'].map(values.seconds())).toEqual([1800, 1800, 0.5, 3600]);
  for (const text of ['-1', '1800 s', 'soon']) expect(() => values.seconds()(text)).toThrow(values.Unfit);
});

it('a flag has the spellings of Go’s ParseBool and no other', () => {
  expect(['1', 't', 'T', 'TRUE', 'true', 'True', ' true'].map(values.flag)).toEqual(Array(7).fill(true));
  expect(['0', 'f', 'F', 'FALSE', 'false', 'False'].map(values.flag)).toEqual(Array(6).fill(false));
  for (const text of ['yes', 'on', 'tRUE', 'no', '2']) expect(() => values.flag(text)).toThrow('true or false');
});

it('a whole number is whole, decimal and within bounds', () => {
  expect(['0', '65535', ' 7 ', '+7'].map(values.integer(0, 65_535))).toEqual([0, 65_535, 7, 7]);
  for (const text of ['65536', '-1', '1.0', '0x10', '1e3', '١', '9'.repeat(20)]) {
    expect(() => values.integer(0, 65_535)(text)).toThrow('a whole number from 0 to 65535');
  }
});

it('a rate is a number per hour, or a burst and how long one takes to come back', () => {
  expect(values.rate('30')).toEqual({ limit: 30, refill_seconds: null });
  expect(values.rate('30/1m')).toEqual({ limit: 30, refill_seconds: 60 });
  for (const text of ['-1', '30/', '30/0', '30/minute', '/1m']) expect(() => values.rate(text)).toThrow(values.Unfit);
});

it('a list drops blanks and what is empty', () => {
  expect(values.list(' a, b ,,c,')).toEqual(['a', 'b', 'c']);
});

it('sets of characters are separated by colons, of which an escaped one is a character', () => {
  expect(values.characterSets('abc:123')).toEqual(['abc', '123']);
  expect(values.characterSets('abc:\\:;')).toEqual(['abc', ':;']);
  expect(values.characterSets('\\:\\:')).toEqual(['::']);
  expect(values.characterSets('abc::123')).toEqual(['abc', '123']);
  expect(values.characterSets('')).toEqual([]);
});

it('pairs have a name and may have colons in their value', () => {
  expect(values.pairs('1:2,3:4:5')).toEqual(
    new Map([
      ['1', '2'],
      ['3', '4:5'],
    ]),
  );
  expect(() => values.pairs(':2')).toThrow(values.Unfit);
});

describe('an address', () => {
  it('of ours is http or https, without user, query and fragment, and loses its last slash', () => {
    expect(values.webUrl('https://auth.example.com/auth/v1/')).toBe('https://auth.example.com/auth/v1');
    for (const text of ['auth.example.com', 'ftp://a', 'https://u@a', 'https://a?b', 'https://a#b', '//a']) {
      expect(() => values.webUrl(text)).toThrow(values.Unfit);
    }
  });

  it('of a site may also be an app’s', () => {
    expect(values.uri('com.example.app://callback')).toBe('com.example.app://callback');
    expect(() => values.uri('/welcome')).toThrow(values.Unfit);
  });

  it('of an origin has no path', () => {
    expect(values.origins('https://a.example/, http://localhost:3000,*')).toEqual([
      'https://a.example',
      'http://localhost:3000',
      '*',
    ]);
    for (const text of ['https://a.example/x', 'a.example', 'null', 'https://*.example']) {
      expect(() => values.origins(text), text).toThrow(values.Unfit);
    }
  });
});

describe('trusted proxies', () => {
  it('are addresses, ranges, names of ranges, or one count', () => {
    for (const text of ['10.0.0.0/8', '::1', 'loopback,uniquelocal', '2', 'fd00::/8', '::ffff:10.1.2.3']) {
      expect(() => values.proxies(text), text).not.toThrow();
    }
  });

  // CVE-2026-90711: read as IPv6, the range is every IPv4 address there is.
  it.each([
    '::ffff:10.0.0.0/8',
    '::ffff:a00:0/104',
    '0.0.0.0/0',
    '::/0',
    '1,2',
    '10.0.0.0/33',
    'proxy.example',
    '10.0.0.1%eth0',
  ])('are not %s', (text) => {
    expect(() => values.proxies(text)).toThrow(values.Unfit);
  });
});

// CVE class 21: a key that is none.
describe('a secret that signs', () => {
  it('has at least 32 bytes, not characters, and is taken as it is', () => {
    expect(values.signingSecret('é'.repeat(16))).toBe('é'.repeat(16));
    expect(values.signingSecret(` ${'x'.repeat(31)}`)).toBe(` ${'x'.repeat(31)}`);
    expect(() => values.signingSecret('x'.repeat(31))).toThrow('at least 32 bytes');
  });

  it('never appears in what is said about it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 4, maxLength: 31, unit: fc.constantFrom('Q', 'Z', '7') }), (secret) => {
        expect(() => values.signingSecret(secret)).toThrow(
          expect.not.objectContaining({ message: expect.stringContaining(secret) }),
        );
      }),
    );
  });
});

it('keys of columns have 256 bits', () => {
  const key = Buffer.alloc(32, 7).toString('base64url');
  expect(values.encryptionKeys(`a:${key}`)).toEqual(new Map([['a', Buffer.alloc(32, 7)]]));
  expect(() => values.encryptionKeys('a:AAAA')).toThrow('32 bytes in base64url');
});

describe('private JWKs', () => {
  const key = { kty: 'oct', kid: 'a', k: 'AAAA', key_ops: ['sign'] };
  it.each([
    ['no JSON', '[{'],
    ['no list', '{}'],
    ['a key without kid', JSON.stringify([{ ...key, kid: undefined }])],
    ['a key without kty', JSON.stringify([{ ...key, kty: '' }])],
    ['null', '[null]'],
    ['one kid twice', JSON.stringify([key, { ...key, key_ops: [] }])],
    ['none that signs', JSON.stringify([{ ...key, key_ops: ['verify'] }])],
    ['two that sign', JSON.stringify([key, { ...key, kid: 'b' }])],
  ])('are not %s', (_what, text) => {
    expect(() => values.privateJwks(text)).toThrow(values.Unfit);
  });

  it('are what GoTrue reads: one signs, others verify', () => {
    const keys = [key, { ...key, kid: 'b', key_ops: ['verify'] }];
    expect(values.privateJwks(JSON.stringify(keys))).toEqual(keys);
  });
});

describe('a retention', () => {
  it('names counts of periods in any order, each once; what is not named is none', () => {
    expect(values.retention('7 yearly, 14 Daily')).toEqual({ daily: 14, weekly: 0, monthly: 0, yearly: 7 });
  });

  it.each(['7', 'daily', '7 days', '1 daily, 2 daily', '-1 daily', '7daily'])('is not "%s"', (text) => {
    expect(() => values.retention(text)).toThrow(values.Unfit);
  });
});

describe('keys in the form of age', () => {
  const identity = `AGE-SECRET-KEY-1${'Q'.repeat(58)}`;

  it('are a line each, between comments', () => {
    expect(values.ageIdentities(`# created: 2026\n# public key: age1…\n${identity}\r\n\n${identity}\n`)).toEqual([
      identity,
      identity,
    ]);
  });

  it('are not a public key, a passphrase or nothing, and are not repeated', () => {
    for (const text of [`age1${'q'.repeat(58)}`, 'a long passphrase', '# only a comment', identity.slice(0, -1)]) {
      expect(() => values.ageIdentities(text)).toThrow(values.Unfit);
      expect(() => values.ageIdentities(text)).not.toThrow(text);
    }
  });
});

it('whatever the text, a parser gives a value or says what it must be', () => {
  const parsers = [
    values.duration(),
    values.seconds(),
    values.flag,
    values.integer(0),
    values.decimal(0),
    values.rate,
    values.pairs,
    values.webUrl,
    values.uri,
    values.origins,
    values.port,
    values.headerName,
    values.proxies,
    values.characterSets,
    values.encryptionKeys,
    values.privateJwks,
    values.retention,
    values.ageIdentities,
  ];
  fc.assert(
    fc.property(fc.string(), fc.constantFrom(...parsers), (text, parse: values.Parser<unknown>) => {
      try {
        parse(text);
      } catch (error) {
        expect(error).toBeInstanceOf(values.Unfit);
      }
    }),
    { numRuns: 2000 },
  );
});
