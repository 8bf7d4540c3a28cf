create schema crew;
create table crew.shift (id uuid primary key, state text not null default 'planned' check (state in ('planned','running','over','skipped')), member_id int, started timestamptz);
create table crew.member (id serial primary key, status text not null default 'active' check (status in ('active','left')), name text);
create table crew.trail (id bigserial primary key, shift_id uuid, action text);
create function crew.start_shift(p_id uuid) returns void language plpgsql as $$
begin
  update crew.shift set state = 'running', started = now() where id = p_id;
end $$;
create function crew.skip_shift(p_id uuid) returns void language sql as $$
  update crew.shift set state = 'skipped' where id = p_id;
$$;
create function crew.tidy() returns void language sql as $$
  select crew.skip_shift(id) from crew.shift where started is null;
$$;
