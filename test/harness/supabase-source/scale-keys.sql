-- The foreign keys, over rows that are there: what does not hold is not made.
set role postgres;
do $$
declare
  key record;
begin
  for key in
    select k.*, format('%I.%I', t.schema, t.name) as full_name, t.kind
      from scale_keys as k join scale_tables as t using (n) order by k, n
  loop
    execute format('alter table %s add %s foreign key (%I) references %s (id) %s %s %s', key.full_name,
      case when key.n % 11 = 0 then format('constraint %I', 'Fk ' || key.n || ' → ' || key.k) else '' end,
      key.column_name, key.referenced,
      case key.n % 6 when 0 then 'on delete cascade' when 1 then 'on delete set null' when 2 then 'on update cascade on delete restrict' else '' end,
      case key.n % 10 when 0 then 'deferrable initially deferred' when 5 then 'deferrable' else '' end,
      case when key.n % 29 = 0 and key.kind = 'ordinary' then 'not valid' else '' end);
  end loop;
end $$;
reset role;
