-- worker_sync: a task starts children. The child and the checkpoint that names it are stored together, so there is one child
-- however often the operation is sent.

-- _sync_children: the children as they would be stored, made under their parents' locks. What cannot be made is refused alone.
create or replace function absurd._sync_children(
  p_ops absurd.sync_op[], p_tasks uuid[], out ops absurd.sync_op[], out children absurd.task[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_op     absurd.sync_op;
  v_parent absurd.task;
  v_child  absurd.task;
  v_have   jsonb;
  v_now    timestamptz := absurd.current_time();
begin
  if not exists (select from unnest(p_ops) o where o.op = 'spawn' and o.status is null) then
    ops := p_ops;
    return;
  end if;
  foreach v_op in array p_ops loop
    if v_op.op = 'spawn' and v_op.status is null and v_op.task_id = any (p_tasks) then
      if v_parent.task_id is distinct from v_op.task_id then
        select * into v_parent from absurd.task t where t.task_id = v_op.task_id;
      end if;
      select c.state into v_have from absurd.checkpoint c where c.task_id = v_op.task_id and c.checkpoint_name = v_op.step;
      if found then
        v_op.child := absurd._spawned_child(v_have);
      elsif v_parent.state = 'running' and v_parent.claim_epoch = v_op.epoch then
        begin
          v_child := absurd._sync_child(v_op, v_parent, v_now);
          v_op.child := v_child.task_id;
          children := children || v_child;
        exception when others then
          if left(sqlstate, 2) not in ('22', '42', 'AB', 'P0', 'TW') then
            raise;   -- not the argument's fault: the call is to be sent again
          end if;
          v_op.status := 'refused';
          v_op.error := sqlerrm;
          v_op.sqlstate := case when sqlstate like '22%' then 'TW301' else sqlstate end;
        end;
      end if;
    end if;
    ops := ops || v_op;
  end loop;
end
$$;

-- _sync_child: one child's row, as spawn_task would make it.
create or replace function absurd._sync_child(p_op absurd.sync_op, p_parent absurd.task, p_now timestamptz) returns absurd.task
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_parent_id uuid := absurd._uuid_option('parent_task_id', p_op.spec -> 'options' -> 'parent_task_id');
begin
  if v_parent_id <> p_parent.task_id then
    raise exception 'parent_task_id % is not the task that starts the child, %', v_parent_id, p_parent.task_id
      using errcode = 'TW301', hint = 'Leave it out; for a root task use absurd.spawn_task.';
  end if;
  return absurd._new_task(
    absurd._queue(p_op.spec ->> 'queue', 't'), p_op.spec ->> 'task_name', p_op.value, p_op.spec -> 'options', p_parent, p_now);
end
$$;

-- _spawned, _spawned_child: what the checkpoint of a spawn holds, and the child that a checkpoint names, if it is one.
create or replace function absurd._spawned(p_child uuid, p_queue_name text) returns jsonb
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return jsonb_build_object('task_id', p_child, 'queue', p_queue_name);
end
$$;

create or replace function absurd._spawned_child(p_state jsonb) returns uuid
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_state ? 'queue' and p_state ->> 'task_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    return (p_state ->> 'task_id')::uuid;
  end if;
  return null;
end
$$;

-- _sync_spawn: store them, in one statement for all queues; a known idempotency key gives the task that has it.
create or replace function absurd._sync_spawn(p_ops absurd.sync_op[], p_children absurd.task[]) returns absurd.sync_op[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_wanted   uuid[] := array(select o.child from unnest(p_ops) o where o.op = 'spawn' and o.status = 'ok');
  -- in the order of n, as they were made, so that children of one call run in that order
  v_children absurd.task[] := array(select c from unnest(p_children) c where c.task_id = any (v_wanted));
  v_made     uuid[] := array(select c.task_id from unnest(v_children) c);
  v_stored   uuid[];
begin
  if cardinality(v_made) = 0 then
    return p_ops;
  end if;
  v_stored := array(select i.task_id from absurd._insert_tasks(v_children) i order by i.ordinal);
  if v_stored = v_made then
    return p_ops;
  end if;
  return array(
    select absurd._sync_judged(o, o.attempt, o.status, coalesce(m.stored, o.child))
    from unnest(p_ops) o
    left join unnest(v_made, v_stored) m(made, stored) on m.made = o.child
    order by o.n);
end
$$;
