-- A task: the one row that has the state. A plain table, never partitioned or inherited: the gate's statement
-- triggers would not see a partition's writes.
--
-- The run id is not stored: it is the task id with the attempt in its low 24 bits (absurd.run_id_of), so a run is
-- found by the primary key and no index on it has to be kept through every move.
create table absurd.task (
  task_id          uuid primary key,
  queue_name       text not null,
  task_name        text not null,

  state            text not null,                            -- pending, running, sleeping, completed, failed, cancelled
  priority         smallint not null default 0,             -- lower runs first
  attempt          integer not null default 1,
  max_attempts     integer,
  available_at     timestamptz not null,                     -- runnable from; 'infinity' while only an event can wake it

  claim_epoch      bigint not null default 0,                -- the fencing token: grows with each claim
  claimed_by       text,
  claim_expires_at timestamptz,
  claimed_at       timestamptz,
  heartbeat_at     timestamptz,
  claim_instance   uuid,                                     -- the worker process that claimed, and its call number:
  claim_call       bigint,                                   -- what a repeated worker_sync asks for
  worker_version   text,

  enqueue_at       timestamptz not null default absurd.current_time(),
  attempt_at       timestamptz not null default absurd.current_time(),   -- when this attempt was created
  first_started_at timestamptz,                              -- the clock of max_duration; an operator's retry clears it
  started_at       timestamptz,                              -- when this attempt last started or resumed
  ended_at         timestamptz,
  deadline         timestamptz,
  cancel_at        timestamptz,                              -- the next moment a cancellation rule may apply

  params           jsonb not null,
  headers          jsonb,
  retry_strategy   jsonb,
  cancellation     jsonb,
  tags             text[] not null default '{}',
  idempotency_key  text,
  parent_task_id   uuid,
  workflow_run_id  uuid not null,                            -- the root task's id
  detached         boolean not null default false,           -- a cancelled parent leaves it alone
  created_by       text,
  handles_task_id  uuid,                                     -- the task whose move this one answers, or its root does (absurd.on_move)
  workflow_version text,
  workflow_hash    text,

  wake_event       text,
  event_payload    jsonb,
  result           jsonb,
  error            jsonb,                                    -- what ended it, or why the last attempt did

  -- The gate's own columns: written by its BEFORE trigger, whatever a statement gives.
  move_event       text,                                     -- in: the event of this move; null at rest
  move_detail      jsonb,                                    -- in: detail for the log; stays until the next move
  moved            boolean not null default true,            -- did the last write move the state?
  seq              bigint not null default 1,
  last_event       text not null default 'task.spawned',
  last_state       text,                                     -- the state before the last move
  last_worker      text,                                     -- who held it when the last move took it out of running
  ended_attempt    integer,                                  -- the attempt that the last move ended, with what its
  ended_lease      timestamptz,                              -- row in absurd.run needs and the move cleared
  ended_created_at timestamptz,
  ended_started_at timestamptz,
  log_hash         bytea,

  constraint row_is_sound check (absurd._is_sound(
    task_id, queue_name, task_name, state, attempt, max_attempts, claim_epoch, claimed_by, claim_expires_at, claimed_at,
    first_started_at, started_at, ended_at, result is not null, parent_task_id, workflow_run_id))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05);

-- What may run, in the order it is picked; dead entries at its head are why workers are told low-water marks.
create index task_ready on absurd.task (queue_name, priority, available_at, task_id)
  where state in ('pending', 'sleeping');
-- Leases in the order they run out.
create index task_lease on absurd.task (queue_name, claim_expires_at) where state = 'running';
-- Cancellation rules in the order they may apply.
create index task_cancel on absurd.task (queue_name, cancel_at)
  where cancel_at is not null and state in ('pending', 'sleeping', 'running');
-- What clean-up takes, oldest first.
create index task_ended on absurd.task (queue_name, ended_at) where state in ('completed', 'failed', 'cancelled');
create unique index task_idempotency on absurd.task (queue_name, idempotency_key) where idempotency_key is not null;
create index task_parent on absurd.task (parent_task_id) where parent_task_id is not null;
