create table public.orders (
  id     bigint primary key,
  status text not null default 'new' check (status in ('new', 'paid', 'shipped', 'cancelled'))
);
create table public.order_log (order_id bigint, status text, at timestamptz default now());

create function public.pay(p_id bigint) returns void language plpgsql as $$
begin
  update public.orders set status = 'paid' where id = p_id;
  insert into public.order_log (order_id, status) values (p_id, 'paid');
end $$;

create function public.ship(p_id bigint) returns void language plpgsql as $$
begin
  update public.orders set status = 'shipped' where id = p_id;
  insert into public.order_log (order_id, status) values (p_id, 'shipped');
end $$;

create function public.cancel(p_id bigint) returns void language plpgsql as $$
begin
  update public.orders set status = 'cancelled' where id = p_id;
end $$;
