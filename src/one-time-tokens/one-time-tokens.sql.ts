/**
 * auth.one_time_tokens and the columns of auth.users that hold the same values (contract §7.1). Every statement changes both,
 * because GoTrue looks in both, and is run on a user who is locked.
 */
import { type SQL, sql } from '../db/drizzle.ts';
import { arg, statement } from '../db/statement.ts';

/** What a token proves, in GoTrue's names. */
export type OneTimeTokenType =
  | 'confirmation_token'
  | 'recovery_token'
  | 'email_change_token_new'
  | 'email_change_token_current'
  | 'reauthentication_token';

export interface OneTimeToken {
  user_id: string;
  token_type: OneTimeTokenType;
  /** As it stands in the link: `pkce_` before the 56 characters where the flow ends in a code. */
  token_hash: string;
  /** The address that it was sent to. */
  relates_to: string;
  /** When it was sent; null where somebody cleared the column. */
  sent_at: string | null;
}

export const TOKENS = [
  'confirmation_token',
  'recovery_token',
  'email_change_token_new',
  'email_change_token_current',
  'phone_change_token',
  'reauthentication_token',
] as const;

export type OneTimeTokenColumn = (typeof TOKENS)[number];

/** Expirations and mail frequencies are counted from these. */
const CLOCKS = {
  confirmation_sent_at: ['confirmation_token'],
  recovery_sent_at: ['recovery_token'],
  email_change_sent_at: ['email_change_token_new', 'email_change_token_current'],
  phone_change_sent_at: ['phone_change_token'],
  reauthentication_sent_at: ['reauthentication_token'],
} as const;

const list = (parts: SQL[]) => sql.join(parts, sql`, `);
const text = (value: string) => sql.raw(`'${value}'`);

/** `set` items that give one token column a value and leave the others. */
const oneTokenColumn = (value: SQL) =>
  list(
    TOKENS.map((column) => {
      const name = sql.raw(column);
      return sql`${name} = case ${arg('token_type')}::text when ${text(column)} then ${value} else u.${name} end`;
    }),
  );

const startedClock = list(
  Object.entries(CLOCKS).map(([column, types]) => {
    const name = sql.raw(column);
    return sql`${name} = case when ${arg('token_type')}::text in (${list(types.map(text))})
                              then ${arg('now')}::timestamptz else u.${name} end`;
  }),
);

/** Of a user and type there is one token: a new one takes the place of the old. */
export const insertOneTimeToken = statement<
  {
    id: string;
    user_id: string;
    token_type: OneTimeTokenType;
    token_hash: string;
    relates_to: string;
    now: string;
  },
  never
>(
  'insert_one_time_token',
  sql`
  with person as (
    update auth.users as u
       set ${oneTokenColumn(sql`${arg('token_hash')}::text`)}, ${startedClock}, updated_at = ${arg('now')}::timestamptz
     where u.id = ${arg('user_id')}::uuid
    returning u.id)
  insert into auth.one_time_tokens as t (id, user_id, token_type, token_hash, relates_to, created_at, updated_at)
  select ${arg('id')}::uuid, person.id, ${arg('token_type')}::text::auth.one_time_token_type, ${arg('token_hash')}::text,
         ${arg('relates_to')}::text, ${arg('now')}::timestamptz at time zone 'utc',
         ${arg('now')}::timestamptz at time zone 'utc'
    from person
      on conflict (user_id, token_type) do update
     set id = excluded.id, token_hash = excluded.token_hash, relates_to = excluded.relates_to,
         created_at = excluded.created_at, updated_at = excluded.updated_at`,
);

const sentAt = sql`
  case t.token_type::text ${sql.join(
    Object.entries(CLOCKS).flatMap(([column, types]) =>
      types.map((type) => sql`when ${text(type)} then u.${sql.raw(column)} `),
    ),
  )} end as sent_at`;

/** The token of a link, of one of these types. */
export const findByHash = statement<{ token_hash: string; token_types: readonly string[] }, OneTimeToken>(
  'find_one_time_token_by_hash',
  sql`
  select t.user_id, t.token_type, t.token_hash, t.relates_to, ${sentAt}
    from auth.one_time_tokens as t
    join auth.users as u on u.id = t.user_id
   where t.token_hash = ${arg('token_hash')}::text and t.token_type::text = any(${arg('token_types')}::text[])`,
);

const sentTo = sql`
    from auth.one_time_tokens as t
    join auth.users as u on u.id = t.user_id
   where t.relates_to = ${arg('address')}::text and t.token_type::text = any(${arg('token_types')}::text[])
     and u.aud = ${arg('aud')}::text`;

interface SentTo extends Record<string, unknown> {
  address: string;
  token_types: readonly string[];
  aud: string;
}

/** Locks whoever has a token that was sent to this address, so that guesses at its code are judged one after another. */
export const lockRecipients = statement<SentTo, { user_id: string }>(
  'lock_recipients_of_one_time_tokens',
  sql`select u.id as user_id ${sentTo} order by u.id for no key update of u`,
);

/** Every token that was sent to this address. Mostly one; two people may want to change to the same address. */
export const listSentTo = statement<SentTo, OneTimeToken>(
  'list_one_time_tokens_by_address',
  sql`select t.user_id, t.token_type, t.token_hash, t.relates_to, ${sentAt} ${sentTo} order by u.id, t.token_type`,
);

/** A user's token of a type, as it stands. */
export const findOfUser = statement<{ user_id: string; token_type: OneTimeTokenType }, OneTimeToken>(
  'find_one_time_token_of_user',
  sql`
  select t.user_id, t.token_type, t.token_hash, t.relates_to, ${sentAt}
    from auth.one_time_tokens as t
    join auth.users as u on u.id = t.user_id
   where t.user_id = ${arg('user_id')}::uuid and t.token_type::text = ${arg('token_type')}::text`,
);

/** Takes this very token away, from both places. A row for whoever comes first. */
export const deleteOneTimeToken = statement<
  { user_id: string; token_type: OneTimeTokenType; token_hash: string },
  { user_id: string }
>(
  'delete_one_time_token',
  sql`
  with spent as (
    delete from auth.one_time_tokens
     where user_id = ${arg('user_id')}::uuid and token_type::text = ${arg('token_type')}::text
       and token_hash = ${arg('token_hash')}::text
    returning user_id)
  update auth.users as u set ${oneTokenColumn(sql`''`)}
    from spent
   where u.id = spent.user_id
  returning u.id as user_id`,
);

/** Takes a user's tokens of these types away, and stops the clocks of all mails where `clocks` says so. */
export const deleteTokensOf = statement<
  { user_id: string; token_types: readonly OneTimeTokenColumn[]; clocks: boolean },
  never
>(
  'delete_one_time_tokens_of_user',
  sql`
  with gone as (
    delete from auth.one_time_tokens
     where user_id = ${arg('user_id')}::uuid and token_type::text = any(${arg('token_types')}::text[]))
  update auth.users as u
     set ${list(
       TOKENS.map((column) => {
         const name = sql.raw(column);
         return sql`${name} = case when ${text(column)} = any(${arg('token_types')}::text[]) then '' else u.${name} end`;
       }),
     )},
         ${list(
           Object.keys(CLOCKS).map((column) => {
             const name = sql.raw(column);
             return sql`${name} = case when ${arg('clocks')}::boolean then null else u.${name} end`;
           }),
         )}
   where u.id = ${arg('user_id')}::uuid`,
);
