/**
 * What a mail carries to prove that its reader has the address: a link with a token, and for some purposes a code of a few
 * digits (contract §7.1).
 *
 * GoTrue makes one of the other: the link is SHA-224 of address and code, so that whoever goes through a million codes has
 * gone through every link. Here the token of the link is random. It stands where GoTrue has its hash, in
 * `auth.one_time_tokens` and the column of `auth.users`, in the same 56 characters, so that a database that goes back to
 * Supabase takes its pending links along, and links that came from there are found here.
 *
 * The code is not stored. It is an HMAC, under a key that is not in the database, of the token and the address: it dies with
 * the token whichever of the two is used, and of code, link and row none tells another. Guesses at it are counted.
 */
import { createHash, createHmac, hkdfSync, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Settings } from '../config.ts';
import type { Database, Tx } from '../db/database.ts';
import type { Gatehouse } from '../gatehouse.ts';
import {
  deleteOneTimeToken,
  deleteTokensOf,
  findByHash,
  findOfUser,
  insertOneTimeToken,
  listSentTo,
  lockRecipients,
  type OneTimeToken,
  type OneTimeTokenType,
  TOKENS,
} from './one-time-tokens.sql.ts';

export type { OneTimeToken, OneTimeTokenType };

/** 224 bits: what the 56 characters of GoTrue's hashes hold. Kept as they are, because GoTrue looks them up as they are. */
const TOKEN_BYTES = 28;
/** GoTrue's mark of a link that hands out a code for the exchange instead of tokens (contract §7.6). */
const PKCE = 'pkce_';
/** A code is typed while one waits for it; a link may be found in the evening. Supabase's own platform gives codes an hour. */
const CODE_LIFE_SECONDS = 3600;

type Kept = Pick<Gatehouse, 'serverSecret' | 'settings'>;

/** A token as it goes into a mail. */
export interface IssuedToken {
  token_hash: string;
  code: string;
}

/**
 * A new token for a locked user, in place of an earlier one of its type. The clock of its kind of mail starts anew.
 *
 * @param relates_to the address that it is sent to
 */
export async function issueOneTimeToken(
  tx: Tx,
  gatehouse: Kept,
  {
    pkce,
    now,
    ...token
  }: { user_id: string; token_type: OneTimeTokenType; relates_to: string; pkce: boolean; now: Date },
): Promise<IssuedToken> {
  const token_hash = (pkce ? PKCE : '') + randomBytes(TOKEN_BYTES).toString('hex');
  await insertOneTimeToken(tx, { ...token, id: randomUUID(), token_hash, now: now.toISOString() });
  return { token_hash, code: codeOf(gatehouse, { ...token, token_hash }) };
}

/** The token that a link presents, where it is of one of these types. */
export async function findOneTimeToken(
  on: Database | Tx,
  token_hash: string,
  token_types: readonly OneTimeTokenType[],
): Promise<OneTimeToken | undefined> {
  const [token] = await findByHash(on, { token_hash, token_types });
  return token;
}

/** A user's token of one type. */
export async function findOneTimeTokenOf(
  tx: Tx,
  user_id: string,
  token_type: OneTimeTokenType,
): Promise<OneTimeToken | undefined> {
  const [token] = await findOfUser(tx, { user_id, token_type });
  return token;
}

/**
 * The tokens of these types that were sent to an address, of users of the audience. Whoever has them is locked: of two
 * guesses the second is judged when the first is counted.
 */
export async function lockTokensSentTo(
  tx: Tx,
  address: string,
  token_types: readonly OneTimeTokenType[],
  aud: string,
): Promise<OneTimeToken[]> {
  const sentTo = { address, token_types, aud };
  await lockRecipients(tx, sentTo);
  return listSentTo(tx, sentTo);
}

/**
 * Whether these digits are the token's code, without telling in time how many of them are right. Of a token that GoTrue
 * made, the digits that it was made of.
 */
export function isCodeOf(gatehouse: Kept, token: OneTimeToken, digits: string): boolean {
  const bare = token.token_hash.replace(PKCE, '');
  const gotrueHash = createHash('sha224').update(`${token.relates_to}${digits}`).digest('hex');
  return equal(codeOf(gatehouse, token), digits) || equal(bare, gotrueHash);
}

/** Whether a link of this token still leads anywhere. */
export function isLinkAlive({ sent_at }: Pick<OneTimeToken, 'sent_at'>, settings: Settings, now: Date): boolean {
  return isYounger(sent_at, settings.mailer_otp_exp, now);
}

/** Whether the code of this token may still be typed. */
export function isCodeAlive({ sent_at }: Pick<OneTimeToken, 'sent_at'>, settings: Settings, now: Date): boolean {
  return isYounger(sent_at, Math.min(settings.mailer_otp_exp, CODE_LIFE_SECONDS), now);
}

/** Whether the token belongs to a flow that ends in a code. */
export function isPkce(token_hash: string): boolean {
  return token_hash.startsWith(PKCE);
}

/**
 * Uses a token of a locked user up, and no other. Of any number of calls one is told true (CVE class 16).
 */
export async function consumeOneTimeToken(
  tx: Tx,
  { user_id, token_type, token_hash }: Pick<OneTimeToken, 'user_id' | 'token_type' | 'token_hash'>,
): Promise<boolean> {
  const spent = await deleteOneTimeToken(tx, { user_id, token_type, token_hash });
  return spent.length === 1;
}

/** A proof was given: every other pending token of the user dies, link and code. The clocks of the mails run on. */
export async function spendOneTimeTokens(tx: Tx, user_id: string): Promise<void> {
  await deleteTokensOf(tx, { user_id, token_types: TOKENS, clocks: false });
}

/** Tokens of these types are taken back. The clocks of the mails run on. */
export async function withdrawOneTimeTokens(
  tx: Tx,
  user_id: string,
  token_types: readonly OneTimeTokenType[],
): Promise<void> {
  await deleteTokensOf(tx, { user_id, token_types, clocks: false });
}

/** What was pending is taken back: every token of the user, link and code, and when it was sent. */
export async function clearOneTimeTokens(tx: Tx, user_id: string): Promise<void> {
  await deleteTokensOf(tx, { user_id, token_types: TOKENS, clocks: true });
}

/** As many digits as the setting says, each of them as likely as any other to one part in 10^9. */
function codeOf(
  { serverSecret, settings }: Kept,
  { token_type, token_hash, relates_to }: Pick<OneTimeToken, 'token_type' | 'token_hash' | 'relates_to'>,
): string {
  const key = Buffer.from(hkdfSync('sha256', serverSecret, '', 'gatehouse one-time codes', 32));
  const mac = createHmac('sha256', key).update(`${token_type}\n${relates_to}\n${token_hash}`).digest();
  const digits = settings.mailer_otp_length;
  return String(mac.readBigUInt64BE() % 10n ** BigInt(digits)).padStart(digits, '0');
}

function equal(expected: string, given: string): boolean {
  const [one, other] = [Buffer.from(expected), Buffer.from(given)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function isYounger(sent_at: string | null, seconds: number, now: Date): boolean {
  return sent_at !== null && now.getTime() < Date.parse(sent_at) + seconds * 1000;
}
