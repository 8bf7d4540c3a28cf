create schema shop;

create table shop.orders (
  id         bigint generated always as identity primary key,
  status     text not null default 'new' check (status in ('new', 'paid', 'shipped', 'cancelled')),
  created_at timestamptz not null default now()
);

-- Who reads this: the mails to customers, and the bookkeeping at night.
create table shop.order_log (
  seq      bigint generated always as identity primary key,
  order_id bigint not null references shop.orders (id),
  status   text not null,
  at       timestamptz not null default now()
);

create function shop.place() returns bigint language plpgsql as $$
declare
  v_id bigint;
begin
  insert into shop.orders default values returning id into v_id;
  insert into shop.order_log (order_id, status) values (v_id, 'new');
  return v_id;
end $$;

create function shop.pay(p_id bigint) returns void language plpgsql as $$
begin
  update shop.orders set status = 'paid' where id = p_id;
  insert into shop.order_log (order_id, status) values (p_id, 'paid');
end $$;

create function shop.ship(p_id bigint) returns void language sql as $$
  with shipped as (update shop.orders set status = 'shipped' where id = p_id and status = 'paid' returning id)
  insert into shop.order_log (order_id, status) select id, 'shipped' from shipped;
$$;

create function shop.cancel(p_id bigint) returns void language plpgsql as $$
begin
  update shop.orders set status = 'cancelled' where id = p_id;
end $$;

create function shop.expire_unpaid(p_age interval default '7 days') returns integer language plpgsql as $$
declare
  v_id bigint;
  v_count integer := 0;
begin
  for v_id in select id from shop.orders where status = 'new' and created_at < now() - p_age loop
    perform shop.cancel(v_id);
    v_count := v_count + 1;
  end loop;
  return v_count;
end $$;
