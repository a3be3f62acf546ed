-- How far the copy of a portal is: what a run that was broken off has done, and the next one need not do again.
create table gatehouse.portal_copies (
  id uuid not null,
  -- host:port/database, for sentences; and what it is, by whatever address: system identifier and oid.
  source_address text not null,
  source_identity text not null,
  -- SHA-256 of the portal's definitions at the source, hex. Where they have changed, a rerun begins anew.
  definitions text,
  started_at timestamptz not null,
  -- Set with the last step: before that the target is no portal.
  finished_at timestamptz,
  constraint portal_copies_pkey primary key (id));

-- Each row is committed with what it says is done.
create table gatehouse.portal_copy_steps (
  copy_id uuid not null,
  -- `schema`, `table public.people`, `indexes`, …
  step text not null,
  details jsonb not null,
  done_at timestamptz not null,
  constraint portal_copy_steps_pkey primary key (copy_id, step),
  constraint portal_copy_steps_copy_id_fkey foreign key (copy_id) references gatehouse.portal_copies (id) on delete cascade);
