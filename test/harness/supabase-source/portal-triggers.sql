-- The trigger that every portal has: a profile for each new user. Last, so that the users who are there already have theirs
-- from portal-rows.sql.
set role postgres;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
reset role;
