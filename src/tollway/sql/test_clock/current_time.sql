-- The clock of tests: stands still at absurd.test_clock.now until a test moves it. Recorded in absurd.schema_meta, so that
-- verify() reports it where it has no business to be.
create table if not exists absurd.test_clock (
  only_row boolean primary key default true
    constraint test_clock_has_one_row check (only_row),
  now      timestamptz not null
);
insert into absurd.test_clock (now) values (pg_catalog.clock_timestamp()) on conflict do nothing;

create or replace function absurd.current_time() returns timestamptz
language sql volatile parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$ select c.now from absurd.test_clock c $$;
