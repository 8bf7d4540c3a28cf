-- A clock that tests set. Installed only by `tollway schema install --test-clock`; verify() reports it.
create table if not exists absurd.test_clock (
  now     timestamptz,   -- null: the real time
  one_row boolean not null default true primary key check (one_row)
);
insert into absurd.test_clock (now) values (null) on conflict do nothing;

create or replace function absurd.current_time() returns timestamptz
language sql volatile parallel safe
security definer   -- its callers have no right to read the table
set search_path = pg_catalog, pg_temp
as $$ select coalesce((select c.now from absurd.test_clock c), pg_catalog.clock_timestamp()) $$;
