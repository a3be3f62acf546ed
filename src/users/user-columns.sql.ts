/** What every statement that answers with users selects, and how it is read: `UserRow`, in one place. */
import type { Database, Tx } from '../db/database.ts';
import { type SQL, sql } from '../db/drizzle.ts';
import { statement } from '../db/statement.ts';
import type { Factor, Identity, UserRow } from './user.ts';

/** The instance id that GoTrue writes and filters on everywhere (contract §6.1). */
export const INSTANCE_ID = sql.raw(`'00000000-0000-0000-0000-000000000000'`);

/** The columns of `UserRow` that are the row's own, of the user that is called `u` in the query. */
export function ownColumns(u: SQL): SQL {
  return sql`
    ${u}.id, ${u}.aud, ${u}.role, ${u}.email, ${u}.encrypted_password, ${u}.email_confirmed_at, ${u}.invited_at,
    ${u}.phone, ${u}.phone_confirmed_at, ${u}.confirmation_sent_at, ${u}.confirmed_at, ${u}.recovery_sent_at,
    ${u}.email_change, ${u}.email_change_sent_at, ${u}.email_change_confirm_status,
    ${u}.phone_change, ${u}.phone_change_sent_at, ${u}.reauthentication_sent_at, ${u}.last_sign_in_at,
    ${u}.raw_app_meta_data, ${u}.raw_user_meta_data, ${u}.created_at, ${u}.updated_at, ${u}.banned_until,
    ${u}.deleted_at, ${u}.is_sso_user, ${u}.is_anonymous`;
}

/** The columns of `UserRow` of the user that is called `u` in the query: for the select of a `userStatement`. */
export function userColumns(u: SQL): SQL {
  return sql`
    ${ownColumns(u)},
    (select json_agg(json_build_object(
              'identity_id', i.id, 'id', i.provider_id, 'user_id', i.user_id, 'identity_data', i.identity_data,
              'provider', i.provider, 'last_sign_in_at', i.last_sign_in_at, 'created_at', i.created_at,
              'updated_at', i.updated_at, 'email', i.email)
              order by i.created_at, i.provider)
       from auth.identities as i where i.user_id = ${u}.id) as identities,
    (select json_agg(json_build_object(
              'id', f.id, 'created_at', f.created_at, 'updated_at', f.updated_at, 'status', f.status,
              'friendly_name', f.friendly_name, 'factor_type', f.factor_type, 'phone', coalesce(f.phone, ''),
              'last_challenged_at', f.last_challenged_at)
              order by f.created_at)
       from auth.mfa_factors as f where f.user_id = ${u}.id) as factors`;
}

/**
 * A statement whose rows are users: a select of `userColumns` and what else belongs to each, after common table expressions
 * where it has some. Resolves to the rows as `UserRow` describes them.
 *
 * A row travels as one JSON value. Some thirty columns, each described anew at each run and read by itself, cost a client
 * of PostgreSQL more than all that is done with the user afterwards; the server they cost the same.
 */
export function userStatement<Args extends Record<string, unknown>, Row extends UserRow>(
  name: string,
  select: SQL,
  given?: SQL,
) {
  const run = statement<Args, { row: Row }>(
    name,
    sql`${given ? sql`with ${given}` : sql``} select to_json(r) as row from (${select}) as r`,
  );
  return async (on: Database | Tx, args: Args): Promise<Row[]> => (await run(on, args)).map(({ row }) => fromJson(row));
}

const userTimes = [
  'email_confirmed_at',
  'invited_at',
  'phone_confirmed_at',
  'confirmation_sent_at',
  'confirmed_at',
  'recovery_sent_at',
  'email_change_sent_at',
  'phone_change_sent_at',
  'reauthentication_sent_at',
  'last_sign_in_at',
  'created_at',
  'updated_at',
  'banned_until',
  'deleted_at',
] as const satisfies (keyof UserRow)[];
const identityTimes = ['last_sign_in_at', 'created_at', 'updated_at'] as const satisfies (keyof Identity)[];
const factorTimes = ['created_at', 'updated_at', 'last_challenged_at'] as const satisfies (keyof Factor)[];

/**
 * Ten times what anybody may keep with us. What came over from Supabase may be nested deeper, and JSON.stringify, ours and
 * a client's, has stack for some 4,000 levels: a single such user would fail every list that it is in.
 */
const METADATA_SHOWN_LEVELS = 1_000;

/** Brings a row to the form that `UserRow` describes: times with their `Z`, a list where there is no identity or factor. */
function fromJson<Row extends UserRow>(row: Row): Row {
  writeZulu(row, userTimes);
  cutBelow(METADATA_SHOWN_LEVELS, row.raw_app_meta_data);
  cutBelow(METADATA_SHOWN_LEVELS, row.raw_user_meta_data);
  row.identities ??= [];
  for (const identity of row.identities) {
    writeZulu(identity, identityTimes);
    cutBelow(METADATA_SHOWN_LEVELS, identity.identity_data);
  }
  row.factors ??= [];
  for (const factor of row.factors) writeZulu(factor, factorTimes);
  return row;
}

/** As the connection's type parsers write a time that is a column: RFC 3339, `Z` where JSON has `+00:00`. */
function writeZulu<Name extends string>(row: Partial<Record<Name, string | null | undefined>>, names: readonly Name[]) {
  for (const name of names) {
    const time = row[name];
    if (time?.endsWith('+00:00')) row[name] = `${time.slice(0, -6)}Z`;
  }
}

/** Objects and arrays below so many levels are `null` to whoever reads; the row keeps them. */
function cutBelow(levels: number, value: unknown) {
  if (typeof value !== 'object' || value === null) return;
  const members = value as Record<string, unknown>;
  for (const name in members) {
    if (levels > 1) cutBelow(levels - 1, members[name]);
    else if (typeof members[name] === 'object') members[name] = null;
  }
}
