-- What comes once the rows are there: a check that was never validated, which some of them break, and the trigger that
-- every portal has, a profile for each new user.
set role postgres;
alter table public.portfolios add constraint cash_is_not_negative check (cash >= 0) not valid;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
reset role;
