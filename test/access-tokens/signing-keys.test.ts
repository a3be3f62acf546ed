/** Keys of access tokens: our HMAC held to jose on one corpus, the ways a signature can lie, rotation, the JWKS. */
import { createHmac, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { describe, expect, it, test } from 'vitest';
import { createSigningKeys } from '../../src/access-tokens/signing-keys.ts';
import type { PrivateJwk } from '../../src/config/values.ts';

const SECRET = 'a secret of this test alone, which has more than 32 bytes';
const OTHER = 'another secret of this test, which has more than 32 bytes';

const settings = { jwt_key_id: undefined, jwt_valid_methods: [] as string[] };
const hs256 = createSigningKeys({ secret_key: SECRET, verify_only_secrets: [], jwt_keys: undefined }, settings);

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
function forge(header: object, payload: unknown, { key = SECRET, hash = 'sha256' } = {}): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createHmac(hash, key).update(input).digest('base64url')}`;
}
const claims = { sub: 'somebody', exp: 4_000_000_000 };
const good = forge({ alg: 'HS256', typ: 'JWT' }, claims);
const [head = '', body = '', signature = ''] = good.split('.');

/** Both verdicts on a token: ours, and jose's with the one algorithm allowed. */
async function verdicts(token: string): Promise<{ ours: boolean; joses: boolean }> {
  const ours = await Promise.resolve()
    .then(() => hs256.verify(token))
    .then(
      () => true,
      () => false,
    );
  const joses = await jwtVerify(token, Buffer.from(SECRET), { algorithms: ['HS256'] }).then(
    () => true,
    () => false,
  );
  return { ours, joses };
}

describe('HS256 by node:crypto agrees with jose', () => {
  test.each([
    ['a token', good, true],
    ['without typ', forge({ alg: 'HS256' }, claims), true],
    ['another key', forge({ alg: 'HS256' }, claims, { key: OTHER }), false],
    ['an empty key', forge({ alg: 'HS256' }, claims, { key: '' }), false],
    ['alg none, unsigned', `${encode({ alg: 'none' })}.${body}.`, false],
    ['alg none, signed', forge({ alg: 'none' }, claims), false],
    ['alg None', forge({ alg: 'None' }, claims), false],
    ['alg in lower case', forge({ alg: 'hs256' }, claims), false],
    ['alg HS512', forge({ alg: 'HS512' }, claims, { hash: 'sha512' }), false],
    ['alg RS256 over an HMAC', forge({ alg: 'RS256' }, claims), false],
    ['alg as a list', forge({ alg: ['HS256'] }, claims), false],
    ['no alg', forge({ typ: 'JWT' }, claims), false],
    ['an unknown crit', forge({ alg: 'HS256', crit: ['exp'], exp: 1 }, claims), false],
    ['an empty signature', `${head}.${body}.`, false],
    ['no signature', `${head}.${body}`, false],
    ['a truncated signature', good.slice(0, -2), false],
    ['a longer signature', `${good}AA`, false],
    ['a fourth part', `${good}.${signature}`, false],
    ['another payload', `${head}.${encode({ ...claims, sub: 'admin' })}.${signature}`, false],
    ['a header that is no JSON', `${Buffer.from('{').toString('base64url')}.${body}.${signature}`, false],
    ['a payload that is a list', forge({ alg: 'HS256' }, [claims]), false],
    ['blanks', ` ${good}`, false],
    ['nothing', '', false],
  ])('%s', async (_what, token, accepted) => {
    expect(await verdicts(token)).toEqual({ ours: accepted, joses: accepted });
  });

  // CVE classes 18 and 19: no token is looked up by another that is nearly it.
  test('every changed character of a token', async () => {
    for (let at = 0; at < good.length; at++) {
      const changed = good.slice(0, at) + (good[at] === 'A' ? 'B' : 'A') + good.slice(at + 1);
      const { ours } = await verdicts(changed);
      expect([at, ours]).toEqual([at, false]);
    }
  });

  test('any claims that we sign, jose verifies, and reads the same', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }), async (extra) => {
        const signed = {
          ...extra,
          exp: 4_000_000_000,
          nbf: undefined,
          iat: undefined,
          aud: undefined,
          crit: undefined,
        };
        const token = await hs256.sign(signed);
        const { payload, protectedHeader } = await jwtVerify(token, Buffer.from(SECRET));
        expect(payload).toEqual(JSON.parse(JSON.stringify(signed)));
        expect(protectedHeader).toEqual({ alg: 'HS256', typ: 'JWT' });
        expect((await hs256.verify(token)).payload).toEqual(payload);
      }),
      { numRuns: 50 },
    );
  });
});

it('a signature has one spelling: padding and spare bits are refused, which jose lets pass', () => {
  const last = signature.at(-1) ?? '';
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const twin = alphabet[alphabet.indexOf(last) + 1] ?? '';
  for (const spelling of [good.slice(0, -1) + twin, `${good}=`]) {
    expect(() => hs256.verify(spelling)).toThrow('signature is invalid');
  }
});

it('a token longer than any that was issued is refused before it is taken apart', () => {
  const long = forge({ alg: 'HS256' }, { ...claims, filler: 'x'.repeat(20_000) });
  expect(() => hs256.verify(long)).toThrow('token contains an invalid number of segments');
});

describe('several keys', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const ec = { ...privateKey.export({ format: 'jwk' }), kid: 'ec-2026', key_ops: ['sign', 'verify'] } as PrivateJwk;
  const old = { ...rsa.export({ format: 'jwk' }), kid: 'rsa-2025', key_ops: ['verify'] } as PrivateJwk;
  const keys = createSigningKeys({ secret_key: SECRET, verify_only_secrets: [OTHER], jwt_keys: [ec, old] }, settings);

  it('the one that says so signs, with its kid, and anybody verifies with the JWKS', async () => {
    const token = await keys.sign(claims);
    const { protectedHeader, payload } = await jwtVerify(token, createLocalJWKSet(keys.jwks));
    expect(protectedHeader).toEqual({ alg: 'ES256', kid: 'ec-2026', typ: 'JWT' });
    expect(payload).toEqual(claims);
    expect((await keys.verify(token)).ours).toBe(true);
  });

  it('the JWKS lists public halves alone, and no shared secret', () => {
    expect(keys.jwks.keys.map(({ kid, alg, use, key_ops }) => [kid, alg, use, key_ops])).toEqual([
      ['ec-2026', 'ES256', 'sig', ['verify']],
      ['rsa-2025', 'RS256', 'sig', ['verify']],
    ]);
    for (const secretMember of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) {
      expect(keys.jwks.keys.some((key) => secretMember in key)).toBe(false);
    }
    expect(hs256.jwks).toEqual({ keys: [] });
  });

  // CVE classes 20 and 23: the public key, which everybody has, as an HMAC's secret.
  it('an HMAC made with a public key is not a signature', async () => {
    const publicJwk = JSON.stringify(keys.jwks.keys[0]);
    for (const header of [{ alg: 'HS256', kid: 'ec-2026' }, { alg: 'HS256' }, { alg: 'ES256', kid: 'ec-2026' }]) {
      await expect(async () => keys.verify(forge(header, claims, { key: publicJwk }))).rejects.toThrow(
        'signature is invalid',
      );
    }
  });

  it('secrets go on verifying, and are told apart: ours, and those of another system', async () => {
    expect(await keys.verify(forge({ alg: 'HS256' }, claims))).toEqual({ payload: claims, ours: true });
    expect(await keys.verify(forge({ alg: 'HS256' }, claims, { key: OTHER }))).toEqual({
      payload: claims,
      ours: false,
    });
  });

  it('an algorithm that is not among the allowed ones is refused even with a good key', () => {
    const narrow = createSigningKeys(
      { secret_key: SECRET, verify_only_secrets: [], jwt_keys: [ec, old] },
      { ...settings, jwt_valid_methods: ['ES256'] },
    );
    expect(() => narrow.verify(good)).toThrow('signing method HS256 is invalid');
  });

  it('a JWK that is no key is named by its kid, and its contents are not', () => {
    const broken = { ...ec, d: 'not-the-key', x: 'AA' };
    const create = () =>
      createSigningKeys({ secret_key: SECRET, verify_only_secrets: [], jwt_keys: [broken] }, settings);
    expect(create).toThrow('GATEHOUSE_JWT_KEYS holds a JWK that is no private key: the one with kid ec-2026.');
    expect(create).not.toThrow('not-the-key');
  });
});
