-- Orders with an event log that triggers keep.
create type order_status as enum ('new', 'paid', 'shipped', 'cancelled', 'returned');

create table customers (id int primary key, name text, status text);  -- status is a free text here

create table orders (
    id bigint primary key,
    customer_id int references customers on delete cascade,
    status order_status default 'new' not null,
    total numeric(12,2),
    note text
);
create table order_lines (
    order_id bigint references orders(id) on delete cascade on update cascade,
    n int, sku text, qty int,
    primary key (order_id, n)
);
create table order_events (
    id bigserial, order_id bigint, old_status text, new_status text, happened timestamptz default now()
);
create table outbox (id bigserial, topic text, body jsonb);

create function log_order() returns trigger as $$
begin
    if tg_op = 'INSERT' then
        insert into order_events (order_id, new_status) values (new.id, new.status);
    elsif tg_op = 'UPDATE' then
        insert into order_events (order_id, old_status, new_status) values (new.id, old.status, new.status);
    else
        insert into order_events (order_id, old_status) values (old.id, old.status);
        return old;
    end if;
    return new;
end
$$ language plpgsql;

create trigger orders_log_ins after insert on orders for each row execute procedure log_order();
create trigger orders_log_upd after update of status on orders
    for each row when (old.status is distinct from new.status) execute function log_order();

create function push_outbox() returns trigger language plpgsql as $$
begin
    insert into outbox (topic, body)
    select 'order.' || n.status, to_jsonb(n) from changed n join before_change o using (id) where o.status <> n.status;
    return null;
end $$;

create trigger orders_outbox after update on orders
    referencing old table as before_change new table as changed
    for each statement execute function push_outbox();

create function only_shipped() returns trigger language plpgsql as $$
begin
    perform pg_notify('shipped', new.id::text);
    return new;
end $$;
create trigger orders_notify after update of status on orders
    for each row when (new.status = 'shipped') execute function only_shipped();

create function pay(p_id bigint) returns void language plpgsql as $$
begin
    update orders set status = 'paid' where id = p_id and status = 'new';
    if not found then
        raise exception 'order % cannot be paid', p_id;
    end if;
end $$;

create function ship(p_id bigint, p_lines int[] default null) returns int language plpgsql as $$
declare
    c cursor (k bigint) for select * from orders where id = k for update;
    o orders%rowtype;
    moved int := 0;
begin
    open c(p_id);
    loop
        fetch c into o;
        exit when not found;
        update orders set status = 'shipped', note = concat(note, ' shipped') where current of c;
        moved := moved + 1;
    end loop;
    close c;
    return moved;
end $$;

create function place(p_customer int, p_total numeric) returns bigint language sql as $$
    insert into orders (id, customer_id, total)
    values ((select coalesce(max(id), 0) + 1 from orders), p_customer, p_total)
    on conflict do nothing
    returning id;
$$;

create function put(p_id bigint, p_status order_status) returns void language sql as $$
    insert into orders as o (id, status) values (p_id, p_status)
    on conflict (id) do update set status = excluded.status where o.status <> excluded.status;
$$;

create function forget(p_customer int) returns void language plpgsql as $$
begin
    delete from orders o using customers c where c.id = o.customer_id and c.id = p_customer;
    update customers set status = 'gone' where id = p_customer;
end $$;

create function give_back(p_id bigint) returns order_status language plpgsql as $$
declare s order_status;
begin
    alter table orders disable trigger orders_log_upd;
    update orders set status = 'returned' where id = p_id returning status into s;
    alter table orders enable trigger orders_log_upd;
    return s;
end $$;

create function import_orders(p_rows jsonb) returns void language plpgsql as $$
begin
    set local session_replication_role to 'replica';
    insert into orders (id, status, total)
    select (r->>'id')::bigint, (r->>'status')::order_status, (r->>'total')::numeric
    from jsonb_array_elements(p_rows) r;
end $$;

create function touch(p_id bigint) returns void language sql as $$
    update orders set note = 'touched; update orders set status = ''paid''' where id = p_id;
$$;

create function cancel(p_id bigint) returns boolean language plpgsql as $$
begin
    if p_id is null then
        return false;
    end if;
    with done as (
        update orders set status = 'cancelled'
        where id = p_id and status in ('new', 'paid')
        returning id
    )
    insert into outbox (topic, body) select 'order.cancelled', to_jsonb(id) from done;
    return found;
end $$;

create function nightly() returns void language sql as $$
    select cancel(id) from orders where status = 'new' and note = 'stale';
    select pay(id), ship(p_id => id) from orders where note like '%auto%';
$$;
