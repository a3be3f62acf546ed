/** Who is in a Supabase project: counted at the source before anything is promised (migration research §2.4, §6.5). */
import pg from 'pg';
import type { Column } from './catalogue.sql.ts';

/** Text columns that GoTrue reads as never NULL; hand-made rows break it there (contract §6.1). */
const neverNull = [
  'aud',
  'role',
  'confirmation_token',
  'recovery_token',
  'email_change_token_new',
  'email_change_token_current',
  'email_change',
  'phone_change',
  'phone_change_token',
  'reauthentication_token',
];

export interface Tally {
  what: string;
  count: number;
}

/** Values under GoTrue's column encryption, by the key that they need. */
export interface EncryptedValues extends Tally {
  key_id: string | null;
}

export interface Census {
  users: Tally[];
  password_formats: Tally[];
  null_columns: Tally[];
  encrypted: EncryptedValues[];
  identities: Tally[];
  factors: Tally[];
  sessions: Tally[];
  refresh_tokens: Tally[];
  one_time_tokens: Tally[];
}

const isEnvelope = (column: string) => `${column} like '{%"key_id"%'`;

/** A row of counts as tallies, zeros left out. */
async function tally(client: pg.ClientBase, from: string, conditions: Record<string, string>): Promise<Tally[]> {
  const counts = Object.entries(conditions).map(
    ([what, condition]) => `count(*) filter (where ${condition})::int as ${pg.escapeIdentifier(what)}`,
  );
  const { rows } = await client.query<Record<string, number>>(`select ${counts.join(', ')} from ${from}`);
  return Object.entries(rows[0] ?? {})
    .map(([what, count]) => ({ what, count }))
    .filter(({ count }) => count > 0);
}

async function groups(client: pg.ClientBase, query: string): Promise<Tally[]> {
  const { rows } = await client.query<Tally>(`${query} group by 1 order by 2 desc, 1`);
  return rows;
}

/** Counts what the source holds. Columns that its version does not have yet are counted as absent. */
export async function takeCensus(client: pg.ClientBase, columns: ReadonlyMap<string, Column[]>): Promise<Census> {
  const has = (table: string, column: string) => columns.get(table)?.some(({ name }) => name === column) ?? false;
  const counter = has('sessions', 'refresh_token_counter') ? 'refresh_token_counter' : 'null';

  const users = await tally(client, 'auth.users as u', {
    'with a password': `encrypted_password <> ''`,
    anonymous: 'is_anonymous',
    'through single sign-on': 'is_sso_user',
    'phone only': 'email is null and phone is not null',
    'not confirmed yet': 'email_confirmed_at is null and phone_confirmed_at is null and not is_anonymous',
    banned: 'banned_until > now()',
    'banned once': 'banned_until <= now()',
    'deleted, kept as a row': 'deleted_at is not null',
    'changing their address': `email_change <> '' or phone_change <> ''`,
    'without an identity':
      'not is_anonymous and deleted_at is null and not exists (select from auth.identities as i where i.user_id = u.id)',
    'sharing an address with another':
      'lower(email) in (select lower(email) from auth.users where email is not null group by 1 having count(*) > 1)',
    'of another instance': `instance_id is distinct from '00000000-0000-0000-0000-000000000000'`,
    'without metadata': 'raw_app_meta_data is null or raw_user_meta_data is null',
  });
  const password_formats = await groups(
    client,
    `select case when encrypted_password is null or encrypted_password = '' then 'none'
                 when ${isEnvelope('encrypted_password')} then 'encrypted by column'
                 when encrypted_password ~ '^\\$2.?\\$\\d\\d\\$' then 'bcrypt ' || substring(encrypted_password from '^\\$2.?\\$\\d\\d\\$')
                 when encrypted_password ~ '^\\$argon2id?\\$' then substring(encrypted_password from '^\\$(argon2id?)\\$')
                 when encrypted_password like '$fbscrypt$%' then 'Firebase scrypt'
                 else 'unknown' end as what, count(*)::int
       from auth.users`,
  );
  const null_columns = await tally(
    client,
    'auth.users',
    Object.fromEntries(
      neverNull.filter((column) => has('users', column)).map((column) => [column, `${column} is null`]),
    ),
  );

  const enveloped = [
    ['users', 'encrypted_password'],
    ['mfa_factors', 'secret'],
    ['sessions', 'refresh_token_hmac_key'],
  ] as const;
  const encrypted: EncryptedValues[] = [];
  for (const [table, column] of enveloped) {
    if (!has(table, column)) continue;
    const { rows } = await client.query<EncryptedValues>(
      `select '${table}.${column}' as what, substring(${column} from '"key_id"\\s*:\\s*"([^"]*)"') as key_id, count(*)::int
         from auth.${table} where ${isEnvelope(column)} group by 2 order by 2`,
    );
    encrypted.push(...rows);
  }

  return {
    users,
    password_formats,
    null_columns,
    encrypted,
    identities: await groups(
      client,
      `select case when provider like 'sso:%' then 'sso' else provider end as what, count(*)::int from auth.identities`,
    ),
    factors: await groups(client, `select status || ' ' || factor_type as what, count(*)::int from auth.mfa_factors`),
    sessions: await tally(client, 'auth.sessions as s', {
      'with counter refresh tokens (v2)': `${counter} is not null`,
      'with legacy refresh tokens (v1)': `${counter} is null and exists (
        select from auth.refresh_tokens as t where t.session_id = s.id and not t.revoked)`,
      'past their end': 'not_after <= now()',
      'with a second factor (aal2)': `aal = 'aal2'`,
      'held by an application': has('sessions', 'oauth_client_id') ? 'oauth_client_id is not null' : 'false',
    }),
    refresh_tokens: await tally(client, 'auth.refresh_tokens', {
      live: 'not revoked',
      revoked: 'revoked',
      'of an old release (22 characters)': 'length(token) = 22',
      'without a session': 'session_id is null',
    }),
    one_time_tokens: await groups(client, 'select token_type::text as what, count(*)::int from auth.one_time_tokens'),
  };
}
