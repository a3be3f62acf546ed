-- What is ours: schema gatehouse (rights, clients, counters, outgoing mail) and schema audit (the record of what happened).
-- The schema gatehouse and its ledger schema_changes are made by the runner; who may do what is in grants.sql.

-- Rights beyond the JWT role: `auditor` reads the audit log, `admin` manages users (DESIGN §4).
create table gatehouse.role_grants (
  user_id uuid not null references auth.users (id) on delete cascade,
  role text not null check (role in ('auditor', 'admin')),
  granted_by uuid,
  granted_at timestamptz not null default now(),
  primary key (user_id, role));

-- Backend services that may ask whether a token is valid.
create table gatehouse.clients (
  id uuid primary key,
  name text not null unique check (name <> ''),
  -- SHA-256 of a secret of 256 random bits: nothing to guess, so nothing to slow down.
  secret_hash bytea not null check (length(secret_hash) = 32),
  created_at timestamptz not null default now(),
  disabled_at timestamptz,
  last_used_at timestamptz)
  with (fillfactor = 70);

-- Failed attempts per account, whether or not it exists. `subject` is an HMAC of the normalised address, so the table tells
-- nobody who was attacked. No index has a column that changes: with room on the page, a count is a HOT update.
create table gatehouse.attempts (
  kind text not null,
  subject bytea not null,
  attempts int not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  locked_until timestamptz,
  primary key (kind, subject))
  with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- How far ahead of the clock a caller's requests have run, counted by all instances together: each one moves
-- spent_until on by what it costs. In the past means that nothing is spent.
create table gatehouse.rate_limits (
  key text primary key,
  spent_until timestamptz not null)
  with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- Mail that a committed change owes somebody. Sent after the commit, kept until it is.
create table gatehouse.mail_outbox (
  id uuid primary key,
  user_id uuid,
  recipient text not null,
  kind text not null,
  subject text not null,
  body_text text not null,
  body_html text not null,
  created_at timestamptz not null default now(),
  next_attempt_at timestamptz not null default now(),
  attempts int not null default 0,
  sent_at timestamptz,
  last_error text);
create index mail_outbox_unsent_idx on gatehouse.mail_outbox (next_attempt_at) where sent_at is null;

create schema audit;

create table audit.events (
  -- UUIDv7 of the process that wrote it: unique, and in order within a millisecond.
  id uuid not null,
  occurred_at timestamptz not null,
  action text not null,
  outcome text not null check (outcome in ('success', 'failure')),
  -- The refusal as the client saw it; why, in our words, which the client never sees.
  error_code text,
  reason text,
  -- Who acted. A service key or a command has a role and a name, and no id.
  actor_id uuid,
  actor_role text,
  actor_name text,
  -- Whom it happened to. No foreign key: the record outlives the user.
  subject_id uuid,
  session_id uuid,
  ip inet,
  user_agent text,
  request_id text,
  method text,
  path text,
  details jsonb not null default '{}',
  -- The writing transaction: below the oldest one running, everything is committed and can be put in its final order.
  xid xid8 not null default pg_current_xact_id(),
  primary key (occurred_at, id))
  partition by range (occurred_at);

-- Every sign-in and refresh pays for each index, so there are four, for what a security team asks first: about a person, an
-- address, a kind of event, an administrator. Pages by time come from the primary key; a BRIN beside it finds nothing
-- sooner. An insert costs 12 µs with the primary key alone and 21 µs with all (one million rows, 2 cores): the subject 3,
-- the action 1.5, the address 4, the actor 0.5. One by session would cost 3 more, and a session's user leads to it.
create index events_subject_idx on audit.events (subject_id, occurred_at desc) where subject_id is not null;
create index events_action_idx on audit.events (action, occurred_at desc);
create index events_ip_idx on audit.events (ip, occurred_at desc) where ip is not null;
-- Acts upon somebody else, few beside those that people do for themselves.
create index events_actor_idx on audit.events (actor_id, occurred_at desc) where actor_id is distinct from subject_id;

create function audit.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% on audit.events: the audit log is append-only', lower(tg_op)
    using errcode = 'insufficient_privilege';
end $$;

-- The row trigger is cloned to every partition; for truncate, `ensure_partitions` sees to it.
create trigger append_only before update or delete on audit.events
  for each row execute function audit.refuse_change();
create trigger append_only_truncate before truncate on audit.events
  for each statement execute function audit.refuse_change();

-- An insert must never fail for want of a partition: it would fail the sign-in that it records.
create table audit.events_default partition of audit.events default;
create trigger append_only_truncate before truncate on audit.events_default
  for each statement execute function audit.refuse_change();

-- Makes the partitions of this month and of `months_ahead` more, and returns the names of the new ones. A partition is made
-- aside and attached, so writers are not held up. A month of which the default partition already has rows stays there:
-- rows are found wherever they are, and moving them would be a change. Runs as its owner, for a role without DDL, and so
-- within bounds: ten years.
create function audit.ensure_partitions(months_ahead int default 3) returns setof text
  language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
  month timestamptz;
  partition text;
begin
  perform pg_advisory_xact_lock(hashtextextended('audit.ensure_partitions', 0));
  for month in
    select generate_series(date_trunc('month', now()), now() + make_interval(months => least(months_ahead, 120)), '1 month')
  loop
    partition := 'events_' || to_char(month, 'YYYY_MM');
    continue when to_regclass('audit.' || partition) is not null;
    continue when exists (
      select from audit.events_default where occurred_at >= month and occurred_at < month + interval '1 month');
    execute format('create table audit.%I (like audit.events including all)', partition);
    execute format('alter table audit.events attach partition audit.%I for values from (%L) to (%L)',
                   partition, month, month + interval '1 month');
    execute format('create trigger append_only_truncate before truncate on audit.%I
                    for each statement execute function audit.refuse_change()', partition);
    return next partition;
  end loop;
end $$;

select audit.ensure_partitions(12);

-- What an auditor may read: the events, without what only the sealer needs.
create view audit.trail as
  select id, occurred_at, action, outcome, error_code, reason, actor_id, actor_role, actor_name, subject_id, session_id,
         ip, user_agent, request_id, method, path, details
    from audit.events;

comment on view audit.trail is 'Every outcome of every request and command, one row each; append-only.';
