/** API keys: what supabase-js is made with, verified by jose and by ourselves. */
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { expect, it } from 'vitest';
import { run } from '../../src/access-tokens/api-keys.command.ts';
import { makeApiKeys } from '../../src/access-tokens/api-keys.ts';
import type { Secrets } from '../../src/config.ts';
import { outcomeOf } from '../harness/command.ts';

const SECRET_KEY = 'a secret of this file, and of nobody else';
const now = new Date('2026-03-01T12:00:00.500Z');

it('are what Supabase’s are: HS256, a role, nobody’s id, good for years', async () => {
  const keys = await makeApiKeys(SECRET_KEY, now);
  for (const role of ['anon', 'service_role'] as const) {
    const { payload } = await jwtVerify(keys[role], Buffer.from(SECRET_KEY), { currentDate: now });
    const iat = Math.floor(now.getTime() / 1000);
    expect(payload).toEqual({ iss: 'supabase', role, iat, exp: iat + 10 * 365 * 24 * 3600 });
    expect(decodeProtectedHeader(keys[role])).toEqual({ alg: 'HS256', typ: 'JWT' });
  }
});

it('of the same secret and second are the same', async () => {
  expect(await makeApiKeys(SECRET_KEY, now)).toEqual(await makeApiKeys(SECRET_KEY, new Date(now.getTime() + 400)));
  expect(await makeApiKeys(SECRET_KEY, now)).not.toEqual(await makeApiKeys(`${SECRET_KEY}!`, now));
});

async function keys(args: string[], secret_key?: string) {
  return outcomeOf((streams) => run(args, { ...streams, clock: () => now, secrets: { secret_key } as Secrets }));
}

it('gatehouse keys prints both as variables', async () => {
  const { code, stdout, stderr } = await keys([], SECRET_KEY);
  expect([code, stderr]).toEqual([0, '']);
  const [, anon = '', service_role = ''] = /^ANON_KEY=(\S+)\nSERVICE_ROLE_KEY=(\S+)\n$/.exec(stdout) ?? [];
  expect([decodeJwt(anon).role, decodeJwt(service_role).role]).toEqual(['anon', 'service_role']);
});

it('gatehouse keys without SECRET_KEY says so: 2', async () => {
  expect(await keys([])).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/^SECRET_KEY is missing/),
  });
  expect(await keys(['anon'], SECRET_KEY)).toMatchObject({ code: 2, stdout: '' });
});
