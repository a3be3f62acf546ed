import { createHash, createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { inTransaction, type Tx } from '../../src/db/database.ts';
import {
  clearOneTimeTokens,
  consumeOneTimeToken,
  findOneTimeToken,
  findOneTimeTokenOf,
  isCodeAlive,
  isCodeOf,
  isLinkAlive,
  issueOneTimeToken,
  lockTokensSentTo,
  type OneTimeTokenType,
  spendOneTimeTokens,
} from '../../src/one-time-tokens/one-time-tokens.ts';
import { freshDatabase } from '../harness/postgres.ts';

const database = await freshDatabase();
afterAll(() => database.drop());
const { db, pool } = database;

const { settings } = readConfig({ SECRET_KEY: 'a secret of tests, and of nobody else, in 48 bytes' }, 'command');
const gatehouse = { settings, serverSecret: createSecretKey(randomBytes(32)) };
const now = new Date('2027-03-04T10:00:00Z');
const linkTypes = ['confirmation_token', 'recovery_token'] as const;

async function addUser(email = `ann.${randomUUID().slice(0, 8)}@example.com`, aud = 'authenticated') {
  const id = randomUUID();
  await pool.query(
    `insert into auth.users (instance_id, id, aud, email, confirmation_token, recovery_token, email_change_token_new, email_change)
     values ('00000000-0000-0000-0000-000000000000', $1, $2, $3, '', '', '', '')`,
    [id, aud, email],
  );
  return { id, email };
}

function issue(user: { id: string; email: string }, token_type: OneTimeTokenType, pkce = false) {
  return inTransaction(db, (tx) =>
    issueOneTimeToken(tx, gatehouse, { user_id: user.id, token_type, relates_to: user.email, pkce, now }),
  );
}

async function columnsOf(id: string) {
  const { rows } = await pool.query(
    `select confirmation_token, confirmation_sent_at, recovery_token, recovery_sent_at, email_change_token_new,
            email_change_token_current, email_change_sent_at, reauthentication_token, reauthentication_sent_at
       from auth.users where id = $1`,
    [id],
  );
  return rows[0];
}

async function tokensOf(id: string) {
  const { rows } = await pool.query(
    'select token_type, token_hash, relates_to from auth.one_time_tokens where user_id = $1 order by token_type',
    [id],
  );
  return rows;
}

test('a token stands in both of GoTrue’s places, in its 56 characters', async () => {
  const ann = await addUser();
  const { token_hash } = await issue(ann, 'confirmation_token');

  expect(token_hash).toMatch(/^[0-9a-f]{56}$/);
  expect(await tokensOf(ann.id)).toEqual([{ token_type: 'confirmation_token', token_hash, relates_to: ann.email }]);
  expect(await columnsOf(ann.id)).toMatchObject({
    confirmation_token: token_hash,
    confirmation_sent_at: '2027-03-04T10:00:00Z',
    recovery_token: '',
    recovery_sent_at: null,
    reauthentication_sent_at: null,
  });
});

test('a token of a PKCE flow has the mark before it, everywhere', async () => {
  const ann = await addUser();
  const { token_hash } = await issue(ann, 'confirmation_token', true);

  expect(token_hash).toMatch(/^pkce_[0-9a-f]{56}$/);
  expect(await findOneTimeToken(db, token_hash, linkTypes)).toMatchObject({ user_id: ann.id });
  expect(await findOneTimeToken(db, token_hash.slice(5), linkTypes)).toBeUndefined();
});

test('a new token takes the place of the old, and leaves those of other types', async () => {
  const ann = await addUser();
  const first = await issue(ann, 'confirmation_token');
  const recovery = await issue(ann, 'recovery_token');
  const second = await issue(ann, 'confirmation_token');

  expect(await findOneTimeToken(db, first.token_hash, linkTypes)).toBeUndefined();
  expect((await tokensOf(ann.id)).map((row) => row.token_hash)).toEqual([second.token_hash, recovery.token_hash]);
});

test('nothing of the token can be told from the code, and no two tokens or addresses have a code in common by rule', async () => {
  const codes = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const { token_hash, code } = await issue(await addUser(), 'recovery_token');
    expect(code).toMatch(/^\d{6}$/);
    expect(createHash('sha224').update(code).digest('hex')).not.toBe(token_hash);
    codes.add(code);
  }
  expect(codes.size).toBeGreaterThan(15);
});

test('the code has as many digits as the setting says', async () => {
  const ann = await addUser();
  const { code } = await inTransaction(db, (tx) =>
    issueOneTimeToken(
      tx,
      { ...gatehouse, settings: { ...settings, mailer_otp_length: 10 } },
      { user_id: ann.id, token_type: 'recovery_token', relates_to: ann.email, pkce: false, now },
    ),
  );
  expect(code).toMatch(/^\d{10}$/);
});

test('a code is of one token, one type, one address and one server', async () => {
  const ann = await addUser();
  const { code, token_hash } = await issue(ann, 'recovery_token');
  const token = await findOneTimeToken(db, token_hash, linkTypes);
  if (!token) throw new Error('no token');

  expect(isCodeOf(gatehouse, token, code)).toBe(true);
  expect(isCodeOf(gatehouse, token, ` ${code}`)).toBe(false);
  expect(isCodeOf(gatehouse, token, '')).toBe(false);
  expect(isCodeOf(gatehouse, { ...token, token_hash: token_hash.replace(/./, '_') }, code)).toBe(false);
  expect(isCodeOf(gatehouse, { ...token, token_type: 'confirmation_token' }, code)).toBe(false);
  expect(isCodeOf(gatehouse, { ...token, relates_to: 'bob@example.com' }, code)).toBe(false);
  expect(isCodeOf({ ...gatehouse, serverSecret: createSecretKey(randomBytes(32)) }, token, code)).toBe(false);
});

