-- repair: mend what is derived: workflow_run rows, waits left behind, wake-ups that were missed; each mend is logged.
-- The state itself and the log are never touched: what they say about each other is for people to judge.
--
-- Called by  operator
-- Locks      workflow_run rows and sleeping tasks that disagree
-- Moves      sleeping -> pending, where what it waited for has come
-- Raises     nothing
-- Retry      safe: what is right is left as it is
create or replace function absurd.repair()
returns table (action text, queue_name text, task_id uuid, before jsonb, after jsonb)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task absurd.task;
  v_was  absurd.workflow_run;
  v_now  absurd.workflow_run;
  v_wait absurd.wait;
begin
  for v_task in
    select t.* from absurd.task t
    where t.task_id in (select v.task_id from absurd._verify_workflow_run() v where v.invariant <> 'workflow_run_has_a_task')
    order by t.task_id
    for no key update
  loop
    select * into v_was from absurd.workflow_run w where w.workflow_run_id = v_task.task_id;   -- its task is locked
    v_now := absurd._mend_workflow_run(v_task);
    return query select r.* from absurd._repaired('workflow_run', v_task.queue_name, v_task.task_id, to_jsonb(v_was), to_jsonb(v_now)) r;
  end loop;

  for v_wait in
    delete from absurd.wait w
    where not exists (select from absurd.task t where t.task_id = w.task_id and t.state = 'sleeping')
    returning w.*
  loop
    return query select r.* from absurd._repaired('wait', v_wait.queue_name, v_wait.task_id, to_jsonb(v_wait), null) r;
  end loop;

  for v_wait in
    select w.* from absurd.wait w
    where w.task_id in (select v.task_id from absurd._verify_records() v
                        where v.invariant in ('nothing_sleeps_on_an_emitted_event', 'nothing_sleeps_on_an_ended_task'))
    order by w.task_id
  loop
    if cardinality(absurd._wake(array[v_wait.task_id])) > 0 then
      return query select r.* from absurd._repaired('wake-up', v_wait.queue_name, v_wait.task_id, to_jsonb(v_wait), null) r;
    end if;
  end loop;
end
$$;
