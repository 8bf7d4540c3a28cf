-- Stock moves of a warehouse. Old style, unqualified, one schema.
create table bins (bin text primary key, state text not null default 'free' check (state in ('free','held','full','broken')), qty int default 0);
create table picks (
  pick_id serial primary key, bin text references bins on update cascade on delete set null,
  stage varchar(10) default 'todo' check (stage in ('todo','picking','picked','void')), worker text, weight real
);
create table moves_log (id serial, thing text, what text);
create table feed (bin text, qty int, broken bool);
create view todo_picks as select pick_id, stage, bin from picks where stage = 'todo' with local check option;

create function say(what text) returns void as $$ insert into moves_log (thing, what) values ('bin', what) $$ language sql;

create function say_all(variadic what text[]) returns int language plpgsql as $$
declare w text; n int = 0;
begin
  foreach w in array what loop perform say(w); n = n + 1; end loop;
  return n;
end $$;

create function load_feed() returns text language plpgsql as $$
declare n int; m int;
begin
  merge into bins as b using (select bin, sum(qty) q, bool_or(broken) br from feed group by bin) f
  on b.bin = f.bin
  when matched and f.br then update set state = 'broken', qty = 0
  when matched and f.q > 100 then update set qty = b.qty + f.q, state = 'full'
  when matched then do nothing
  when not matched by target then insert (bin, qty) values (f.bin, f.q);
  get diagnostics n = row_count;
  delete from feed;
  get diagnostics m := row_count;
  if m > 10 then perform say('big feed'); end if;
  return n || ' of ' || m;
end $$;

create function hold(b text) returns bool language plpgsql as $$
begin
  update bins set state = 'held' where bins.bin = b and state = 'free';
  if found then
    perform say('held ' || b);
    return true;
  end if;
  return false;
end $$;

create function pick_next(who text) returns picks language plpgsql as $$
declare p picks;
begin
  with nxt as materialized (
    select pick_id from todo_picks order by pick_id limit 1 for no key update skip locked
  ), upd as (
    update picks k set stage = 'picking', worker = who from nxt where nxt.pick_id = k.pick_id returning k.*
  ), logged as (
    insert into moves_log (thing, what) select 'pick', pick_id::text from upd
  )
  select * into p from upd;
  return p;
end $$;

create function void_todo() returns setof int language sql as $$
  update todo_picks set stage = 'void' where bin is null returning pick_id;
$$;

create function weigh() returns void language plpgsql as $$
declare
  cur refcursor;
  r record;
  total real := 0;
begin
  open cur for select * from picks where stage = 'picking' for update;
  <<rows>>
  loop
    fetch next from cur into r;
    exit rows when r is null;
    continue rows when r.weight is null;
    total := total + r.weight;
    if total > 500 then
      update picks set stage = 'todo', worker = null where current of cur;
      perform say_all('too heavy', r.pick_id::text);
    elsif total > 400 then
      delete from picks where current of cur;
    end if;
  end loop;
  close cur;
end $$;

create function finish(p int, ok boolean default true) returns text language plpgsql as $$
declare
  was text;
  now_is text := case when ok then 'picked' else 'void' end;
begin
  select stage into strict was from picks where pick_id = p for update;
  if was = 'picked' then return 'already'; end if;
  while ok loop
    update picks set stage = now_is where pick_id = p;
    insert into moves_log values (default, 'pick', now_is);
    exit;
  end loop;
  return now_is;
end $$;

create function swap_bins(a text, b text) returns void language plpgsql as $$
begin
  update bins set state = (select state from bins x where x.bin = case bins.bin when a then b else a end)
  where bin in (a, b);
  perform say('swap');
exception
  when others then
    raise warning 'swap failed: %', sqlerrm;
end $$;

create function free_bins() returns int language plpgsql as $$
declare freed int := 0; b bins%rowtype;
begin
  for b in delete from bins where state = 'broken' returning * loop
    freed := freed + 1;
    perform say(b.bin);
  end loop;
  for b in update bins set state = 'free' where qty = 0 returning * loop
    freed := freed + b.qty;
  end loop;
  return freed;
end $$;

create procedure nightly() language plpgsql as $$
declare step text; x int;
begin
  foreach step in array array['bins', 'picks'] loop
    execute 'analyze ' || step;
    execute format('update %I set %I = $1', step, case step when 'bins' then 'state' else 'stage' end) using 'broken';
  end loop;
  x := free_bins();
  call nightly_tail(x);
end $$;

create procedure nightly_tail(inout n int) language plpgsql as $$
begin
  if n > 0 then
    n := say_all(variadic array['x', 'y']);
    assert n = 2, 'update bins set state = ''free''';
  end if;
  truncate picks, feed restart identity cascade;
end $$;