test('link and code that GoTrue sent before the move are understood', async () => {
  const ann = await addUser();
  const token_hash = createHash('sha224').update(`${ann.email}482913`).digest('hex');
  await pool.query(
    `insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to)
     values (gen_random_uuid(), $1, 'recovery_token', $2, $3)`,
    [ann.id, `pkce_${token_hash}`, ann.email],
  );
  const token = await findOneTimeToken(db, `pkce_${token_hash}`, linkTypes);
  if (!token) throw new Error('no token');
  expect(isCodeOf(gatehouse, token, '482913')).toBe(true);
  expect(isCodeOf(gatehouse, token, '482914')).toBe(false);
});

test('links live as long as the setting says, codes no longer than an hour, and neither without a time', () => {
  const at = (seconds: number) => new Date(now.getTime() + seconds * 1000);
  const token = { sent_at: now.toISOString() };
  expect(settings.mailer_otp_exp).toBe(86_400);
  expect([isLinkAlive(token, settings, at(86_399)), isLinkAlive(token, settings, at(86_400))]).toEqual([true, false]);
  expect([isCodeAlive(token, settings, at(3599)), isCodeAlive(token, settings, at(3600))]).toEqual([true, false]);
  const brief = { ...settings, mailer_otp_exp: 60 };
  expect([isCodeAlive(token, brief, at(59)), isCodeAlive(token, brief, at(60))]).toEqual([true, false]);
  expect(isLinkAlive({ sent_at: null }, settings, now)).toBe(false);
});

test('of two hundred who use one token at once, one does', async () => {
  const ann = await addUser();
  const { token_hash } = await issue(ann, 'recovery_token');
  const token = { user_id: ann.id, token_type: 'recovery_token', token_hash } as const;

  const told = await Promise.all(
    Array.from({ length: 200 }, () => inTransaction(db, (tx) => consumeOneTimeToken(tx, token))),
  );
  expect(told.filter(Boolean)).toHaveLength(1);
  expect(await columnsOf(ann.id)).toMatchObject({ recovery_token: '', recovery_sent_at: '2027-03-04T10:00:00Z' });
});

test('a token that another has replaced is not used up, and does not use the other up', async () => {
  const ann = await addUser();
  const { token_hash } = await issue(ann, 'recovery_token');
  const second = await issue(ann, 'recovery_token');
  const consume = (hash: string) => (tx: Tx) =>
    consumeOneTimeToken(tx, { user_id: ann.id, token_type: 'recovery_token', token_hash: hash });

  expect(await inTransaction(db, consume(token_hash))).toBe(false);
  expect(await inTransaction(db, consume(second.token_hash))).toBe(true);
});

test('a proof ends every other token, and the clocks run on; a clearing stops them too', async () => {
  const ann = await addUser();
  const types = [
    'confirmation_token',
    'recovery_token',
    'email_change_token_current',
    'email_change_token_new',
    'reauthentication_token',
  ] as const;
  for (const type of types) await issue(ann, type);
  expect(await tokensOf(ann.id)).toHaveLength(types.length);

  await inTransaction(db, (tx) => spendOneTimeTokens(tx, ann.id));
  expect(await tokensOf(ann.id)).toEqual([]);
  const spent = await columnsOf(ann.id);
  for (const type of types) expect(spent[type]).toBe('');
  expect(spent.confirmation_sent_at).toBe('2027-03-04T10:00:00Z');
  expect(spent.email_change_sent_at).toBe('2027-03-04T10:00:00Z');

  await inTransaction(db, (tx) => clearOneTimeTokens(tx, ann.id));
  const cleared = await columnsOf(ann.id);
  for (const clock of ['confirmation', 'recovery', 'email_change', 'reauthentication'])
    expect(cleared[`${clock}_sent_at`]).toBeNull();
});

test('a code is looked for among the tokens that went to the address, of the audience that asks', async () => {
  const address = `shared.${randomUUID().slice(0, 8)}@example.com`;
  const [ann, bob, eve] = [await addUser(), await addUser(), await addUser(undefined, 'partners')];
  for (const user of [ann, bob, eve]) await issue({ ...user, email: address }, 'email_change_token_new');
  await issue({ ...ann, email: address }, 'recovery_token');

  const found = await inTransaction(db, (tx) =>
    lockTokensSentTo(tx, address, ['email_change_token_new', 'email_change_token_current'], 'authenticated'),
  );
  expect(found.map(({ user_id }) => user_id).sort()).toEqual([ann.id, bob.id].sort());
  expect(new Set(found.map(({ token_type }) => token_type))).toEqual(new Set(['email_change_token_new']));
});

test('a user’s token of one type is found with the time it was sent', async () => {
  const ann = await addUser();
  const { token_hash } = await issue(ann, 'reauthentication_token');
  const found = await inTransaction(db, (tx) => findOneTimeTokenOf(tx, ann.id, 'reauthentication_token'));
  expect(found).toMatchObject({ token_hash, sent_at: '2027-03-04T10:00:00Z', relates_to: ann.email });
});
