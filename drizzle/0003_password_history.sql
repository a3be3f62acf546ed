-- Hashes of passwords that a user had before, as many as the settings remember: a new password is none of them. Each is
-- argon2id as the service makes it, so that comparing with all of them has a bound, and stands as it stood in
-- auth.users.encrypted_password, encrypted where it was.
create table gatehouse.password_history (
  user_id uuid not null references auth.users (id) on delete cascade,
  id bigint generated always as identity,
  encrypted_password text not null,
  replaced_at timestamptz not null,
  primary key (user_id, id));
