-- _is_sound: what holds for every row of absurd.task by itself, whoever writes it and with whatever triggers.
-- One function for one CHECK: PostgreSQL reads the expression of each CHECK anew for each statement, and fourteen of them took
-- a fifth of a spawn. The broken rule is named as a constraint of its own would be.
create or replace function absurd._is_sound(
  p_task_id uuid, p_queue_name text, p_task_name text, p_state text, p_attempt integer, p_max_attempts integer, p_claim_epoch bigint,
  p_claimed_by text, p_claim_expires_at timestamptz, p_claimed_at timestamptz, p_first_started_at timestamptz,
  p_started_at timestamptz, p_ended_at timestamptz, p_has_result boolean, p_parent_task_id uuid, p_workflow_run_id uuid
) returns boolean
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_attempt between 1 and least(p_max_attempts, 16777215)
     and octet_length(p_queue_name) between 1 and 57 and octet_length(p_task_name) between 1 and 255
     and (p_workflow_run_id = p_task_id or p_parent_task_id is not null) then
    -- one group a branch: an expression is made ready once a transaction, and only if it is reached
    if p_state in ('pending', 'sleeping') then
      if num_nonnulls(p_claim_expires_at, p_claimed_by, p_claimed_at, p_ended_at) = 0 and not p_has_result then
        return true;
      end if;
    elsif p_state = 'running' then
      if num_nulls(p_claim_expires_at, p_claimed_by, p_claimed_at, p_first_started_at, p_started_at) = 0 and p_claim_epoch > 0
         and p_ended_at is null and not p_has_result then
        return true;
      end if;
    elsif p_state in ('completed', 'failed', 'cancelled') then
      if num_nonnulls(p_claim_expires_at, p_claimed_by, p_claimed_at) = 0 and p_ended_at is not null
         and (p_state = 'completed' or not p_has_result) then
        return true;
      end if;
    end if;
  end if;
  raise exception 'task % is not a sound row', p_task_id
    using errcode = '23514', table = 'task', schema = 'absurd',
          hint = 'Change a task through the functions of schema absurd.',
          constraint = case
            when p_state not in ('pending', 'running', 'sleeping', 'completed', 'failed', 'cancelled') then 'state_is_known'
            when p_attempt not between 1 and 16777215 then 'attempt_fits_the_run_id'
            when p_max_attempts < 1 then 'max_attempts_is_positive'
            when p_attempt > p_max_attempts then 'attempts_within_limit'
            when (p_claim_expires_at is not null) <> (p_state = 'running') then 'lease_only_while_running'
            when (p_claimed_by is not null) <> (p_state = 'running') then 'owner_only_while_running'
            when (p_claimed_at is not null) <> (p_state = 'running') then 'claim_time_only_while_running'
            when p_state = 'running' and (p_started_at is null or p_first_started_at is null or p_claim_epoch <= 0) then 'running_has_started'
            when (p_ended_at is not null) <> (p_state in ('completed', 'failed', 'cancelled')) then 'end_time_only_when_terminal'
            when p_has_result and p_state <> 'completed' then 'result_only_when_completed'
            when p_parent_task_id is null and p_workflow_run_id <> p_task_id then 'root_is_its_own_workflow'
            when octet_length(p_queue_name) not between 1 and 57 then 'queue_name_has_1_to_57_bytes'
            else 'task_name_has_1_to_255_bytes' end;
end
$$;
