-- After one-of-each.sql: what no copy brings. What is in another database, who signs in there, a language of no extension.
create foreign data wrapper nowhere options (debug 'false');
comment on foreign data wrapper nowhere is 'A wrapper.';
create server elsewhere type 'ledger' version '9' foreign data wrapper nowhere options (host 'ledger.example.com', token 'not to be shown');
comment on server elsewhere is 'A server.';
grant usage on foreign server elsewhere to authenticated;
create user mapping for authenticated server elsewhere options (user 'portal', password 'not to be shown');
create user mapping for public server elsewhere;
create foreign table "Back Office".far (id int options (place 'first'), amount numeric not null) server elsewhere options (at 'entries');
comment on foreign table "Back Office".far is 'Far away.';
create trusted language spoken handler plpgsql_call_handler inline plpgsql_inline_handler validator plpgsql_validator;
comment on language spoken is 'Words.';
