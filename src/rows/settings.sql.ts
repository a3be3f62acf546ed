/** What a session needs so that the same value has the same bytes on two servers, whatever their defaults are. */
import type pg from 'pg';

const pinned = {
  // Of the types whose text we take, and of the keys that are shown.
  TimeZone: 'UTC',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  lc_monetary: 'C',
  xmloption: 'content',
  client_encoding: 'UTF8',
  quote_all_identifiers: 'off',
  search_path: 'pg_catalog',
  // Row level security is an error instead of a silent loss of rows.
  row_security: 'off',
  // A table is read in ranges of its pages, and its sums are grouped in memory.
  enable_tidscan: 'on',
  enable_hashagg: 'on',
  work_mem: '64MB',
  jit: 'off',
};

/** Pins the settings until the transaction ends. */
export async function pinForms(client: pg.ClientBase): Promise<void> {
  await client.query(
    `select set_config(s.name, p.value, true)
       from jsonb_each_text($1) as p
       join pg_settings as s on lower(s.name) = lower(p.key)`,
    [JSON.stringify(pinned)],
  );
}
