create or replace function shop.cancel(p_id bigint) returns void language plpgsql as $$
begin
  update shop.orders set status = 'cancelled' where id = p_id;
  insert into shop.order_log (order_id, status) values (p_id, 'cancelled');
end $$;
