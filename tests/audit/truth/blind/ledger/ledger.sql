-- Accounts and transfers of a payments house. Everything lives in schema "ledger".
create schema if not exists ledger;

create domain ledger.transfer_state as text
  check (value in ('draft', 'authorised', 'captured', 'reversed', 'failed'));
create domain ledger.cents as bigint check (value >= 0);

create table ledger.account (
  id       bigint generated always as identity primary key,
  owner    text not null,
  balance  bigint not null default 0,
  locked   boolean not null default false
);

create table ledger.transfer (
  id          uuid primary key default gen_random_uuid(),
  from_acc    bigint not null references ledger.account (id),
  to_acc      bigint not null references ledger.account (id),
  amount      ledger.cents not null,
  state       ledger.transfer_state not null default 'draft',
  failure     text,
  updated_at  timestamptz not null default now()
);

create table ledger.posting (
  id          bigserial primary key,
  transfer_id uuid not null references ledger.transfer (id) on delete cascade,
  account_id  bigint not null,
  delta       bigint not null,
  posted_at   timestamptz not null default now()
);

create table ledger.journal (
  seq         bigserial primary key,
  transfer_id uuid not null,
  what        text not null,
  at          timestamptz not null default clock_timestamp()
);

-- one line in the journal; update of ledger.transfer set state is done elsewhere
create or replace function ledger.note(p_transfer uuid, p_what text) returns void
language sql
begin atomic
  insert into ledger.journal (transfer_id, what) values (p_transfer, p_what);
end;

create or replace function ledger.note(p_transfer uuid) returns void
language sql as $$
  select ledger.note(p_transfer, 'touched');
$$;

create or replace function ledger.open_transfer(
  p_from bigint, p_to bigint, p_amount ledger.cents, p_note text default 'opened'
) returns uuid
language plpgsql as $$
declare
  v_id ledger.transfer.id%type;
begin
  insert into ledger.transfer (from_acc, to_acc, amount)
  values (p_from, p_to, p_amount)
  returning id into strict v_id;
  perform ledger.note(v_id, p_note);
  return v_id;
end;
$$;

create or replace procedure ledger.authorise(in p_id uuid, inout p_ok boolean default null)
language plpgsql as $$
declare
  v_rows int;
begin
  update ledger.transfer t
     set state = 'authorised', updated_at = now()
    from ledger.account a
   where t.id = p_id and a.id = t.from_acc and not a.locked and t.state = 'draft';
  get diagnostics v_rows = row_count;
  p_ok := v_rows = 1;
  if v_rows = 1 then
    insert into ledger.journal values (default, p_id, 'authorised');
  end if;
end;
$$;

create or replace procedure ledger.capture(p_id uuid)
language plpgsql as $$
declare
  v_t ledger.transfer;
begin
  select * into v_t from ledger.transfer where id = p_id for update;
  if v_t.state <> 'authorised' then
    raise exception 'transfer % is %', p_id, v_t.state using hint = 'update it first';
  end if;
  begin
    update ledger.account set balance = balance - v_t.amount where id = v_t.from_acc;
    update ledger.account set balance = balance + v_t.amount where id = v_t.to_acc;
    insert into ledger.posting (transfer_id, account_id, delta)
    values (p_id, v_t.from_acc, -v_t.amount), (p_id, v_t.to_acc, v_t.amount);
    update ledger.transfer set (state, updated_at) = ('captured', now()) where id = p_id;
    perform ledger.note(p_id, 'captured');
  exception
    when check_violation or numeric_value_out_of_range then
      call ledger.fail(p_id, sqlerrm);
  end;
  commit;
end;
$$;

create or replace procedure ledger.fail(p_id uuid, p_why text)
language sql
begin atomic
  update ledger.transfer set failure = p_why, state = 'failed' where id = p_id;
  insert into ledger.journal (transfer_id, what) select p_id, 'failed: ' || p_why;
end;

-- forgets the journal
create or replace function ledger.reverse(p_id uuid) returns ledger.transfer
language sql as
'
  update ledger.transfer set state = ''reversed'' where id = p_id returning *;
';

create or replace function ledger.reverse(p_ids uuid[], p_quiet boolean) returns setof uuid
language plpgsql as $fn$
declare
  v_id uuid;
begin
  foreach v_id in array p_ids loop
    perform (ledger.reverse(v_id)).id;
    if not p_quiet then
      perform ledger.note(v_id, $q$reversed by 'hand'$q$);
    end if;
    return next v_id;
  end loop;
end
$fn$;

create or replace function ledger.purge(p_before timestamptz) returns bigint
language sql as $$
  with gone as (
    delete from ledger.transfer t
     where t.state in ('captured', 'failed') and t.updated_at < p_before
    returning t.id
  ), noted as (
    insert into ledger.journal (transfer_id, what) select id, 'purged' from gone returning 1
  )
  select count(*) from noted;
$$;

create or replace function ledger.settle(p_batch int) returns int
language plpgsql as $$
<<outer_block>>
declare
  v_done int := 0;
  r record;
begin
  for r in
    select id, amount from ledger.transfer where state = 'authorised' order by updated_at limit p_batch for update skip locked
  loop
    case when r.amount = 0 then
      update ledger.transfer set state = 'failed', failure = 'empty' where id = r.id;
    else
      update ledger.transfer set state = 'captured' where id = r.id;
    end case;
    v_done := v_done + 1;
    insert into ledger.journal (transfer_id, what) values (r.id, 'settled');
  end loop;
  return v_done;
end;
$$;

do $$
begin
  if not exists (select from ledger.transfer) then
    insert into ledger.account (owner) values ('house');
  end if;
end
$$;

call ledger.fail('00000000-0000-0000-0000-000000000000', 'seed');
