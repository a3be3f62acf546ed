-- What migrations from Supabase did, and which rows they brought.

-- Chained: each hash covers the one before it, so an edited or missing entry breaks the chain. The last hash of a run also
-- stands in the audit log's event `migration_finished`.
create table gatehouse.migration_ledger (
  id bigint generated always as identity,
  run_id uuid not null,
  at timestamptz not null,
  step text not null,
  details jsonb not null,
  previous_hash bytea not null,
  hash bytea not null,
  constraint migration_ledger_pkey primary key (id),
  constraint migration_ledger_hash_key unique (hash),
  constraint migration_ledger_step_check
    check (step in ('started', 'table_copied', 'proved', 'finished', 'failed')));

create function gatehouse.refuse_ledger_change() returns trigger language plpgsql as $$
begin
  raise exception 'the migration ledger is only ever added to' using errcode = 'insufficient_privilege';
end $$;
create trigger refuse_ledger_change before update or delete or truncate on gatehouse.migration_ledger
  for each statement execute function gatehouse.refuse_ledger_change();
alter table gatehouse.migration_ledger enable always trigger refuse_ledger_change;

-- What each imported row was when it came: a rerun sees by it what has changed since, and on which side. 64 bits of hash,
-- no values. Without an index: a rerun reads all rows of a table, and an index would take a sixth of an import's time. One
-- row per table_name and key, by whoever holds the migration lock.
create table gatehouse.migrated_rows (
  table_name text not null,
  key text collate "C" not null,
  fingerprint bigint not null);
-- In place of a primary key, for publications that cover all tables.
alter table gatehouse.migrated_rows replica identity full;
